"""Items that annotators judged differently, and what an organiser decided about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from annotation.form import QUESTIONS, Answers, keep_applicable_answers
from annotation.types import COUNTED_KINDS, Judgment, StudyItem, adjudication_item

AnswersToForm = tuple[str | None, ...]  # an answer to each question


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

    def differs_on(self, field: str) -> bool:
        """Whether the annotators gave different answers to one question."""
        return len({getattr(row, field) for row in self.judgments}) > 1


def majority_answers(judgments: Sequence[Judgment]) -> Answers:
    """What more than half of the annotators answered, question by question; no answer where no answer has more.

    A later question counts only for those who gave the majority's answers to the earlier ones.
    """
    codes: dict[str, str | None] = {}
    rows = list(judgments)
    for question in QUESTIONS:
        counts = Counter(getattr(row, question.field) for row in rows).most_common(1)
        codes[question.field] = counts[0][0] if counts and 2 * counts[0][1] > len(rows) else None
        if codes[question.field] is not None:
            rows = [row for row in rows if getattr(row, question.field) == codes[question.field]]
    return keep_applicable_answers(codes, "")


def answer_distance(first: Judgment, second: Judgment) -> float:
    """How far two judgments of an item differ, from 0 to 1.

    1 if the answers to question one differ; else 1/3 for each of questions two and three with different answers.
    Annotators who agree on question one were asked the same questions.
    """
    return _count_differences(_answers(first), _answers(second)) / len(QUESTIONS)


def _answers(judgment: Judgment) -> AnswersToForm:
    return tuple(getattr(judgment, question.field) for question in QUESTIONS)


def _count_differences(first: AnswersToForm, second: AnswersToForm) -> int:
    """In how many questions the answers differ; in all where they differ in question one."""
    if first[0] != second[0]:
        return len(QUESTIONS)
    return sum(one != other for one, other in zip(first, second, strict=True))


def mean_distance(judgments: Sequence[Judgment]) -> float:
    """The mean of `answer_distance` over all pairs of judgments; 0 for fewer than two.

    Equal judgments are counted first, so that the time grows with their number, not with that of their pairs.
    """
    numbers = Counter(map(_answers, judgments))
    pairs = len(judgments) * (len(judgments) - 1) // 2
    differences = sum(
        numbers[first] * numbers[second] * _count_differences(first, second)
        for first, second in combinations(numbers, 2)
    )
    return differences / (len(QUESTIONS) * pairs) if pairs else 0.0


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
        distance = mean_distance(answers)
        if distance:
            decision = by_item.get(adjudication_item(item), [None])[-1]
            disagreements.append(Disagreement(item, tuple(answers), distance, decision))
    return sorted(disagreements, key=lambda each: -each.distance)
