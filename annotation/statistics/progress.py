"""How far a study is: its places, its items, and what each person has done. Nothing here remembers anything."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from annotation.form import PRESENCE
from annotation.statistics.judgments_table import counted, frame
from annotation.statistics.ratings import Ratings, others_majority, ratings
from annotation.study.study import Study
from annotation.types import Judgment

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
    fresh = study.fresh(stale)
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
    fresh = study.fresh(stale)
    return all(
        everybody <= set(judged.get(item.key, ()))
        if item.item_kind == "overlap"
        else len(judged.get(item.key, ())) >= limit
        for item in fresh
    )


def work(rows: Sequence[Judgment]) -> list[Work]:
    """A line a person of these current judgments, who did most first; practice and adjudications do not count."""
    people: dict[str, list[float]] = {}
    for row in rows:
        if row.item_kind not in ("practice", "adjudication"):
            people.setdefault(row.annotator, []).append(row.seconds)
    found = ratings(counted(frame(rows)).rows, PRESENCE)
    shared = {annotator: _shared(found, number) for number, annotator in enumerate(found.annotators)}
    lines = [Work(name, len(own), median(own), *shared.get(name, (0, 0))) for name, own in people.items()]
    return sorted(lines, key=lambda each: (-each.items, each.annotator))


def _shared(found: Ratings, number: int) -> tuple[int, int]:
    """On how many items an annotator gives the answer of the others' majority, and on how many there is one."""
    rest = others_majority(found, number)
    compared = rest >= 0
    return int((compared & (rest == found.answers[:, number])).sum()), int(compared.sum())
