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
from annotation.statistics.disagreement import Disagreement, find_disagreements
from annotation.study.study import Study
from annotation.types import Judgment, Receipt, adjudication_item
from maps.errors import MapsError
from space.pages.organise.studies import find_study
from space.services import Services
from space.studies.participant import JUDGMENT_ID_PATTERN, MAX_TASK_AGE
from space.web.sessions import Annotator

MAX_SELECTION_LENGTH = 4096
SELECTION_LOST = "This page has lost its place; open the item again."


@dataclass(frozen=True)
class OrganiserSelection:
    """What an organiser looks at: a study and the item of it that is to be decided, by its position in the order.

    `replaced_judgment_id` is the organiser's own decision that was on the page; `reveal_answers` says that the answers are wanted
    though the study goes on.
    """

    study: str
    item: int | None
    reveal_answers: bool
    judgment_id: str
    replaced_judgment_id: str | None
    started_at: datetime

    def to_json(self) -> str:
        """The place as the page keeps it."""
        return json.dumps(vars(self) | {"started_at": self.started_at.isoformat()})


def parse_selection(text: object) -> OrganiserSelection:
    """The place that a page sends back; MapsError for anything else."""
    try:
        data = json.loads(text) if isinstance(text, str) and len(text) <= MAX_SELECTION_LENGTH else {}
        started_at = datetime.fromisoformat(data["started_at"]).astimezone(UTC)
        found = OrganiserSelection(**data | {"started_at": started_at})
    except (TypeError, ValueError, KeyError, OverflowError, RecursionError) as error:
        raise MapsError(SELECTION_LOST) from error
    number = found.item is None or (type(found.item) is int and found.item >= 0)
    texts = isinstance(found.study, str) and isinstance(found.replaced_judgment_id, str | None)
    if not (
        number and texts and isinstance(found.judgment_id, str) and JUDGMENT_ID_PATTERN.fullmatch(found.judgment_id)
    ):
        raise MapsError(SELECTION_LOST)
    return found


def study_disagreements(services: Services, study: Study) -> list[Disagreement]:
    """All items on which annotators differ, most disagreement first, with the decisions that there are."""
    return find_disagreements(study.order, services.journal.current_judgments(study.name))


def find_disagreement(services: Services, study: Study, position: int) -> Disagreement:
    """One of them; MapsError where there is none, or no longer."""
    items = dict(enumerate(study.order))
    found = next((each for each in study_disagreements(services, study) if each.item == items.get(position)), None)
    if found is None:
        raise MapsError("The annotators do not disagree on this item, so there is nothing to decide.")
    return found


def new_selection(
    services: Services, organiser: Annotator, study: Study, position: int | None, reveal_answers: bool
) -> OrganiserSelection:
    """A fresh place; an item with the organiser's own decision is there to be changed."""
    own = None if position is None else own_decision(services, organiser, study, position)
    replaces = own.judgment_id if own else None
    return OrganiserSelection(study.name, position, reveal_answers, uuid.uuid4().hex, replaces, datetime.now(UTC))


def own_decision(services: Services, organiser: Annotator, study: Study, position: int) -> Judgment | None:
    """What this organiser decided on an item."""
    if position >= len(study.order):
        return None
    found = services.journal.current_judgments(
        study.name, organiser.pseudonym, adjudication_item(study.order[position])
    )
    return found[-1] if found else None


def store_decision(
    services: Services, organiser: Annotator, selection: OrganiserSelection, answers: Answers
) -> Receipt:
    """Stores a decision; the same again stores nothing. Raises MapsError where it is incomplete or cannot be stored."""
    study = find_study(services, selection.study)
    if selection.item is None:
        raise MapsError("Open an item first.")
    if problems := form.answer_problems(answers):
        raise MapsError(" ".join(problems))
    now = datetime.now(UTC)
    row = form.build_judgment(
        adjudication_item(find_disagreement(services, study, selection.item).item),
        answers,
        judgment_id=selection.judgment_id,
        annotator=organiser.pseudonym,
        started_at=min(max(selection.started_at, now - MAX_TASK_AGE), now),
        submitted_at=now,
        supersedes=selection.replaced_judgment_id,
        app_version=services.app_version,
    )
    services.journal.record_consent(organiser.pseudonym, organiser.name, study.settings.guidelines_version)
    return services.journal.record_judgment(row, study)


def decision_form_values(decision: Judgment | None) -> dict[str, Any]:
    """A decision as the form's values."""
    fields = ("presence", "precision", "category", "comment")
    return {name: getattr(decision, name) if decision else None for name in fields}
