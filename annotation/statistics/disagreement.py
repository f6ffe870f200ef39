"""Items that annotators judged differently, and what an organiser decided about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from annotation.form import QUESTIONS, FormQuestion
from annotation.types import COUNTED_KINDS, Judgment, StudyItem, adjudication_item

FIRST_QUESTION, *LATER_QUESTIONS = QUESTIONS
QUESTION_WEIGHT = 1 / len(QUESTIONS)  # of each later question, where the answers to the first are equal


@dataclass(frozen=True)
class Disagreement:
    """An item whose annotators differ, with their current judgments.

    `distance`, above 0 to 1, is the mean of `answer_distance` over all pairs of its judgments. `decision` is the newest
    adjudication, None while there is none.
    """

    item: StudyItem
    judgments: tuple[Judgment, ...]
    distance: float
    decision: Judgment | None


def answer_distance(first: Judgment, second: Judgment) -> float:
    """How far two judgments of an item differ, from 0 to 1.

    1 if the answers to question one differ; else 1/3 for each of questions two and three with different answers.
    Annotators who agree on question one were asked the same questions.
    """
    if _differ(first, second, FIRST_QUESTION):
        return 1.0
    return QUESTION_WEIGHT * sum(_differ(first, second, question) for question in LATER_QUESTIONS)


def _differ(first: Judgment, second: Judgment, question: FormQuestion) -> bool:
    return bool(getattr(first, question.field) != getattr(second, question.field))


def find_disagreements(order: Sequence[StudyItem], judgments: Iterable[Judgment]) -> list[Disagreement]:
    """The heads on which annotators disagree, largest distance first, then in the order of `order`.

    `judgments` are the current judgments and adjudications. Controls and practice items are left out.
    """
    by_item: dict[StudyItem, list[Judgment]] = {}
    for judgment in judgments:
        by_item.setdefault(judgment.item, []).append(judgment)
    disagreements = []
    for item in order:
        if item.item_kind not in COUNTED_KINDS:
            continue
        answers = by_item.get(item, [])
        distances = [answer_distance(*pair) for pair in combinations(answers, 2)]
        if any(distances):
            decision = by_item.get(adjudication_item(item), [None])[-1]
            disagreements.append(Disagreement(item, tuple(answers), sum(distances) / len(distances), decision))
    return sorted(disagreements, key=lambda each: -each.distance)
