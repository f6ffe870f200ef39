"""An organiser decides on items that annotators answered differently. A decision is a judgment of its own.

The browser sends which item is selected and under which id the decision is to be stored. The study and the item are
looked up again, and an earlier decision is only replaced if the journal has it.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

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

MAX_SELECTION_LENGTH = 4096  # characters
QUESTION_FIELDS = tuple(question.field for question in form.QUESTIONS)
SELECTION_LOST = "This page no longer knows which item is open. Please open the item again."


@dataclass(frozen=True)
class OrganiserSelection:
    """The study that an organiser has open and the item to decide, by its position in the study's order.

    - `reveal_answers`: the organiser asked for the answers although the study is running.
    - `judgment_id`: the id under which the decision is to be stored.
    - `replaced_judgment_id`: the organiser's own earlier decision that the page showed.
    - `question`: only items on which annotators differ on this question are listed; None for all.
    """

    study: str
    item: int | None
    reveal_answers: bool
    judgment_id: str
    replaced_judgment_id: str | None
    started_at: datetime
    question: str | None = None

    def to_json(self) -> str:
        return json.dumps(vars(self) | {"started_at": self.started_at.isoformat()})


def parse_selection(text: object) -> OrganiserSelection:
    """The selection that a page sends back; MapsError for anything else."""
    try:
        data = json.loads(text) if isinstance(text, str) and len(text) <= MAX_SELECTION_LENGTH else {}
        started_at = datetime.fromisoformat(data["started_at"]).astimezone(UTC)
        selection = OrganiserSelection(**data | {"started_at": started_at})
    except (TypeError, ValueError, KeyError, OverflowError, RecursionError) as error:
        raise MapsError(SELECTION_LOST) from error
    is_position = selection.item is None or (type(selection.item) is int and selection.item >= 0)
    are_texts = isinstance(selection.study, str) and isinstance(selection.replaced_judgment_id, str | None)
    is_id = isinstance(selection.judgment_id, str) and JUDGMENT_ID_PATTERN.fullmatch(selection.judgment_id)
    is_question = selection.question is None or selection.question in QUESTION_FIELDS
    if not (is_position and are_texts and is_id and is_question):
        raise MapsError(SELECTION_LOST)
    return selection


def selected_study(services: Services, text: object) -> Study:
    """The study of the selection that a page sends back; MapsError if it is no selection or there is no such study."""
    return find_study(services, parse_selection(text).study)


def study_disagreements(services: Services, study: Study) -> list[Disagreement]:
    """All items on which annotators differ, most disagreement first, with the decisions so far."""
    return find_disagreements(study.order, services.journal.current_judgments(study.name))


def listed_disagreements(services: Services, study: Study, question: str | None) -> list[Disagreement]:
    """The items on which annotators differ, or differ on one question."""
    every = study_disagreements(services, study)
    return every if question is None else [each for each in every if each.differs_on(question)]


def next_undecided(services: Services, study: Study, selection: OrganiserSelection) -> int | None:
    """The position of the item to decide next: the one with most disagreement that nobody has decided on."""
    listed = listed_disagreements(services, study, selection.question)
    undecided = (each.item for each in listed if each.decision is None)
    return next((study.order.index(item) for item in undecided), None)


def find_disagreement(services: Services, study: Study, position: int) -> Disagreement:
    """The disagreement on the item at a position of the study's order; MapsError if there is none."""
    if position < len(study.order):
        for disagreement in study_disagreements(services, study):
            if disagreement.item == study.order[position]:
                return disagreement
    raise MapsError("The annotators do not disagree on this item, so there is nothing to decide.")


def new_selection(
    services: Services,
    organiser: Annotator,
    study: Study,
    position: int | None,
    reveal_answers: bool,
    question: str | None = None,
) -> OrganiserSelection:
    own = None if position is None else own_decision(services, organiser, study, position)
    return OrganiserSelection(
        study=study.name,
        item=position,
        reveal_answers=reveal_answers,
        judgment_id=uuid.uuid4().hex,
        replaced_judgment_id=own.judgment_id if own else None,
        started_at=datetime.now(UTC),
        question=question,
    )


def own_decision(services: Services, organiser: Annotator, study: Study, position: int) -> Judgment | None:
    if position >= len(study.order):
        return None
    item = adjudication_item(study.order[position])
    decisions = services.journal.current_judgments(study.name, organiser.pseudonym, item)
    return decisions[-1] if decisions else None


def store_decision(
    services: Services, organiser: Annotator, selection: OrganiserSelection, answers: Answers
) -> Receipt:
    """Stores a decision; sent again, it changes nothing. MapsError if it is incomplete or cannot be stored."""
    study = find_study(services, selection.study)
    if selection.item is None:
        raise MapsError("Please open an item first.")
    if problems := form.answer_problems(answers):
        raise MapsError(" ".join(problems))
    now = datetime.now(UTC)
    judgment = form.build_judgment(
        adjudication_item(find_disagreement(services, study, selection.item).item),
        answers,
        judgment_id=selection.judgment_id,
        annotator=organiser.pseudonym,
        started_at=min(max(selection.started_at, now - MAX_TASK_AGE), now),
        submitted_at=now,
        supersedes=selection.replaced_judgment_id,
        app_version=services.app_version,
    )
    services.journal.record_consent(organiser.pseudonym, study.settings.guidelines_version)
    return services.journal.record_judgment(judgment, study)
