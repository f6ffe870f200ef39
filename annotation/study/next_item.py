"""Which item an annotator sees next, and how far they are. Nothing here remembers anything."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil
from statistics import median
from typing import Protocol

from annotation.study.max_flow import Willing, most, most_with
from annotation.types import Item

NEAR_THE_END = 8  # open places a person: from there on it is looked at who can still fill what


@dataclass(frozen=True)
class Progress:
    """How many items of the study are judged; `minutes_left` is None before the first timed answer."""

    done: int
    total: int
    minutes_left: float | None


class Rules(Protocol):
    """What assignment knows of a study's settings."""

    @property
    def per_item(self) -> int | None:
        """Judgments wanted of each item that is not in the overlap; None: no limit."""

    @property
    def per_annotator(self) -> int | None:
        """The most items for one person."""


@dataclass(frozen=True)
class Situation:
    """Where a study stands when someone asks for an item.

    `taken` counts for each item key everybody's judgments and the reservations of other people; `mine` is what this
    person has judged, `others` what each other person has judged or reserved; `skipped` in the order of skipping;
    `closed` are items that nobody gets any more. All are item keys.
    """

    taken: Mapping[str, int]
    mine: Collection[str]
    skipped: Sequence[str] = ()
    others: Sequence[Collection[str]] = ()
    closed: Collection[str] = ()


def study_order(items: Iterable[Item], seed: int) -> list[Item]:
    """The one order in which everybody gets the items: by a hash of seed and item, whatever order they come in.

    An added item takes its place without moving the others.
    """
    return sorted(items, key=lambda item: hashlib.sha256(f"{seed}\n{item.key}".encode()).digest())


def next_for(order: Sequence[Item], rules: Rules, now: Situation) -> Item | None:
    """The item for somebody who asks; None where there is none for them.

    Never an item twice, nor two items of one head (itself and a control). Skipped items come last, the longest skipped
    first. Overlap items, which everybody gets, are spread over a person's work. Of the others those with the fewest
    judgments come first, then by the order, and none gets more than `per_item`. Near the end an item is only given
    where people can still fill as many of the other places as before.
    """
    free = open_to(order, rules, now)
    left = None if rules.per_annotator is None else rules.per_annotator - len(_of(order, now.mine))
    overlap = [item for item in free if item.item_kind == "overlap"]
    if left is not None and left <= len(overlap):
        free = overlap if left > 0 else []
    last_skip = {key: position for position, key in enumerate(now.skipped)}
    due = _overlap_is_due(order, rules, now)

    def rank(item: Item) -> tuple[int, bool, int]:
        shared = item.item_kind == "overlap" or rules.per_item is None
        return last_skip.get(item.key, -1), (item.item_kind == "overlap") != due, 0 if shared else _count(item, now)

    return next(filter(_fillable_after(order, rules, now), sorted(free, key=rank)), None)


def open_to(order: Sequence[Item], rules: Rules, now: Situation) -> list[Item]:
    """The items that this person could get, in the study's order."""
    mine = set(now.mine)
    heads = {(item.layer, item.head) for item in order if item.key in mine}
    return [item for item in order if (item.layer, item.head) not in heads and _wanted(item, rules, now)]


def heads_of(items: Iterable[Item]) -> int:
    """How many heads some items are of."""
    return len({(item.layer, item.head) for item in items})


def progress(order: Sequence[Item], judged: Collection[str], seconds: Sequence[float] = ()) -> Progress:
    """Counts of this order's items, and the time left at the annotator's median of `seconds` an item."""
    keys = {item.key for item in order}
    done = len(keys & set(judged))
    minutes = median(seconds) * (len(keys) - done) / 60 if seconds else None
    return Progress(done, len(keys), minutes)


def _count(item: Item, now: Situation) -> int:
    return now.taken.get(item.key, 0)


def _wanted(item: Item, rules: Rules, now: Situation) -> bool:
    if item.key in now.closed:
        return False
    return rules.per_item is None or item.item_kind == "overlap" or _count(item, now) < rules.per_item


def _of(order: Sequence[Item], keys: Collection[str]) -> set[str]:
    return {item.key for item in order} & set(keys)


def _overlap_is_due(order: Sequence[Item], rules: Rules, now: Situation) -> bool:
    """Whether this person has judged a smaller share of the overlap than of the work to be expected.

    Without `per_annotator` a person's work is their share of all places.
    """
    overlap = [item.key for item in order if item.item_kind == "overlap"]
    if not overlap or rules.per_item is None:
        return False
    people = max(rules.per_item, 1 + len(now.others))
    share = len(overlap) + (len(order) - len(overlap)) * rules.per_item / people
    mine = _of(order, now.mine)
    work = share if rules.per_annotator is None else rules.per_annotator
    return len(mine & set(overlap)) * work <= len(mine) * len(overlap)


def _fillable_after(order: Sequence[Item], rules: Rules, now: Situation) -> Callable[[Item], bool]:
    """Tells of an item whether giving it away leaves as many of the other places fillable.

    By those who have begun, and by as few newcomers as could fill what those cannot.
    """
    limited = [item for item in order if item.item_kind != "overlap" and _wanted(item, rules, now)]
    places = {} if rules.per_item is None else {item.key: rules.per_item - _count(item, now) for item in limited}
    wanted = sum(places.values())
    if not wanted or wanted > NEAR_THE_END * (1 + len(now.others)):
        return lambda _: True
    willing = _willingness(order, rules, limited)
    people = [willing(held) for held in (now.mine, *now.others)]

    @cache
    def everybody() -> list[Willing]:
        newcomer = willing(())
        each = len(places) if newcomer.quota is None else min(len(places), newcomer.quota)
        return people + [newcomer] * (ceil((wanted - most(places, people)) / each) if each else 0)

    def fillable(item: Item) -> bool:
        if item.item_kind == "overlap" or most_with(places, people, item.key) == wanted:
            return True
        return most_with(places, everybody(), item.key) == most(places, everybody())

    return fillable


def _willingness(order: Sequence[Item], rules: Rules, limited: Sequence[Item]) -> Callable[[Collection[str]], Willing]:
    """Tells of what someone holds how many of the open places they can still take, and of which items.

    Their part of the overlap that is to come is set aside.
    """
    head_of = {item.key: (item.layer, item.head) for item in order}
    overlap = {item.key for item in order if item.item_kind == "overlap"}

    def willing(held: Collection[str]) -> Willing:
        own = head_of.keys() & held
        heads = {head_of[key] for key in own}
        items = {item.key for item in limited if head_of[item.key] not in heads}
        quota = None if rules.per_annotator is None else rules.per_annotator - len(own) - len(overlap - own)
        return Willing(None if quota is None else max(0, quota), items)

    return willing
