"""Which item an annotator sees next, and how far they are. Pure functions of the order, the limits and the state."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import Protocol

from annotation.study.max_flow import AnnotatorCapacity, max_fillable_slots, max_fillable_slots_after_taking
from annotation.types import StudyItem

# When this many open slots per person are left, check that giving an item away leaves no other slot unfillable.
SLOTS_PER_PERSON_NEAR_END = 8


@dataclass(frozen=True)
class AnnotatorProgress:
    """How many of the study's items a person has judged; `minutes_left` is None before their first timed answer."""

    done: int
    total: int
    minutes_left: float | None


class JudgmentLimits(Protocol):
    """The settings of a study that decide who gets which item."""

    @property
    def per_item(self) -> int | None:
        """How many judgments each item outside the overlap needs; None: no limit."""

    @property
    def per_annotator(self) -> int | None:
        """The most items that one person judges; None: no limit."""

    @property
    def per_operation(self) -> bool:
        """Whether the items are single operations of heads."""


@dataclass(frozen=True)
class AssignmentState:
    """The judgments and reservations of a study at the moment when a person asks for an item. All are item keys.

    `taken_slots` counts everybody's judgments and other people's reservations of each item. `judged_keys` are the
    items that this person has judged, `keys_of_others` the items that each other person has judged or reserved.
    `skipped_keys` are in the order of skipping. `closed_keys` are items that nobody gets any more. `given_keys` are
    the items that this person was given before, judged or not.
    """

    taken_slots: Mapping[str, int]
    judged_keys: Collection[str]
    skipped_keys: Sequence[str] = ()
    keys_of_others: Sequence[Collection[str]] = ()
    closed_keys: Collection[str] = ()
    given_keys: Collection[str] = ()


def study_order(items: Iterable[StudyItem], seed: int) -> list[StudyItem]:
    """The order in which everybody gets the items, by a hash of seed and item: adding an item moves no other."""
    return sorted(items, key=lambda item: hashlib.sha256(f"{seed}\n{item.key}".encode()).digest())


def select_next_item(order: Sequence[StudyItem], limits: JudgmentLimits, state: AssignmentState) -> StudyItem | None:
    """The next item for the person who asks; None if there is none for them.

    Nobody gets an item twice, nor two items of one subject (a head or operation itself and its control), not even after
    skipping one, because the two side by side tell which is the control. Skipped items come last, the
    longest skipped first. Overlap items, which everybody judges, are spread over a person's work. Of the other items
    those with the fewest judgments come first, then those earlier in the order; no item gets more than `per_item`.
    Near the end of the study an item is given away only if all other slots stay fillable (see `max_flow`).
    """
    free = list_offered_items(order, limits, state)
    last_skip = {key: position for position, key in enumerate(state.skipped_keys)}
    overlap = {item.key for item in order if item.item_kind == "overlap"}
    mine = _keys_in_order(order, state.judged_keys)
    overlap_due = is_overlap_due(len(order), overlap, mine, limits, len(state.keys_of_others))
    free.sort(
        key=lambda item: (
            last_skip.get(item.key, -1),
            (item.item_kind == "overlap") != overlap_due,
            _taken_slots(item, state) if _is_limited(item, limits) else 0,
        )
    )
    return _first_harmless_item(free, order, limits, state)


def list_available_items(order: Sequence[StudyItem], limits: JudgmentLimits, state: AssignmentState) -> list[StudyItem]:
    """The items that this person may get, in the study's order."""
    judged, given = set(state.judged_keys), set(state.given_keys)
    judged_subjects = {subject_of(item, limits) for item in order if item.key in judged}
    given_subjects = {subject_of(item, limits) for item in order if item.key in given}
    return [
        item
        for item in order
        if (subject := subject_of(item, limits)) not in judged_subjects
        and (item.key in given or subject not in given_subjects)
        and _has_open_slot(item, limits, state)
    ]


def subject_of(item: StudyItem, limits: JudgmentLimits) -> tuple[object, ...]:
    """What an item is about, like its controls: the head, or in a study of operations the mappings of one."""
    return (item.layer, item.head, item.mapping_hash) if limits.per_operation else (item.layer, item.head)


def list_offered_items(order: Sequence[StudyItem], limits: JudgmentLimits, state: AssignmentState) -> list[StudyItem]:
    """The items among them that this person still has answers left for, after the overlap, which everybody judges."""
    free = list_available_items(order, limits, state)
    if limits.per_annotator is None:
        return free
    overlap = [item for item in free if item.item_kind == "overlap"]
    items_left = limits.per_annotator - len(_keys_in_order(order, state.judged_keys))
    if items_left > len(overlap):
        return free
    return overlap if items_left > 0 else []


def count_subjects(items: Iterable[StudyItem], limits: JudgmentLimits) -> int:
    """The number of different heads, or operations, among some items: how many of them one person can get."""
    return len({subject_of(item, limits) for item in items})


def compute_annotator_progress(done: int, total: int, seconds: Sequence[float] = ()) -> AnnotatorProgress:
    """Progress through `total` items; the time left is estimated from the median of the annotator's `seconds`."""
    return AnnotatorProgress(done, total, median(seconds) * (total - done) / 60 if seconds else None)


def _taken_slots(item: StudyItem, state: AssignmentState) -> int:
    return state.taken_slots.get(item.key, 0)


def _is_limited(item: StudyItem, limits: JudgmentLimits) -> bool:
    return limits.per_item is not None and item.item_kind != "overlap"


def _has_open_slot(item: StudyItem, limits: JudgmentLimits, state: AssignmentState) -> bool:
    if item.key in state.closed_keys:
        return False
    return limits.per_item is None or item.item_kind == "overlap" or _taken_slots(item, state) < limits.per_item


def _keys_in_order(order: Sequence[StudyItem], keys: Collection[str]) -> set[str]:
    return {item.key for item in order} & set(keys)


def is_overlap_due(
    item_count: int, overlap: Collection[str], judged: Collection[str], limits: JudgmentLimits, others: int
) -> bool:
    """Whether somebody has judged a smaller share of the overlap than of their expected work.

    Expected work is `per_annotator`, or without it an equal share of all slots among them and the `others` at work.
    """
    if not overlap or limits.per_item is None:
        return False
    work: float
    if limits.per_annotator is not None:
        work = limits.per_annotator
    else:
        people = max(limits.per_item, 1 + others)
        work = len(overlap) + (item_count - len(overlap)) * limits.per_item / people
    done = sum(key in overlap for key in judged)
    return done * work <= len(judged) * len(overlap)  # judged / overlap <= mine / work


def is_near_end(missing: int, others: int) -> bool:
    """Whether so few slots are left for each person that giving an item away may leave another slot unfillable."""
    return 0 < missing <= SLOTS_PER_PERSON_NEAR_END * (1 + others)


def _first_harmless_item(
    candidates: Sequence[StudyItem], order: Sequence[StudyItem], limits: JudgmentLimits, state: AssignmentState
) -> StudyItem | None:
    """The first candidate that can be given away without leaving another slot unfillable.

    That is checked only near the end, when few slots are left for each person. The people who have begun are counted
    on, and as few newcomers as are needed for the slots that those people cannot fill.
    """
    open_slots = _count_open_slots(order, limits, state)
    missing = sum(open_slots.values())
    if not is_near_end(missing, len(state.keys_of_others)):
        return next(iter(candidates), None)
    *people, newcomer = _capacities(order, limits, open_slots, (state.judged_keys, *state.keys_of_others, ()))
    slots_per_newcomer = len(open_slots) if newcomer.quota is None else min(len(open_slots), newcomer.quota)
    fillable = max_fillable_slots(open_slots, people)
    if fillable < missing and slots_per_newcomer > 0:
        people += [newcomer] * ceil((missing - fillable) / slots_per_newcomer)
        fillable = max_fillable_slots(open_slots, people)
    for item in candidates:
        if item.item_kind == "overlap" or max_fillable_slots_after_taking(open_slots, people, item.key) >= fillable:
            return item
    return None


def _count_open_slots(order: Sequence[StudyItem], limits: JudgmentLimits, state: AssignmentState) -> dict[str, int]:
    """How many judgments each limited item still needs, for the items that need any."""
    if limits.per_item is None:
        return {}
    limited = [item for item in order if _is_limited(item, limits) and _has_open_slot(item, limits, state)]
    return {item.key: limits.per_item - _taken_slots(item, state) for item in limited}


def _capacities(
    order: Sequence[StudyItem],
    limits: JudgmentLimits,
    open_slots: Mapping[str, int],
    held_by_person: Iterable[Collection[str]],
) -> list[AnnotatorCapacity]:
    """How many of the open slots each person can still take, and of which items, given the items that they hold.

    The overlap items that a person has yet to judge are subtracted from their quota.
    """
    subjects = {item.key: subject_of(item, limits) for item in order}
    overlap = {item.key for item in order if item.item_kind == "overlap"}
    capacities = []
    for held in held_by_person:
        own = subjects.keys() & held
        held_subjects = {subjects[key] for key in own}
        quota = None
        if limits.per_annotator is not None:
            quota = max(0, limits.per_annotator - len(own) - len(overlap - own))
        capacities.append(AnnotatorCapacity(quota, {key for key in open_slots if subjects[key] not in held_subjects}))
    return capacities
