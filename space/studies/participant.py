"""An annotator in a study: the items they may see, and the opaque handles that stand for them in the browser."""

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
    """An annotator in a study."""

    services: Services
    study: Study
    annotator: Annotator

    @property
    def is_in_open_study(self) -> bool:
        """Whether this is the default study, where heads are named and others' answers shown after one's own."""
        return self.study.settings.per_item is None

    @cached_property
    def examples_by_key(self) -> dict[str, PracticeExample]:
        """The practice examples by item key; none if the study has no practice."""
        return {example.item.key: example for example in practice.practice_of_study(self.study)}

    @cached_property
    def items_by_handle(self) -> dict[str, StudyItem]:
        """The study's items and worked examples by handle. Only those that the server gave away are known outside."""
        items = [*(example.item for example in self.examples_by_key.values()), *self.study.order]
        return {self.item_handle(item): item for item in items}

    @cached_property
    def _handle_key(self) -> bytes:
        return pseudonyms.derive_handle_key(self.annotator.pseudonym, self.services.pseudonym_key)

    def item_handle(self, item: StudyItem) -> str:
        """The handle of an item for this annotator, which does not reveal whether it is a control.

        Whoever knows it was given the item: nobody can guess it, and other people have other handles.
        """
        return pseudonyms.derive_item_handle(item.key, self._handle_key)

    def item_content(self, item: StudyItem) -> ItemContent:
        example = self.examples_by_key.get(item.key)
        content = self.study.contents[item.key] if example is None else example.content
        return replace(content, mappings=tuple(content.mappings))  # reads them from the atlas once


JUDGMENT_ID_PATTERN = re.compile(r"[0-9a-f]{32}")
MAX_TASK_AGE = timedelta(days=7)


def current_judgments(participant: Participant) -> list[Judgment]:
    """The annotator's current judgments of the study's items and practice examples, in the order of answering."""
    study, journal = participant.study, participant.services.journal
    keys = study.item_by_key.keys() | participant.examples_by_key.keys()
    judgments = journal.current_judgments(study.name, participant.annotator.pseudonym)
    return [judgment for judgment in judgments if judgment.item.key in keys]
