"""Somebody at work on a study: what may lie on their desk, and how their browser knows it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property

from annotation.identity import pseudonyms
from annotation.study import practice
from annotation.study.practice import PracticeExample
from annotation.study.study import ItemContent, Study
from annotation.types import Judgment, StudyItem
from space.services import Services
from space.web.sessions import Annotator


@dataclass(frozen=True)
class Participant:
    """Somebody at work on a study."""

    services: Services
    study: Study
    annotator: Annotator

    @property
    def is_in_open_study(self) -> bool:
        """Whether this is the study where none was created: heads are named, others' answers shown after one's own."""
        return self.study.settings.per_item is None

    @cached_property
    def examples_by_key(self) -> dict[str, PracticeExample]:
        """The worked examples by item key; none where the study has no practice."""
        found = practice.load_practice_examples(self.study.name) if self.study.settings.practice else ()
        return {example.item.key: example for example in found}

    @cached_property
    def items_by_handle(self) -> dict[str, StudyItem]:
        """Everything that may lie on the desk, by the handle that the browser gets."""
        items = (*(example.item for example in self.examples_by_key.values()), *self.study.order)
        return {self.item_handle(item): item for item in items}

    def item_handle(self, item: StudyItem) -> str:
        """The item as the browser knows it."""
        return pseudonyms.derive_item_handle(item.key, self.services.pseudonym_key)

    def item_content(self, item: StudyItem) -> ItemContent:
        """What the annotator sees of an item."""
        example = self.examples_by_key.get(item.key)
        shown = self.study.contents[item.key] if example is None else example.content
        return replace(shown, mappings=tuple(shown.mappings))  # which may be read from the atlas: once


JUDGMENT_ID_PATTERN = re.compile(r"[0-9a-f]{32}")
MAX_TASK_AGE = timedelta(days=7)


def current_judgments(participant: Participant) -> list[Judgment]:
    """The annotator's current judgments of the study's items, in the order of answering, worked examples among them."""
    known = participant.study.item_by_key.keys() | participant.examples_by_key.keys()
    return [
        row
        for row in participant.services.journal.current_judgments(
            participant.study.name, participant.annotator.pseudonym
        )
        if row.item.key in known
    ]
