"""How many people a study needs, and what to change so that fewer are enough."""

from __future__ import annotations

from dataclasses import replace

import pytest

from annotation.study.workload import StudySize, is_enough, sizes_for, study_size
from tests.annotation.invented_study import freeze_invented_study

ALL_HEADS = StudySize(items=297, controls=27, subjects=270, overlap=0, per_item=5, per_annotator=None)
LIMITED = StudySize(items=34, controls=4, subjects=34, overlap=10, per_item=3, per_annotator=20)


@pytest.mark.parametrize(
    ("size", "people"),
    [
        (ALL_HEADS, 6),  # 297 · 5 / 270
        (replace(ALL_HEADS, items=270), 5),
        (LIMITED, 11),  # 34 · 3 / (20 − 10)
        (replace(LIMITED, per_annotator=10), None),
        (replace(LIMITED, items=0), 1),
    ],
)
def test_the_fewest_annotators_follow_from_what_one_person_can_judge(size: StudySize, people: int | None) -> None:
    assert size.minimum_annotators == people


def test_each_change_is_enough_and_a_smaller_one_is_not() -> None:
    changes = sizes_for(ALL_HEADS, 5)
    assert {name: (each.items, each.per_item) for name, each in changes.items()} == {
        "items": (270, 5),
        "controls": (270, 5),
        "per_item": (297, 4),
    }
    assert not is_enough(replace(ALL_HEADS, items=271), 5)
    limit = sizes_for(LIMITED, 5)["per_annotator"].per_annotator
    assert limit == 31
    assert not is_enough(replace(LIMITED, per_annotator=30), 5)


def test_what_does_not_help_is_not_offered() -> None:
    assert sizes_for(LIMITED, 2) == {}  # with one judgment of each item, two people could give 20 of 34
    assert sizes_for(replace(LIMITED, per_item=1, per_annotator=None), 1) == {}


def test_the_size_of_a_study_leaves_out_its_overlap() -> None:
    study = freeze_invented_study(heads=28, overlap=4, swapped=4, shuffled=4)
    size = study_size(study)
    assert (size.items, size.controls, size.overlap) == (24 + 8, 8, 4)
    assert size.subjects == 28  # four heads are left for controls; the others are of heads of the sample
    assert size.total_judgments(5) == 32 * size.per_item + 4 * 5
