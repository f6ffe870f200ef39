"""How far a study is: its places, its items, and what each person has done. Nothing here remembers anything."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from annotation.form import PRESENCE
from annotation.statistics.judgments_table import judgments_to_frame, select_counted_judgments
from annotation.statistics.ratings import Ratings, collect_ratings, majority_codes_of_others
from annotation.study.study import Study
from annotation.types import Judgment

AnnotatorsByItem = Mapping[str, Collection[str]]  # by item key, who has judged (or reserved) it


@dataclass(frozen=True)
class StudyProgress:
    """Places of the items that are not stale, without the overlap, which everybody judges.

    `total_slots` is None in a study without a limit; `filled_slots` counts judgments in places, `reserved_slots` live reservations;
    `items` and `finished_items` count the items, and those that have all their judgments; `overlap_judgments` counts the overlap's
    judgments; `stale_items` the stale items and `stale_judgments` what they were given.
    """

    total_slots: int | None
    filled_slots: int
    reserved_slots: int
    items: int
    finished_items: int
    overlap_judgments: int
    stale_items: int
    stale_judgments: int


@dataclass(frozen=True)
class AnnotatorSummary:
    """What one person did: items, median seconds an item, and how often they agree with the others.

    Of the `compared_items` items on which the others have a majority for one answer to question one, `agreeing_items` have theirs.
    """

    annotator: str
    items: int
    median_seconds: float
    agreeing_items: int
    compared_items: int


def compute_study_progress(
    study: Study, judged_by: AnnotatorsByItem, reserved_by: AnnotatorsByItem, stale_keys: Collection[str] = ()
) -> StudyProgress:
    """The present counts of a study."""
    limit = study.settings.per_item
    fresh = study.fresh_items(stale_keys)
    limited = [item.key for item in fresh if item.item_kind != "overlap"]
    given = {key: len(people) for key, people in judged_by.items()}
    return StudyProgress(
        total_slots=None if limit is None else limit * len(limited),
        filled_slots=sum(given.get(key, 0) for key in limited),
        reserved_slots=sum(len(people) for people in reserved_by.values()),
        items=len(limited),
        finished_items=sum(given.get(key, 0) >= (limit or 1) for key in limited),
        overlap_judgments=sum(given.get(item.key, 0) for item in fresh if item.item_kind == "overlap"),
        stale_items=len(stale_keys),
        stale_judgments=sum(given.get(key, 0) for key in stale_keys),
    )


def is_complete(study: Study, judged_by: AnnotatorsByItem, stale_keys: Collection[str] = ()) -> bool:
    """Whether every place is filled: each item has its judgments, and everybody who began has judged the overlap.

    Stale items count no more. A study without a limit never is, nor one of which nobody has judged anything.
    """
    limit = study.settings.per_item
    everybody = set().union(*judged_by.values())
    if limit is None or not everybody:
        return False
    fresh = study.fresh_items(stale_keys)
    return all(
        everybody <= set(judged_by.get(item.key, ()))
        if item.item_kind == "overlap"
        else len(judged_by.get(item.key, ())) >= limit
        for item in fresh
    )


def summarise_annotators(judgments: Sequence[Judgment]) -> list[AnnotatorSummary]:
    """A line a person of these current judgments, who did most first; practice and adjudications do not count."""
    people: dict[str, list[float]] = {}
    for row in judgments:
        if row.item_kind not in ("practice", "adjudication"):
            people.setdefault(row.annotator, []).append(row.seconds)
    found = collect_ratings(select_counted_judgments(judgments_to_frame(judgments)).rows, PRESENCE)
    shared = {annotator: _agreement_with_others(found, number) for number, annotator in enumerate(found.annotators)}
    lines = [AnnotatorSummary(name, len(own), median(own), *shared.get(name, (0, 0))) for name, own in people.items()]
    return sorted(lines, key=lambda each: (-each.items, each.annotator))


def _agreement_with_others(ratings: Ratings, number: int) -> tuple[int, int]:
    """On how many items an annotator gives the answer of the others' majority, and on how many there is one."""
    rest = majority_codes_of_others(ratings, number)
    compared = rest >= 0
    return int((compared & (rest == ratings.answers[:, number])).sum()), int(compared.sum())
