"""Which item an annotator sees next, and how far they are. Nothing here remembers anything."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil
from statistics import median
from typing import Protocol

from annotation.study.max_flow import AnnotatorCapacity, max_fillable_slots, max_fillable_slots_after_taking
from annotation.types import StudyItem

SLOTS_PER_PERSON_NEAR_END = 8  # open places a person: from there on it is looked at who can still fill what


@dataclass(frozen=True)
class AnnotatorProgress:
    """How many items of the study are judged; `minutes_left` is None before the first timed answer."""

    done: int
    total: int
    minutes_left: float | None


class JudgmentLimits(Protocol):
    """What assignment knows of a study's settings."""

    @property
    def per_item(self) -> int | None:
        """Judgments wanted of each item that is not in the overlap; None: no limit."""

    @property
    def per_annotator(self) -> int | None:
        """The most items for one person."""


@dataclass(frozen=True)
class AssignmentState:
    """Where a study stands when someone asks for an item.

    `taken_slots` counts for each item key everybody's judgments and the reservations of other people; `judged_keys` is what this
    person has judged, `keys_of_others` what each other person has judged or reserved; `skipped_keys` in the order of skipping;
    `closed_keys` are items that nobody gets any more. All are item keys.
    """

    taken_slots: Mapping[str, int]
    judged_keys: Collection[str]
    skipped_keys: Sequence[str] = ()
    keys_of_others: Sequence[Collection[str]] = ()
    closed_keys: Collection[str] = ()


def study_order(items: Iterable[StudyItem], seed: int) -> list[StudyItem]:
    """The one order in which everybody gets the items: by a hash of seed and item, whatever order they come in.

    An added item takes its place without moving the others.
    """
    return sorted(items, key=lambda item: hashlib.sha256(f"{seed}\n{item.key}".encode()).digest())


def select_next_item(order: Sequence[StudyItem], limits: JudgmentLimits, state: AssignmentState) -> StudyItem | None:
    """The item for somebody who asks; None where there is none for them.

    Never an item twice, nor two items of one head (itself and a control). Skipped items come last, the longest skipped
    first. Overlap items, which everybody gets, are spread over a person's work. Of the others those with the fewest
    judgments come first, then by the order, and none gets more than `per_item`. Near the end an item is only given
    where people can still fill as many of the other places as before.
    """
    free = list_available_items(order, limits, state)
    left = (
        None if limits.per_annotator is None else limits.per_annotator - len(_keys_in_order(order, state.judged_keys))
    )
    overlap = [item for item in free if item.item_kind == "overlap"]
    if left is not None and left <= len(overlap):
        free = overlap if left > 0 else []
    last_skip = {key: position for position, key in enumerate(state.skipped_keys)}
    due = _is_overlap_due(order, limits, state)

    def rank(item: StudyItem) -> tuple[int, bool, int]:
        shared = item.item_kind == "overlap" or limits.per_item is None
        return (
            last_skip.get(item.key, -1),
            (item.item_kind == "overlap") != due,
            0 if shared else _taken_slots(item, state),
        )

    return next(filter(_fillability_check(order, limits, state), sorted(free, key=rank)), None)


def list_available_items(order: Sequence[StudyItem], limits: JudgmentLimits, state: AssignmentState) -> list[StudyItem]:
    """The items that this person could get, in the study's order."""
    mine = set(state.judged_keys)
    heads = {(item.layer, item.head) for item in order if item.key in mine}
    return [item for item in order if (item.layer, item.head) not in heads and _has_open_slot(item, limits, state)]


def count_heads(items: Iterable[StudyItem]) -> int:
    """How many heads some items are of."""
    return len({(item.layer, item.head) for item in items})


def compute_annotator_progress(
    order: Sequence[StudyItem], judged_keys: Collection[str], seconds: Sequence[float] = ()
) -> AnnotatorProgress:
    """Counts of this order's items, and the time left at the annotator's median of `seconds` an item."""
    keys = {item.key for item in order}
    done = len(keys & set(judged_keys))
    minutes = median(seconds) * (len(keys) - done) / 60 if seconds else None
    return AnnotatorProgress(done, len(keys), minutes)


def _taken_slots(item: StudyItem, state: AssignmentState) -> int:
    return state.taken_slots.get(item.key, 0)


def _has_open_slot(item: StudyItem, limits: JudgmentLimits, state: AssignmentState) -> bool:
    if item.key in state.closed_keys:
        return False
    return limits.per_item is None or item.item_kind == "overlap" or _taken_slots(item, state) < limits.per_item


def _keys_in_order(order: Sequence[StudyItem], keys: Collection[str]) -> set[str]:
    return {item.key for item in order} & set(keys)


def _is_overlap_due(order: Sequence[StudyItem], limits: JudgmentLimits, state: AssignmentState) -> bool:
    """Whether this person has judged a smaller share of the overlap than of the work to be expected.

    Without `per_annotator` a person's work is their share of all places.
    """
    overlap = [item.key for item in order if item.item_kind == "overlap"]
    if not overlap or limits.per_item is None:
        return False
    people = max(limits.per_item, 1 + len(state.keys_of_others))
    share = len(overlap) + (len(order) - len(overlap)) * limits.per_item / people
    mine = _keys_in_order(order, state.judged_keys)
    work = share if limits.per_annotator is None else limits.per_annotator
    return len(mine & set(overlap)) * work <= len(mine) * len(overlap)


def _fillability_check(
    order: Sequence[StudyItem], limits: JudgmentLimits, state: AssignmentState
) -> Callable[[StudyItem], bool]:
    """Tells of an item whether giving it away leaves as many of the other places fillable.

    By those who have begun, and by as few newcomers as could fill what those cannot.
    """
    limited = [item for item in order if item.item_kind != "overlap" and _has_open_slot(item, limits, state)]
    places = (
        {} if limits.per_item is None else {item.key: limits.per_item - _taken_slots(item, state) for item in limited}
    )
    wanted = sum(places.values())
    if not wanted or wanted > SLOTS_PER_PERSON_NEAR_END * (1 + len(state.keys_of_others)):
        return lambda _: True
    willing = _capacity_function(order, limits, limited)
    people = [willing(held) for held in (state.judged_keys, *state.keys_of_others)]

    @cache
    def everybody() -> list[AnnotatorCapacity]:
        newcomer = willing(())
        each = len(places) if newcomer.quota is None else min(len(places), newcomer.quota)
        return people + [newcomer] * (ceil((wanted - max_fillable_slots(places, people)) / each) if each else 0)

    def fillable(item: StudyItem) -> bool:
        if item.item_kind == "overlap" or max_fillable_slots_after_taking(places, people, item.key) == wanted:
            return True
        return max_fillable_slots_after_taking(places, everybody(), item.key) == max_fillable_slots(places, everybody())

    return fillable


def _capacity_function(
    order: Sequence[StudyItem], limits: JudgmentLimits, open_items: Sequence[StudyItem]
) -> Callable[[Collection[str]], AnnotatorCapacity]:
    """Tells of what someone holds how many of the open places they can still take, and of which items.

    Their part of the overlap that is to come is set aside.
    """
    head_of = {item.key: (item.layer, item.head) for item in order}
    overlap = {item.key for item in order if item.item_kind == "overlap"}

    def willing(held: Collection[str]) -> AnnotatorCapacity:
        own = head_of.keys() & held
        heads = {head_of[key] for key in own}
        items = {item.key for item in open_items if head_of[item.key] not in heads}
        quota = None if limits.per_annotator is None else limits.per_annotator - len(own) - len(overlap - own)
        return AnnotatorCapacity(None if quota is None else max(0, quota), items)

    return willing
