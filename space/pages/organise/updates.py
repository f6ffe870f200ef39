"""What the organiser's page shows, as updates of its components in order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import gradio as gr

from annotation import form
from annotation.statistics.disagreement import Disagreement
from annotation.study.study import Study
from maps.errors import MapsError
from space.components.markup import anchor, escape_html, notice
from space.pages.organise import adjudication, studies
from space.pages.organise.adjudication import OrganiserSelection
from space.pages.organise.studies import StudyStatus
from space.pages.organise.view import (
    annotators_table,
    disagreement_html,
    disagreements_table,
    studies_table,
    study_address,
    study_detail_html,
    study_state,
)
from space.services import Services
from space.studies.access import answers_hidden_reason
from space.web.sessions import Annotator


class OrganiseComponents(NamedTuple):
    """The page's components in the order in which handlers return them."""

    key: gr.BrowserState
    denied: gr.HTML
    room: gr.Column
    place: gr.Textbox
    overview: gr.HTML
    tabs: gr.Tabs
    study: gr.HTML
    open_up: gr.Button
    listing: gr.HTML
    row: gr.Row
    case: gr.HTML
    presence: gr.Radio
    precision: gr.Radio
    category: gr.Radio
    comment: gr.Textbox
    message: gr.HTML
    withdrawn: gr.HTML

    @property
    def questions(self) -> list[gr.Radio]:
        """The three questions of a decision."""
        return [self.presence, self.precision, self.category]


def ordered_updates(**updates: Any) -> tuple[Any, ...]:
    """Updates in the order of `OrganiseComponents`; what is not named stays as it is."""
    if unknown := updates.keys() - set(OrganiseComponents._fields):
        raise ValueError(f"the page has no {unknown}")
    return tuple(updates.get(name, gr.skip()) for name in OrganiseComponents._fields)


def access_denied_updates(services: Services) -> tuple[Any, ...]:
    """The page to whoever is no organiser: how one gets in, and nothing else."""
    how = (
        "log in to Hugging Face as one of the users that the setting MAPS_ORGANISERS names"
        if services.is_on_space
        else "open the link that the app printed when it was started"
    )
    words = notice(f"This page is for the organisers of studies: {how}.", "problem")
    return ordered_updates(denied=f"<h1>Studies</h1>{words}", room=gr.update(visible=False))


def selection_from_query(services: Services, organiser: Annotator, query: Mapping[str, str]) -> OrganiserSelection:
    """The study and item that an address names; without one the newest study."""
    study = studies.find_study(services, query.get("study") or next(iter(studies.studies_newest_first(services))))
    number = query.get("item", "")
    item = int(number) if number.isascii() and number.isdecimal() and len(number) < 9 else None
    return adjudication.new_selection(services, organiser, study, item, query.get("answers") == "shown")


def page_updates(
    services: Services, organiser: Annotator, key: object, selection: OrganiserSelection, message: str = ""
) -> tuple[Any, ...]:
    """The whole page for a place."""
    study = studies.find_study(services, selection.study)
    every = studies.study_statuses(services)
    closed_now = answers_hidden_reason(services, study)
    shown = selection.reveal_answers or closed_now is None
    found = adjudication.study_disagreements(services, study) if shown else []
    return ordered_updates(
        key=key,
        denied="",
        room=gr.update(visible=True),
        place=selection.to_json(),
        overview=overview_html(services, every),
        tabs=gr.update(selected="disagreements" if selection.item is not None or selection.reveal_answers else "study"),
        study=study_html(services, every[study.name]),
        open_up=gr.update(visible=closed_now is not None),
        listing=disagreements_table(study, found, selection.reveal_answers) if shown else hidden_answers_html(study),
        withdrawn=withdrawals_html(services),
        **decision_updates(services, organiser, study, selection, shown, message),
    )


def overview_html(services: Services, statuses: Mapping[str, StudyStatus]) -> str:
    """All studies with their counts, and the ledger."""
    rows = [(each.study, each.progress, current_study_state(each)) for each in statuses.values()]
    return "<h1>Studies</h1>" + studies_table(rows) + ledger_status_html(services)


def current_study_state(status: StudyStatus) -> str:
    """Whether a study is going on."""
    return study_state(status.study, status.is_complete, datetime.now(UTC))


def study_html(services: Services, status: StudyStatus) -> str:
    """One study with its people."""
    name = status.study.name
    opened = services.journal.answers_opened_at(name)
    more = notice(f"Its answers were opened to annotators on {opened:%Y-%m-%d at %H:%M UTC}.") if opened else ""
    address = f"{services.public_address}/annotate?study={name}".removeprefix("/")
    shown = study_detail_html(status.study, status.progress, current_study_state(status), address)
    return shown + more + annotators_table(studies.annotator_work(services, status.study))


def ledger_status_html(services: Services) -> str:
    """How things stand between the journal and the ledger."""
    if services.ledger is None:
        return notice("There is no ledger: answers are on this machine's disk only. MAPS_JUDGMENTS names one.")
    status = services.ledger.status()
    troubles = "".join(notice(line, "problem") for line in status.problems())
    return "<h2>Ledger</h2>" + troubles + "".join(notice(line) for line in status.state_sentences())


def withdrawals_html(services: Services) -> str:
    """Who withdrew, and when."""
    rows = services.journal.withdrawal_times().items()
    lines = "".join(f"<li>{escape_html(name)}, {moment:%Y-%m-%d %H:%M UTC}</li>" for name, moment in rows)
    return f"<p>Withdrawn so far:</p><ul>{lines}</ul>" if lines else notice("Nobody has withdrawn.")


def hidden_answers_html(study: Study) -> str:
    """Why the answers are not there yet, and the way to them for who wants them on purpose."""
    words = (
        "This study is going on. Whoever knows what annotators answered may sway those who still judge, so the answers "
        "are shown when it is over."
    )
    link = anchor(study_address(study.name, reveal_answers=True), "Show them now all the same")
    return notice(words) + f"<p>{link}</p>"


def decision_updates(
    services: Services,
    organiser: Annotator,
    study: Study,
    selection: OrganiserSelection,
    answers_visible: bool,
    message: str,
) -> dict[str, Any]:
    """The item to decide, with the organiser's own decision in the form; hidden where none is asked for."""
    if selection.item is None or not answers_visible:
        return {"row": gr.update(visible=False), "message": message}
    try:
        each: Disagreement = adjudication.find_disagreement(services, study, selection.item)
    except MapsError as error:
        return {"row": gr.update(visible=False), "listing": notice(str(error), "problem"), "message": message}
    own = adjudication.own_decision(services, organiser, study, selection.item)
    values = adjudication.decision_form_values(own)
    fields = form.applicable_fields(values)
    return {
        "row": gr.update(visible=True),
        "case": disagreement_html(study, each),
        "presence": gr.update(value=values["presence"]),
        "precision": gr.update(visible=True if "precision" in fields else "hidden", value=values["precision"]),
        "category": gr.update(visible=True if "category" in fields else "hidden", value=values["category"]),
        "comment": gr.update(value=values["comment"] or ""),
        "message": message,
    }
