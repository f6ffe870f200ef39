"""How much work a study is, how many people it needs at least, and which changes let fewer people do it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from annotation.study.next_item import count_subjects
from annotation.study.study import Study
from annotation.types import CONTROL_KINDS

PRACTICE_ITEMS = 7  # in annotation/data/practice.json


@dataclass(frozen=True)
class StudySize:
    """The numbers that decide how many people a study needs.

    `items` and `controls` (among them) leave out the overlap. They are of `subjects` different heads, or operations:
    nobody judges two items of one. Each needs `per_item` judgments; one person judges at most `per_annotator` items,
    the `overlap` included (None: no limit). Everybody first answers `practice` items, which are none of these.
    """

    items: int
    controls: int
    subjects: int
    overlap: int
    per_item: int
    per_annotator: int | None
    practice: int = 0

    @property
    def items_per_person(self) -> int:
        """The most items outside the overlap that one person can judge; 0 or less if the overlap uses up the limit."""
        limit = self.subjects if self.per_annotator is None else self.per_annotator - self.overlap
        return min(self.subjects, limit)

    @property
    def minimum_annotators(self) -> int | None:
        """The fewest people who can complete the study; None if one person's limit is used up by the overlap.

        For example: 34 items outside the overlap of 10, 3 judgments each, at most 20 items a person:
        ceil(34 · 3 / (20 − 10)) = 11 people.
        """
        if not self.items:
            return 1
        if self.items_per_person <= 0:
            return None
        return max(self.per_item, ceil(self.items * self.per_item / self.items_per_person))

    def total_judgments(self, annotators: int) -> int:
        """All judgments, if so many people judge the overlap."""
        return self.items * self.per_item + self.overlap * annotators

    def total_answers(self, annotators: int) -> int:
        """All judgments and answers to practice items: the work that is paid."""
        return self.total_judgments(annotators) + self.practice * annotators


def study_size(study: Study) -> StudySize:
    """The size of a study with a limit of judgments for each item."""
    limited = [item for item in study.order if item.item_kind != "overlap"]
    return StudySize(
        items=len(limited),
        controls=sum(item.item_kind in CONTROL_KINDS for item in limited),
        subjects=count_subjects(limited, study.settings),
        overlap=study.overlap_items,
        per_item=study.settings.per_item or 1,
        per_annotator=study.settings.per_annotator,
        practice=PRACTICE_ITEMS if study.settings.practice else 0,
    )


def items_asked(study: Study) -> int | None:
    """The most items that one person is asked for; None in the study of all described heads, which has no end.

    Without a limit for one person it is every item, or an equal share if the number of annotators is known.
    """
    settings = study.settings
    if settings.per_item is None:
        return None
    most = settings.per_annotator or len(study.order)
    if not settings.annotators:
        return most
    return min(most, ceil(study_size(study).total_judgments(settings.annotators) / settings.annotators))


def sizes_for(size: StudySize, annotators: int) -> dict[str, StudySize]:
    """The smallest changes, one at a time, with which so many people are enough, by the name of what changes.

    `items`: fewer heads, so that controls are of heads outside the sample. `controls`: none. `per_item`: fewer
    judgments of each item. `per_annotator`: a higher limit for one person.
    """
    shown_twice = size.items - size.subjects
    changes = {}
    if shown_twice:
        changes["items"] = replace(size, items=size.subjects)
        without = size.items - size.controls
        changes["controls"] = replace(size, items=without, controls=0, subjects=min(size.subjects, without))
    if size.per_item > 1:
        fewer = (replace(size, per_item=number) for number in range(size.per_item - 1, 0, -1))
        changes["per_item"] = next((each for each in fewer if is_enough(each, annotators)), size)
    if size.per_annotator is not None:
        limit = size.overlap + ceil(size.items * size.per_item / annotators)
        changes["per_annotator"] = replace(size, per_annotator=limit)
    return {name: each for name, each in changes.items() if is_enough(each, annotators)}


def is_enough(size: StudySize, annotators: int) -> bool:
    """Whether so many people can complete a study of this size."""
    minimum = size.minimum_annotators
    return minimum is not None and minimum <= annotators
