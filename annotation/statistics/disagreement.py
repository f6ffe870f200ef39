"""Where annotators disagree, how far, and what an organiser decided. A decision is a row of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from annotation.types import COUNTED_KINDS, Judgment, StudyItem, adjudication_item

QUESTION_WEIGHT = 1 / 3  # of a disagreement: one of questions two and three, where question one agrees


@dataclass(frozen=True)
class Disagreement:
    """An item whose annotators differ, with their present answers.

    `distance` is the mean of `distance` over the pairs of annotators, above 0 to 1. `decision` is the adjudication
    stored last, None while there is none.
    """

    item: StudyItem
    judgments: tuple[Judgment, ...]
    distance: float
    decision: Judgment | None


def answer_distance(one: Judgment, other: Judgment) -> float:
    """How far two answers to an item differ: 1 in question one, else a third for each of questions two and three.

    Where question one agrees, both were asked the same questions.
    """
    if one.presence != other.presence:
        return 1.0
    return QUESTION_WEIGHT * ((one.precision != other.precision) + (one.category != other.category))


def find_disagreements(order: Sequence[StudyItem], judgments: Iterable[Judgment]) -> list[Disagreement]:
    """The heads of a study that its annotators judged differently, most disagreement first, then in the study's order.

    `judgments` are the current judgments, adjudications among them. Controls are no question of who is right: left out.
    """
    by_item: dict[StudyItem, list[Judgment]] = {}
    for row in judgments:
        by_item.setdefault(row.item, []).append(row)
    found = []
    for item in order:
        given = by_item.get(item, [])
        pairs = [answer_distance(*pair) for pair in combinations(given, 2)]
        if item.item_kind in COUNTED_KINDS and any(pairs):
            decided = by_item.get(adjudication_item(item), [None])[-1]
            found.append(Disagreement(item, tuple(given), sum(pairs) / len(pairs), decided))
    return sorted(found, key=lambda each: -each.distance)
