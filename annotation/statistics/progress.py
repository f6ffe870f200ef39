"""How far a study is: its slots, its items, and what each annotator did. Everything is counted anew from its rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from annotation.form import PRESENCE
from annotation.statistics.judgments_table import CountedJudgments, judgments_to_frame, select_counted_judgments
from annotation.statistics.ratings import collect_ratings, majority_codes_of_others
from annotation.study.study import Study
from annotation.types import CONTROL_KINDS, Judgment
from maps.text import pluralize

HASTY_SECONDS = 3
FEWEST_TO_FLAG = 10  # answers, so that always the same one is worth a look
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
    of them the annotator gave the same answer. Of `controls`, `refused_controls` were not accepted (a pattern is
    visible and was described). Of `practice_items`, `right_practice_items` were answered all right. `hours` is the
    time spent on items and practice items, `last_answer` the time of the newest answer. `flags` are reasons to look
    closer.
    """

    annotator: str
    items: int
    median_seconds: float
    agreeing_items: int
    compared_items: int
    hours: float = 0.0
    last_answer: datetime | None = None
    refused_controls: int = 0
    controls: int = 0
    right_practice_items: int = 0
    practice_items: int = 0
    flags: tuple[str, ...] = ()


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


def summarise_annotators(
    judgments: Sequence[Judgment], is_right: Callable[[Judgment], bool] = lambda _judgment: False
) -> list[AnnotatorSummary]:
    """One summary for each annotator, most items first; practice items and adjudications do not count as items.

    `judgments` are current judgments; `is_right` says whether a practice item was answered all right.
    """
    work: dict[str, list[Judgment]] = {}
    for judgment in judgments:
        work.setdefault(judgment.annotator, []).append(judgment)
    agreement = agreement_with_majority(select_counted_judgments(judgments_to_frame(judgments)))
    summaries = (summarise_annotator(rows, agreement, is_right) for rows in work.values())
    return in_order_of_work(summaries)


def agreement_with_majority(counted: CountedJudgments) -> dict[str, tuple[int, int]]:
    """By annotator: on how many items they gave the majority's answer of the others, and how many have one."""
    ratings = collect_ratings(counted.rows, PRESENCE)
    majority = majority_codes_of_others(ratings)
    agreement: dict[str, tuple[int, int]] = {}
    for annotator, answers in zip(ratings.annotators, ratings.answers_by_annotator(), strict=True):
        agrees = majority[answers] == ratings.codes[answers]
        agreement[annotator] = int(agrees.sum()), int((majority[answers] >= 0).sum())
    return agreement


def in_order_of_work(summaries: Iterable[AnnotatorSummary | None]) -> list[AnnotatorSummary]:
    """The summaries, most items first."""
    return sorted((each for each in summaries if each is not None), key=lambda each: (-each.items, each.annotator))


def summarise_annotator(
    judgments: Sequence[Judgment],
    agreement: Mapping[str, tuple[int, int]],
    is_right: Callable[[Judgment], bool] = lambda _judgment: False,
) -> AnnotatorSummary | None:
    """One annotator's summary from their current judgments; None if they have judged no item."""
    practice = [row for row in judgments if row.item_kind == "practice"]
    rows = [row for row in judgments if row.item_kind not in ("practice", "adjudication")]
    return _summarise(rows, practice, agreement.get(rows[0].annotator, (0, 0)), is_right) if rows else None


def _summarise(
    rows: Sequence[Judgment],
    practice: Sequence[Judgment],
    agreement: tuple[int, int],
    is_right: Callable[[Judgment], bool],
) -> AnnotatorSummary:
    """One annotator's answers to items, at least one, and to practice items."""
    times = [row.seconds for row in rows]
    controls = [row for row in rows if row.item_kind in CONTROL_KINDS]
    return AnnotatorSummary(
        rows[0].annotator,
        len(rows),
        median(times),
        *agreement,
        hours=sum(row.seconds for row in (*rows, *practice)) / 3600,
        last_answer=max(row.submitted_at for row in rows),
        refused_controls=sum(row.presence != "present_described" for row in controls),
        controls=len(controls),
        right_practice_items=sum(map(is_right, practice)),
        practice_items=len(practice),
        flags=tuple(_flags(rows, median(times))),
    )


def _flags(rows: Sequence[Judgment], median_seconds: float) -> Iterator[str]:
    if median_seconds < HASTY_SECONDS:
        yield f"median under {HASTY_SECONDS} s"
    if len(rows) >= FEWEST_TO_FLAG and len({row.presence for row in rows}) == 1:
        yield "one answer always"
    if contradictions := sum(row.flag is not None for row in rows):
        answers = pluralize(contradictions, "answer")
        yield f"{answers} saying that a pattern was described where none was, or the reverse"
