"""What an organiser can do on their page. Nothing here runs for anybody else: `only` looks again who asks."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate

import gradio as gr

from annotation import form
from annotation.export.files import export
from maps.errors import MapsError
from maps.types import HeadId
from space.components.markup import anchor, notice, text
from space.pages.organise import adjudication, studies
from space.pages.organise.studies import Wanted
from space.pages.organise.updates import asked_place, entered, in_order, overview, refused, withdrawn
from space.pages.organise.view import address_of
from space.services import Services
from space.studies.access import closed
from space.studies.results import stale_rows
from space.web import sessions
from space.web.errors import spoken
from space.web.sessions import Annotator

NOT_YOURS = "Only an organiser can do that; reload the page and enter as one."
Act = Callable[Concatenate[Services, Annotator, ...], Any]


def only(services: Services, act: Act) -> Any:
    """A handler that lets an organiser act, and refuses everybody else in words."""

    def acted(key: object, request: gr.Request, *given: Any) -> Any:
        who = sessions.organiser(services, key, request)
        if who is None:
            raise MapsError(NOT_YOURS)
        return act(services, who, *given)

    acted.__name__ = act.__name__
    return spoken(acted)


def opening(services: Services) -> Any:
    """The page's load: the study and item in the address; to others how to get in."""

    @spoken
    def opened_for_organisers(kept: object, request: gr.Request) -> tuple[Any, ...]:
        key = request.query_params.get("key") or kept
        who = sessions.organiser(services, key, request)
        if who is None:
            return refused(services)
        return entered(services, who, key, asked_place(services, who, request.query_params))

    return opened_for_organisers


def preview_study(services: Services, _who: Annotator, *given: Any) -> tuple[Any, ...]:
    """What a study with these settings would hold, before it is frozen."""
    try:
        study = studies.frozen(services, Wanted(*given))
    except MapsError as error:
        return notice(str(error), "problem"), gr.update(visible=False)
    lines = "".join(f"<li>{text(line)}</li>" for line in studies.holds(study))
    return f"<ul>{lines}</ul><p>Once created, nothing of it can be changed.</p>", gr.update(visible=True)


def create_study(services: Services, _who: Annotator, *given: Any) -> tuple[Any, ...]:
    """Freezes it."""
    try:
        study = studies.create(services, Wanted(*given))
    except MapsError as error:
        return notice(str(error), "problem"), gr.skip(), gr.skip()
    said = notice(f"The study {study.name} is created and frozen.", "receipt")
    link = f"<p>{anchor(address_of(study.name), 'Look at it')}</p>"
    return said + link, gr.update(visible=False), overview(services, studies.standings(services))


def ask_to_open_answers(services: Services, _who: Annotator, place: object) -> tuple[Any, ...]:
    """What opening the answers means, before it is done."""
    study = studies.study_named(services, adjudication.place_in(place).study)
    if closed(services, study) is None:
        return notice("The answers of this study are shown already."), gr.update(visible=False)
    words = (
        f"Annotators of {study.name} will see what others answered to the items that they have judged themselves, "
        "and everybody the agreement so far, though the study goes on. This cannot be taken back."
    )
    return notice(words, "problem"), gr.update(visible=True)


def open_answers(services: Services, who: Annotator, place: object) -> tuple[Any, ...]:
    """Opens them for good."""
    study = studies.study_named(services, adjudication.place_in(place).study)
    services.journal.open_answers(study.name, who.pseudonym)
    gone = gr.update(visible=False)
    return notice(f"The answers of {study.name} are open.", "receipt"), gone, gone


def ask_to_withdraw(services: Services, _who: Annotator, pseudonym: object) -> tuple[Any, ...]:
    """What withdrawing somebody means, before it is done."""
    name = pseudonym.strip() if isinstance(pseudonym, str) else ""
    if name in services.journal.withdrawn():
        return notice(f"{name} has withdrawn already."), gr.update(visible=False)
    if name not in {person.pseudonym for person in services.journal.annotators()}:
        words = "Nobody here has this pseudonym; it stands on the annotator's page."
        return notice(words, "problem"), gr.update(visible=False)
    answers = sum(row.annotator == name for row in services.journal.rows())
    words = f"{answers:,} answers of {name} will be left out, in every study, and {name} can answer no more."
    return notice(words, "problem"), gr.update(visible=True)


def withdraw(services: Services, _who: Annotator, pseudonym: object) -> tuple[Any, ...]:
    """Withdraws them."""
    name = pseudonym.strip() if isinstance(pseudonym, str) else ""
    services.journal.withdraw(name)
    return notice(f"{name} is withdrawn.", "receipt"), gr.update(visible=False), withdrawn(services)


def rows_file(fmt: str) -> Act:
    """Makes the file of all rows of a study."""

    def all_rows(services: Services, _who: Annotator, place: object) -> Any:
        study = studies.study_named(services, adjudication.place_in(place).study)
        folder = Path(tempfile.mkdtemp(prefix="rows-")) / study.name
        rows = services.journal.rows(study.name)
        paths = export(rows, folder, fmt, settings=study.settings, stale=stale_rows(services, study, rows))
        if fmt == "datasets":  # several files in their folders
            paths = [Path(shutil.make_archive(str(folder), "zip", folder.parent, study.name))]
        return gr.update(visible=True, value=[str(path) for path in paths])

    all_rows.__name__ = f"rows_{fmt}"
    return all_rows


def decide(services: Services, who: Annotator, text_of_place: object, *given: str | None) -> tuple[Any, ...]:
    """Stores a decision and shows it beside the answers; what is missing is said and nothing is lost."""
    place = adjudication.place_in(text_of_place)
    study = studies.study_named(services, place.study)
    if not place.on_purpose and closed(services, study) is not None:
        raise MapsError("This study is going on, and its answers are not shown to you; open the item on purpose.")
    try:
        receipt = adjudication.decide(services, who, place, form.cleared(*given))
    except MapsError as error:
        return in_order(message=notice(str(error), "problem"))
    item = study.order[place.item or 0]
    fresh = adjudication.place_of(services, who, study, place.item, place.on_purpose)
    words = f"Decided: {HeadId(item.layer, item.head)} at {receipt.stored_at:%H:%M:%S UTC}."
    return entered(services, who, gr.skip(), fresh, notice(words, "receipt"))
