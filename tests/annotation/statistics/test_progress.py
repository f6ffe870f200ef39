"""How far a study is, by hand-made examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from annotation.statistics.progress import (
    AnnotatorSummary,
    StudyProgress,
    compute_study_progress,
    summarise_annotators,
)
from annotation.study.study import Candidate, Study, build_default_study
from annotation.types import Judgment
from maps.types import HeadId

Judge = Callable[..., Judgment]
NOTHING: dict[str, object] = {"presence": "absent_none", "precision": None, "category": None}


def a_study(per_item: int | None = 2, overlap: int = 1) -> Study:
    """Three heads, the first of them for everybody."""
    heads = [Candidate(HeadId(0, n), (), f"hash-{n}", f"d-{n}", "", "") for n in range(3)]
    whole = build_default_study("m", None, 1, "offline", heads, datetime(2026, 11, 24, tzinfo=UTC))
    items = sorted(whole.order, key=lambda item: item.head)
    order = tuple(replace(i, item_kind="overlap") if n < overlap else i for n, i in enumerate(items))
    return replace(whole, settings=replace(whole.settings, per_item=per_item, overlap=overlap), order=order)


def judged(study: Study, *people: str) -> dict[str, set[str]]:
    """Who judged which item, a string of letters an item."""
    return {item.key: set(who) for item, who in zip(study.order, people, strict=True) if who}


def test_places_and_items_are_counted_without_the_overlap_and_what_is_stale() -> None:
    study = a_study()
    done, other = judged(study, "abc", "ab", "a"), judged(study, "", "", "d")
    assert compute_study_progress(study, done, other) == StudyProgress(4, 3, 1, 2, 1, 3, 0, 0)
    stale = {study.order[1].key}
    assert compute_study_progress(study, done, other, stale) == StudyProgress(2, 1, 1, 1, 0, 3, 1, 2)


def test_an_open_study_wants_no_number_of_places() -> None:
    study = a_study(per_item=None, overlap=0)
    assert compute_study_progress(study, judged(study, "ab", "", "a"), {}) == StudyProgress(None, 3, 0, 3, 2, 0, 0, 0)


def test_each_person_is_compared_with_the_majority_of_the_others(judge: Judge) -> None:
    rows = [
        judge("1a", head=1, annotator="a", seconds=10.0),
        judge("1b", head=1, annotator="b", seconds=30.0),
        judge("1c", head=1, annotator="c", seconds=50.0, **NOTHING),
        judge("2a", head=2, annotator="a", seconds=20.0),
        judge("p", head=3, annotator="a", item_kind="practice"),
        judge("x", head=1, annotator="o", item_kind="adjudication"),
    ]
    # Head 1: the others of a are b (present) and c (absent), tied; the same for b; the others of c agree: present.
    # Head 2: a is alone.
    assert agreements(summarise_annotators(rows)) == [
        ("a", 2, 15.0, 0, 0),
        ("b", 1, 30.0, 0, 0),
        ("c", 1, 50.0, 0, 1),
    ]
    others = [row for row in rows if row.annotator != "c"]
    assert agreements(summarise_annotators(others)) == [("a", 2, 15.0, 1, 1), ("b", 1, 30.0, 1, 1)]


def agreements(summaries: list[AnnotatorSummary]) -> list[tuple[object, ...]]:
    return [(s.annotator, s.items, s.median_seconds, s.agreeing_items, s.compared_items) for s in summaries]


FLAG = "1 answer saying that a pattern was described where none was, or the reverse"


def test_time_controls_practice_and_reasons_to_look_closer_are_given(judge: Judge) -> None:
    rows = [judge(f"{n}", head=n, annotator="a", seconds=1.0, **NOTHING) for n in range(9)]
    rows += [
        judge("s", head=20, annotator="a", item_kind="swapped", seconds=3.0, flag="contradicts_description", **NOTHING),
        judge("t", head=21, annotator="b", item_kind="shuffled", seconds=60.0),
        judge("p", head=1, annotator="a", item_kind="practice", seconds=60.0),
        judge("q", head=2, annotator="a", item_kind="practice", seconds=60.0),
    ]
    hasty, careful = summarise_annotators(rows, lambda judgment: judgment.head == 1)
    assert (hasty.items, hasty.hours) == (10, 132 / 3600)
    assert (hasty.refused_controls, hasty.controls, careful.refused_controls, careful.controls) == (1, 1, 0, 1)
    assert (hasty.right_practice_items, hasty.practice_items) == (1, 2)
    assert hasty.flags == ("median under 3 s", "one answer always", FLAG)
    assert (careful.flags, careful.last_answer) == ((), rows[10].submitted_at)


def test_controls_are_work_but_no_agreement(judge: Judge) -> None:
    rows = [judge("1", annotator="a", item_kind="swapped"), judge("2", annotator="b", item_kind="swapped")]
    assert [(each.items, each.compared_items) for each in summarise_annotators(rows)] == [(1, 0), (1, 0)]
