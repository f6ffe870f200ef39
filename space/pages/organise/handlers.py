"""What an organiser can do on their page. Nothing here runs for anybody else: `for_organisers` looks again who asks."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate

import gradio as gr

from annotation import form
from annotation.export.files import export_judgments
from maps.errors import MapsError
from maps.types import HeadId
from space.components.markup import anchor, escape_html, notice
from space.pages.organise import adjudication, studies
from space.pages.organise.studies import StudyRequest
from space.pages.organise.updates import (
    access_denied_updates,
    ordered_updates,
    overview_html,
    page_updates,
    selection_from_query,
    withdrawals_html,
)
from space.pages.organise.view import study_address
from space.services import Services
from space.studies.access import answers_hidden_reason
from space.studies.results import find_stale_judgment_ids
from space.web import sessions
from space.web.errors import show_errors
from space.web.sessions import Annotator

ORGANISERS_ONLY = "Only an organiser can do that; reload the page and enter as one."
OrganiserHandler = Callable[Concatenate[Services, Annotator, ...], Any]


def for_organisers(services: Services, handler: OrganiserHandler) -> Any:
    """A handler that lets an organiser act, and refuses everybody else in words."""

    def acted(key: object, request: gr.Request, *given: Any) -> Any:
        who = sessions.identify_organiser(services, key, request)
        if who is None:
            raise MapsError(ORGANISERS_ONLY)
        return handler(services, who, *given)

    acted.__name__ = handler.__name__
    return show_errors(acted)


def page_load_handler(services: Services) -> Any:
    """The page's load: the study and item in the address; to others how to get in."""

    @show_errors
    def opened_for_organisers(kept: object, request: gr.Request) -> tuple[Any, ...]:
        key = request.query_params.get("key") or kept
        who = sessions.identify_organiser(services, key, request)
        if who is None:
            return access_denied_updates(services)
        return page_updates(services, who, key, selection_from_query(services, who, request.query_params))

    return opened_for_organisers


def preview_study(services: Services, _who: Annotator, *given: Any) -> tuple[Any, ...]:
    """What a study with these settings would hold, before it is frozen."""
    try:
        study = studies.build_study(services, StudyRequest(*given))
    except MapsError as error:
        return notice(str(error), "problem"), gr.update(visible=False)
    lines = "".join(f"<li>{escape_html(line)}</li>" for line in studies.study_summary_sentences(study))
    return f"<ul>{lines}</ul><p>Once created, nothing of it can be changed.</p>", gr.update(visible=True)


def create_study(services: Services, _who: Annotator, *given: Any) -> tuple[Any, ...]:
    """Freezes it."""
    try:
        study = studies.create_study(services, StudyRequest(*given))
    except MapsError as error:
        return notice(str(error), "problem"), gr.skip(), gr.skip()
    said = notice(f"The study {study.name} is created and frozen.", "receipt")
    link = f"<p>{anchor(study_address(study.name), 'Look at it')}</p>"
    return said + link, gr.update(visible=False), overview_html(services, studies.study_statuses(services))


def ask_to_open_answers(services: Services, _who: Annotator, selection_json: object) -> tuple[Any, ...]:
    """What opening the answers means, before it is done."""
    study = studies.find_study(services, adjudication.parse_selection(selection_json).study)
    if answers_hidden_reason(services, study) is None:
        return notice("The answers of this study are shown already."), gr.update(visible=False)
    words = (
        f"Annotators of {study.name} will see what others answered to the items that they have judged themselves, "
        "and everybody the agreement so far, though the study goes on. This cannot be taken back."
    )
    return notice(words, "problem"), gr.update(visible=True)


def open_answers(services: Services, organiser: Annotator, selection_json: object) -> tuple[Any, ...]:
    """Opens them for good."""
    study = studies.find_study(services, adjudication.parse_selection(selection_json).study)
    services.journal.open_answers(study.name, organiser.pseudonym)
    gone = gr.update(visible=False)
    return notice(f"The answers of {study.name} are open.", "receipt"), gone, gone


def ask_to_withdraw(services: Services, _who: Annotator, pseudonym: object) -> tuple[Any, ...]:
    """What withdrawing somebody means, before it is done."""
    name = pseudonym.strip() if isinstance(pseudonym, str) else ""
    if name in services.journal.withdrawal_times():
        return notice(f"{name} has withdrawn already."), gr.update(visible=False)
    if name not in {person.pseudonym for person in services.journal.annotators()}:
        words = "Nobody here has this pseudonym; it stands on the annotator's page."
        return notice(words, "problem"), gr.update(visible=False)
    answers = sum(row.annotator == name for row in services.journal.all_judgments())
    words = f"{answers:,} answers of {name} will be left out, in every study, and {name} can answer no more."
    return notice(words, "problem"), gr.update(visible=True)


def withdraw(services: Services, _who: Annotator, pseudonym: object) -> tuple[Any, ...]:
    """Withdraws them."""
    name = pseudonym.strip() if isinstance(pseudonym, str) else ""
    services.journal.withdraw(name)
    return notice(f"{name} is withdrawn.", "receipt"), gr.update(visible=False), withdrawals_html(services)


def rows_export_handler(fmt: str) -> OrganiserHandler:
    """Makes the file of all rows of a study."""

    def all_rows(services: Services, _who: Annotator, place: object) -> Any:
        study = studies.find_study(services, adjudication.parse_selection(place).study)
        folder = Path(tempfile.mkdtemp(prefix="rows-")) / study.name
        rows = services.journal.all_judgments(study.name)
        paths = export_judgments(
            rows, folder, fmt, settings=study.settings, stale=find_stale_judgment_ids(services, study, rows)
        )
        if fmt == "datasets":  # several files in their folders
            paths = [Path(shutil.make_archive(str(folder), "zip", folder.parent, study.name))]
        return gr.update(visible=True, value=[str(path) for path in paths])

    all_rows.__name__ = f"rows_{fmt}"
    return all_rows


def decide(services: Services, organiser: Annotator, selection_json: object, *given: str | None) -> tuple[Any, ...]:
    """Stores a decision and shows it beside the answers; what is missing is said and nothing is lost."""
    place = adjudication.parse_selection(selection_json)
    study = studies.find_study(services, place.study)
    if not place.reveal_answers and answers_hidden_reason(services, study) is not None:
        raise MapsError("This study is going on, and its answers are not shown to you; open the item on purpose.")
    try:
        receipt = adjudication.store_decision(
            services,
            organiser,
            place,
            form.keep_applicable_answers(
                dict(zip(("presence", "precision", "category"), given, strict=False)), given[-1]
            ),
        )
    except MapsError as error:
        return ordered_updates(message=notice(str(error), "problem"))
    item = study.order[place.item or 0]
    fresh = adjudication.new_selection(services, organiser, study, place.item, place.reveal_answers)
    words = f"Decided: {HeadId(item.layer, item.head)} at {receipt.stored_at:%H:%M:%S UTC}."
    return page_updates(services, organiser, gr.skip(), fresh, notice(words, "receipt"))
