"""How far a study is: its slots, its items, and what each annotator did. Everything is counted anew from its rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from annotation.form import PRESENCE
from annotation.statistics.judgments_table import judgments_to_frame, select_counted_judgments
from annotation.statistics.ratings import collect_ratings, majority_codes_of_others
from annotation.study.study import Study
from annotation.types import Judgment

AnnotatorsByItem = Mapping[str, Collection[str]]  # by item key: who has judged (or reserved) the item


@dataclass(frozen=True)
class StudyProgress:
    """The counts of a study. A slot is one wanted judgment of one item.

    Slots and items leave out stale items and the overlap, which every annotator judges. `total_slots` is None in a
    study without a limit; `filled_slots` have a judgment, `reserved_slots` a live reservation; `finished_items` have
    all their judgments. `overlap_judgments` and `stale_judgments` are those of the overlap and of stale items.
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
    """What one annotator did.

    `compared_items` counts the items on which the others have a majority answer to question one; on `agreeing_items`
    of them the annotator gave the same answer.
    """

    annotator: str
    items: int
    median_seconds: float
    agreeing_items: int
    compared_items: int


def compute_study_progress(
    study: Study, judged_by: AnnotatorsByItem, reserved_by: AnnotatorsByItem, stale_keys: Collection[str] = ()
) -> StudyProgress:
    """Counts the slots and items of a study; `stale_keys` are the keys of its stale items."""
    per_item = study.settings.per_item
    fresh = study.fresh_items(stale_keys)
    limited = [item.key for item in fresh if item.item_kind != "overlap"]
    judgments = {key: len(annotators) for key, annotators in judged_by.items()}
    return StudyProgress(
        total_slots=None if per_item is None else per_item * len(limited),
        filled_slots=sum(judgments.get(key, 0) for key in limited),
        reserved_slots=sum(len(annotators) for annotators in reserved_by.values()),
        items=len(limited),
        finished_items=sum(judgments.get(key, 0) >= (per_item or 1) for key in limited),
        overlap_judgments=sum(judgments.get(item.key, 0) for item in fresh if item.item_kind == "overlap"),
        stale_items=len(stale_keys),
        stale_judgments=sum(judgments.get(key, 0) for key in stale_keys),
    )


def summarise_annotators(judgments: Sequence[Judgment]) -> list[AnnotatorSummary]:
    """One summary for each annotator, most items first; practice items and adjudications do not count.

    `judgments` are current judgments.
    """
    seconds: dict[str, list[float]] = {}
    for judgment in judgments:
        if judgment.item_kind not in ("practice", "adjudication"):
            seconds.setdefault(judgment.annotator, []).append(judgment.seconds)
    ratings = collect_ratings(select_counted_judgments(judgments_to_frame(judgments)).rows, PRESENCE)
    majority = majority_codes_of_others(ratings)
    agreement: dict[str, tuple[int, int]] = {}
    for annotator, answers in zip(ratings.annotators, ratings.answers_by_annotator(), strict=True):
        agrees = majority[answers] == ratings.codes[answers]
        agreement[annotator] = int(agrees.sum()), int((majority[answers] >= 0).sum())
    summaries = [
        AnnotatorSummary(annotator, len(times), median(times), *agreement.get(annotator, (0, 0)))
        for annotator, times in seconds.items()
    ]
    return sorted(summaries, key=lambda each: (-each.items, each.annotator))
