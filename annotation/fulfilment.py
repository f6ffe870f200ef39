"""How far a study is: its places, its items, and what each person has done. Nothing here remembers anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from annotation.study import Study
from annotation.types import COUNTED_KINDS, Judgment

People = Mapping[str, Collection[str]]  # by item key, who has judged (or reserved) it


@dataclass(frozen=True)
class Fulfilment:
    """Places of the items that are not stale, without the overlap, which everybody judges.

    `wanted` is None in a study without a limit; `given` counts judgments in places, `reserved` live reservations;
    `items` and `done` count the items, and those that have all their judgments; `overlap` counts the overlap's
    judgments; `stale` the stale items and `stale_judgments` what they were given.
    """

    wanted: int | None
    given: int
    reserved: int
    items: int
    done: int
    overlap: int
    stale: int
    stale_judgments: int


@dataclass(frozen=True)
class Work:
    """What one person did: items, median seconds an item, and how often they agree with the others.

    Of the `compared` items on which the others have a majority for one answer to question one, `agreeing` have theirs.
    """

    annotator: str
    items: int
    seconds: float
    agreeing: int
    compared: int


def fulfilment(study: Study, judged: People, reserved: People, stale: Collection[str] = ()) -> Fulfilment:
    """The present counts of a study."""
    limit = study.settings.per_item
    fresh = [item for item in study.order if item.key not in stale]
    limited = [item.key for item in fresh if item.item_kind != "overlap"]
    given = {key: len(people) for key, people in judged.items()}
    return Fulfilment(
        wanted=None if limit is None else limit * len(limited),
        given=sum(given.get(key, 0) for key in limited),
        reserved=sum(len(people) for people in reserved.values()),
        items=len(limited),
        done=sum(given.get(key, 0) >= (limit or 1) for key in limited),
        overlap=sum(given.get(item.key, 0) for item in fresh if item.item_kind == "overlap"),
        stale=len(stale),
        stale_judgments=sum(given.get(key, 0) for key in stale),
    )


def complete(study: Study, judged: People, stale: Collection[str] = ()) -> bool:
    """Whether every place is filled: each item has its judgments, and everybody who began has judged the overlap.

    Stale items count no more. A study without a limit never is, nor one of which nobody has judged anything.
    """
    limit = study.settings.per_item
    everybody = set().union(*judged.values())
    if limit is None or not everybody:
        return False
    fresh = [item for item in study.order if item.key not in stale]
    return all(
        everybody <= set(judged.get(item.key, ()))
        if item.item_kind == "overlap"
        else len(judged.get(item.key, ())) >= limit
        for item in fresh
    )


def work(rows: Sequence[Judgment]) -> list[Work]:
    """A line a person of these current judgments, who did most first; practice and adjudications do not count."""
    real = [row for row in rows if row.item_kind not in ("practice", "adjudication")]
    people: dict[str, list[Judgment]] = {}
    votes: dict[object, Counter[str]] = {}
    for row in real:
        people.setdefault(row.annotator, []).append(row)
        votes.setdefault(row.item, Counter())[row.presence] += 1
    found = []
    for annotator, own in people.items():
        others = [(row, _majority(votes[row.item] - Counter([row.presence]))) for row in own]
        compared = [(row, answer) for row, answer in others if answer and row.item_kind in COUNTED_KINDS]
        agreeing = sum(row.presence == answer for row, answer in compared)
        found.append(Work(annotator, len(own), median(row.seconds for row in own), agreeing, len(compared)))
    return sorted(found, key=lambda each: (-each.items, each.annotator))


def _majority(votes: Counter[str]) -> str | None:
    """The answer given most often; None without answers or where the first place is shared."""
    first = votes.most_common(2)
    shared = len(first) == 2 and first[0][1] == first[1][1]
    return first[0][0] if first and not shared else None
