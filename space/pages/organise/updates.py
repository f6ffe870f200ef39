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
from space.components.markup import anchor, notice, text
from space.pages.organise import adjudication, studies
from space.pages.organise.adjudication import Place
from space.pages.organise.studies import Standing
from space.pages.organise.view import address_of, case, detail, disagreements_table, people_table, state, studies_table
from space.services import Services
from space.studies.access import closed
from space.web.sessions import Annotator


class Board(NamedTuple):
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


def in_order(**updates: Any) -> tuple[Any, ...]:
    """Updates in the order of `Board`; what is not named stays as it is."""
    if unknown := updates.keys() - set(Board._fields):
        raise ValueError(f"the page has no {unknown}")
    return tuple(updates.get(name, gr.skip()) for name in Board._fields)


def refused(services: Services) -> tuple[Any, ...]:
    """The page to whoever is no organiser: how one gets in, and nothing else."""
    how = (
        "log in to Hugging Face as one of the users that the setting MAPS_ORGANISERS names"
        if services.on_space
        else "open the link that the app printed when it was started"
    )
    words = notice(f"This page is for the organisers of studies: {how}.", "problem")
    return in_order(denied=f"<h1>Studies</h1>{words}", room=gr.update(visible=False))


def asked_place(services: Services, who: Annotator, query: Mapping[str, str]) -> Place:
    """The study and item that an address names; without one the newest study."""
    study = studies.study_named(services, query.get("study") or next(iter(studies.studies(services))))
    number = query.get("item", "")
    item = int(number) if number.isascii() and number.isdecimal() and len(number) < 9 else None
    return adjudication.place_of(services, who, study, item, query.get("answers") == "shown")


def entered(services: Services, who: Annotator, key: object, place: Place, message: str = "") -> tuple[Any, ...]:
    """The whole page for a place."""
    study = studies.study_named(services, place.study)
    every = studies.standings(services)
    closed_now = closed(services, study)
    shown = place.on_purpose or closed_now is None
    found = adjudication.undecided(services, study) if shown else []
    return in_order(
        key=key,
        denied="",
        room=gr.update(visible=True),
        place=place.kept(),
        overview=overview(services, every),
        tabs=gr.update(selected="disagreements" if place.item is not None or place.on_purpose else "study"),
        study=the_study(services, every[study.name]),
        open_up=gr.update(visible=closed_now is not None),
        listing=disagreements_table(study, found, place.on_purpose) if shown else kept_back(study),
        withdrawn=withdrawn(services),
        **laid(services, who, study, place, shown, message),
    )


def overview(services: Services, every: Mapping[str, Standing]) -> str:
    """All studies with their counts, and the ledger."""
    rows = [(each.study, each.found, now(each)) for each in every.values()]
    return "<h1>Studies</h1>" + studies_table(rows) + ledger(services)


def now(each: Standing) -> str:
    """Whether a study is going on."""
    return state(each.study, each.complete, datetime.now(UTC))


def the_study(services: Services, each: Standing) -> str:
    """One study with its people."""
    name = each.study.name
    opened = services.journal.opened(name)
    more = notice(f"Its answers were opened to annotators on {opened:%Y-%m-%d at %H:%M UTC}.") if opened else ""
    address = f"{services.address}/annotate?study={name}".removeprefix("/")
    shown = detail(each.study, each.found, now(each), address)
    return shown + more + people_table(studies.people(services, each.study))


def ledger(services: Services) -> str:
    """How things stand between the journal and the ledger."""
    if services.ledger is None:
        return notice("There is no ledger: answers are on this machine's disk only. MAPS_JUDGMENTS names one.")
    status = services.ledger.status()
    troubles = "".join(notice(line, "problem") for line in status.troubles())
    return "<h2>Ledger</h2>" + troubles + "".join(notice(line) for line in status.sentences())


def withdrawn(services: Services) -> str:
    """Who withdrew, and when."""
    rows = services.journal.withdrawn().items()
    lines = "".join(f"<li>{text(name)}, {moment:%Y-%m-%d %H:%M UTC}</li>" for name, moment in rows)
    return f"<p>Withdrawn so far:</p><ul>{lines}</ul>" if lines else notice("Nobody has withdrawn.")


def kept_back(study: Study) -> str:
    """Why the answers are not there yet, and the way to them for who wants them on purpose."""
    words = (
        "This study is going on. Whoever knows what annotators answered may sway those who still judge, so the answers "
        "are shown when it is over."
    )
    link = anchor(address_of(study.name, on_purpose=True), "Show them now all the same")
    return notice(words) + f"<p>{link}</p>"


def laid(services: Services, who: Annotator, study: Study, place: Place, shown: bool, message: str) -> dict[str, Any]:
    """The item to decide, with the organiser's own decision in the form; hidden where none is asked for."""
    if place.item is None or not shown:
        return {"row": gr.update(visible=False), "message": message}
    try:
        each: Disagreement = adjudication.disagreement(services, study, place.item)
    except MapsError as error:
        return {"row": gr.update(visible=False), "listing": notice(str(error), "problem"), "message": message}
    own = adjudication.own_decision(services, who, study, place.item)
    values = adjudication.answers_of(own)
    fields = form.asked(values["presence"])
    return {
        "row": gr.update(visible=True),
        "case": case(study, each),
        "presence": gr.update(value=values["presence"]),
        "precision": gr.update(visible=True if "precision" in fields else "hidden", value=values["precision"]),
        "category": gr.update(visible=True if "category" in fields else "hidden", value=values["category"]),
        "comment": gr.update(value=values["comment"] or ""),
        "message": message,
    }
