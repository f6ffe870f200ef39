"""An organiser decides on what annotators answered differently. A decision is a row beside the answers.

What comes from the browser (`place`) says which item lay there and under which id the decision is to be stored; study
and item are looked up again, and an earlier decision is only replaced where the journal has it.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from annotation import form
from annotation.form import Answers
from annotation.statistics.disagreement import Disagreement, disagreements
from annotation.study.study import Study
from annotation.types import Judgment, Receipt, adjudicated
from maps.errors import MapsError
from space.pages.organise.studies import study_named
from space.services import Services
from space.studies.participant import JUDGMENT_ID, LONGEST_SITTING
from space.web.sessions import Annotator

LONGEST_PLACE = 4096
LOST = "This page has lost its place; open the item again."


@dataclass(frozen=True)
class Place:
    """What an organiser looks at: a study and the item of it that is to be decided, by its position in the order.

    `replaces` is the organiser's own decision that was on the page; `on_purpose` says that the answers are wanted
    though the study goes on.
    """

    study: str
    item: int | None
    on_purpose: bool
    judgment_id: str
    replaces: str | None
    started_at: datetime

    def kept(self) -> str:
        """The place as the page keeps it."""
        return json.dumps(vars(self) | {"started_at": self.started_at.isoformat()})


def place_in(text: object) -> Place:
    """The place that a page sends back; MapsError for anything else."""
    try:
        data = json.loads(text) if isinstance(text, str) and len(text) <= LONGEST_PLACE else {}
        started_at = datetime.fromisoformat(data["started_at"]).astimezone(UTC)
        found = Place(**data | {"started_at": started_at})
    except (TypeError, ValueError, KeyError, OverflowError, RecursionError) as error:
        raise MapsError(LOST) from error
    number = found.item is None or (type(found.item) is int and found.item >= 0)
    texts = isinstance(found.study, str) and isinstance(found.replaces, str | None)
    if not (number and texts and isinstance(found.judgment_id, str) and JUDGMENT_ID.fullmatch(found.judgment_id)):
        raise MapsError(LOST)
    return found


def undecided(services: Services, study: Study) -> list[Disagreement]:
    """All items on which annotators differ, most disagreement first, with the decisions that there are."""
    return disagreements(study.order, services.journal.current(study.name))


def disagreement(services: Services, study: Study, position: int) -> Disagreement:
    """One of them; MapsError where there is none, or no longer."""
    items = dict(enumerate(study.order))
    found = next((each for each in undecided(services, study) if each.item == items.get(position)), None)
    if found is None:
        raise MapsError("The annotators do not disagree on this item, so there is nothing to decide.")
    return found


def place_of(services: Services, who: Annotator, study: Study, position: int | None, on_purpose: bool) -> Place:
    """A fresh place; an item with the organiser's own decision is there to be changed."""
    own = None if position is None else own_decision(services, who, study, position)
    replaces = own.judgment_id if own else None
    return Place(study.name, position, on_purpose, uuid.uuid4().hex, replaces, datetime.now(UTC))


def own_decision(services: Services, who: Annotator, study: Study, position: int) -> Judgment | None:
    """What this organiser decided on an item."""
    if position >= len(study.order):
        return None
    found = services.journal.current(study.name, who.pseudonym, adjudicated(study.order[position]))
    return found[-1] if found else None


def decide(services: Services, who: Annotator, place: Place, answers: Answers) -> Receipt:
    """Stores a decision; the same again stores nothing. Raises MapsError where it is incomplete or cannot be stored."""
    study = study_named(services, place.study)
    if place.item is None:
        raise MapsError("Open an item first.")
    if problems := form.problems(answers):
        raise MapsError(" ".join(problems))
    now = datetime.now(UTC)
    row = form.judgment(
        adjudicated(disagreement(services, study, place.item).item),
        answers,
        judgment_id=place.judgment_id,
        annotator=who.pseudonym,
        started_at=min(max(place.started_at, now - LONGEST_SITTING), now),
        submitted_at=now,
        supersedes=place.replaces,
        app_version=services.app_version,
    )
    services.journal.consent(who.pseudonym, who.name, study.settings.guidelines_version)
    return services.journal.record(row, study)


def answers_of(decision: Judgment | None) -> dict[str, Any]:
    """A decision as the form's values."""
    fields = ("presence", "precision", "category", "comment")
    return {name: getattr(decision, name) if decision else None for name in fields}
