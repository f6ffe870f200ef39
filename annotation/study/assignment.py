"""Who gets which item next, from counts that are kept as answers come in.

`next_item.select_next_item` defines the choice by looking at every item and everybody's work. This gives the same item
from an index, at a cost that depends on the work of the person who asks and on how many people are at work, not on how
many items and judgments a study has. Near the end of a study, where giving an item away may leave another one
unfillable, it asks `select_next_item` itself.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import merge
from itertools import chain

from annotation.study.next_item import (
    AssignmentState,
    is_near_end,
    is_overlap_due,
    select_next_item,
    subject_of,
)
from annotation.study.study import Study
from annotation.types import StudyItem

Subject = tuple[object, ...]
NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ItemRequest:
    """What somebody asks for; all keys are item keys.

    `skipped_keys` are in the order of skipping, `preferred_key` is taken if it is open to them, nobody gets
    `closed_keys`, and `given_keys` are those that they were given before.
    """

    annotator: str
    skipped_keys: Sequence[str] = ()
    preferred_key: str | None = None
    closed_keys: Collection[str] = ()
    given_keys: Collection[str] = ()


class AssignmentIndex:
    """The judgments of a study with a limit for each item, by item, by person, and the items by their number of them.

    `levels[n]` are the positions in the study's order of the limited items with n judgments, if they need more.
    """

    def __init__(self, study: Study) -> None:
        settings = study.settings
        self.study, self.per_item = study, settings.per_item or 0
        self.position = {item.key: n for n, item in enumerate(study.order)}
        self.subjects: list[Subject] = [subject_of(item, settings) for item in study.order]
        self.positions_of: dict[Subject, list[int]] = {}
        for n, subject in enumerate(self.subjects):
            self.positions_of.setdefault(subject, []).append(n)
        self.overlap = [n for n, item in enumerate(study.order) if item.item_kind == "overlap"]
        self._is_overlap = set(self.overlap)
        limited = [n for n in range(len(study.order)) if n not in self._is_overlap]
        self.levels: list[list[int]] = [limited, *([] for _ in range(self.per_item - 1))]
        self.counts = [0] * len(study.order)
        self.open_slots = self.per_item * len(limited)
        self.open_subjects = len(self.positions_of)
        self.judged_by: dict[str, set[str]] = {}
        self.judged_keys: dict[str, set[str]] = {}

    def add(self, key: str, annotator: str) -> None:
        """Counts somebody's first judgment of an item."""
        people = self.judged_by.setdefault(key, set())
        if annotator in people:
            return
        people.add(annotator)
        self.judged_keys.setdefault(annotator, set()).add(key)
        n = self.position[key]
        count = self.counts[n]
        self.counts[n] += 1
        if n in self._is_overlap or count >= self.per_item:
            return
        level = self.levels[count]
        del level[bisect_left(level, n)]
        self.open_slots -= 1
        if count + 1 < self.per_item:
            insort(self.levels[count + 1], n)
        elif not any(self.has_open_slot(other) for other in self.positions_of[self.subjects[n]]):
            self.open_subjects -= 1

    def has_open_slot(self, n: int, reserved: int = 0) -> bool:
        return n in self._is_overlap or self.counts[n] + reserved < self.per_item

    def is_overlap_item(self, n: int) -> bool:
        return n in self._is_overlap

    def choose(self, reserved_by: Mapping[str, Collection[str]], asked: ItemRequest) -> tuple[StudyItem | None, int]:
        """The item for somebody, None if there is none, and how many heads (operations) are open to them.

        `reserved_by`: by item key, who has it reserved, as far as that counts against the person who asks.
        """
        view = _PersonalView(self, reserved_by, asked)
        return view.item(), view.count_open_subjects()


class _PersonalView:
    """The items of a study as one person may get them."""

    def __init__(self, index: AssignmentIndex, reserved_by: Mapping[str, Collection[str]], asked: ItemRequest) -> None:
        self.index, self.asked, self.order = index, asked, index.study.order
        self.mine = index.judged_keys.get(asked.annotator, NOBODY)
        self.reserved_by = reserved_by
        self.judged_subjects = self._subjects_of(self.mine)
        self.given_subjects = self._subjects_of(asked.given_keys)
        self.reserved: dict[int, int] = {}  # by position: how many others have it reserved
        for key, people in reserved_by.items():
            others = set(people) - index.judged_by.get(key, NOBODY) - {asked.annotator}
            if others and key in index.position:
                self.reserved[index.position[key]] = len(others)

    def _subjects_of(self, keys: Collection[str]) -> set[Subject]:
        return {self.index.subjects[self.index.position[key]] for key in keys if key in self.index.position}

    def is_available(self, n: int) -> bool:
        """Whether they may get the item at a position; see `next_item.list_available_items`."""
        key, subject = self.order[n].key, self.index.subjects[n]
        if key in self.asked.closed_keys or subject in self.judged_subjects:
            return False
        if subject in self.given_subjects and key not in self.asked.given_keys:
            return False
        return self.index.has_open_slot(n, self.reserved.get(n, 0))

    @cached_property
    def offered_kinds(self) -> tuple[bool, bool]:
        """Whether items of the overlap, and others, are offered; see `next_item.list_offered_items`."""
        limit = self.index.study.settings.per_annotator
        if limit is None:
            return True, True
        items_left = limit - len(self.mine)
        return items_left > 0, items_left > sum(map(self.is_available, self.index.overlap))

    def is_offered(self, n: int) -> bool:
        return self.offered_kinds[not self.index.is_overlap_item(n)] and self.is_available(n)

    def item(self) -> StudyItem | None:
        """The preferred item or the one that they have reserved, if they may get it; else the next one."""
        who, skipped = self.asked.annotator, self.asked.skipped_keys
        own = [key for key, people in self.reserved_by.items() if who in people and key not in skipped]
        for key in (self.asked.preferred_key, *own):
            if key in self.index.position and self.is_offered(self.index.position[key]):
                return self.order[self.index.position[key]]
        if is_near_end(self.count_missing(), len(self.others)):
            return select_next_item(self.order, self.index.study.settings, self.whole_state())
        return next((self.order[n] for n in self.candidates()), None)

    @cached_property
    def others(self) -> list[str]:
        """The other people who have judged or reserved anything."""
        people = set(self.index.judged_keys).union(*self.reserved_by.values())
        return sorted(people - {self.asked.annotator})

    def count_missing(self) -> int:
        """How many judgments and reservations the items that are not closed still need."""
        index = self.index
        missing = index.open_slots
        for n, reserved in self.reserved.items():
            if not index.is_overlap_item(n):
                missing -= min(reserved, max(0, index.per_item - index.counts[n]))
        for n in (index.position[key] for key in self.asked.closed_keys if key in index.position):
            if not index.is_overlap_item(n):
                missing -= max(0, index.per_item - index.counts[n] - self.reserved.get(n, 0))
        return missing

    def candidates(self) -> Iterator[int]:
        """The positions that are offered, in the order of `next_item.select_next_item`."""
        last_skip = {key: n for n, key in enumerate(self.asked.skipped_keys)}
        groups = [self.limited_by_judgments(), iter(self.index.overlap)]
        settings, overlap_keys = self.index.study.settings, {self.order[n].key for n in self.index.overlap}
        if is_overlap_due(len(self.order), overlap_keys, self.mine, settings, len(self.others)):
            groups.reverse()
        for n in chain(*groups):
            if self.order[n].key not in last_skip and self.is_offered(n):
                yield n
        for key in sorted(last_skip, key=last_skip.__getitem__):
            if key in self.index.position and self.is_offered(self.index.position[key]):
                yield self.index.position[key]

    def limited_by_judgments(self) -> Iterator[int]:
        """The items outside the overlap, those with the fewest judgments and reservations first."""
        counts = self.index.counts
        for level, positions in enumerate(self.index.levels):
            unreserved = (n for n in positions if n not in self.reserved)
            reserved = sorted(
                n
                for n, number in self.reserved.items()
                if counts[n] + number == level and not self.index.is_overlap_item(n)
            )
            yield from merge(unreserved, reserved)

    def whole_state(self) -> AssignmentState:
        """What `select_next_item` needs."""
        judged, mine, who = self.index.judged_by, self.mine, self.asked.annotator
        taken = {}
        for item in self.order:
            people = judged.get(item.key, NOBODY) | set(self.reserved_by.get(item.key, NOBODY))
            taken[item.key] = len(people - {who}) + (item.key in mine)
        held = {one: set(self.index.judged_keys.get(one, NOBODY)) for one in self.others}
        for key, people_with_it in self.reserved_by.items():
            for one in people_with_it:
                if one in held:
                    held[one].add(key)
        asked = self.asked
        others = [held[one] for one in self.others]
        return AssignmentState(taken, mine, asked.skipped_keys, others, asked.closed_keys, asked.given_keys)

    def count_open_subjects(self) -> int:
        """How many heads (operations) have an item that they may get: all with an open slot, corrected where it may
        differ for them."""
        index = self.index
        closed = [index.position[key] for key in self.asked.closed_keys if key in index.position]
        may_differ = self.judged_subjects | self.given_subjects
        may_differ |= {index.subjects[n] for n in chain(closed, self.reserved)}
        count = index.open_subjects
        for subject in may_differ:
            positions = index.positions_of[subject]
            count += any(map(self.is_available, positions)) - any(map(index.has_open_slot, positions))
        return count
