"""An annotator in a study: the items they may see, and the opaque handles that stand for them in the browser."""

from __future__ import annotations

import re
from dataclasses import dataclass
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

    def find_item(self, handle: object) -> StudyItem | None:
        """The item or practice item of a handle; None for whatever the server did not give this person."""
        number = pseudonyms.read_item_handle(handle, self._handle_key) if isinstance(handle, str) else None
        if number is None:
            return None
        order, examples = self.study.order, list(self.examples_by_key.values())
        if number < len(order):
            item = order[number]
        elif number < len(order) + len(examples):
            item = examples[number - len(order)].item
        else:
            return None
        return item if self.item_handle(item) == handle else None

    def _number(self, item: StudyItem) -> int:
        """The place of an item in the study's order; practice items come after it."""
        number = self.study.position_by_item.get(item)
        return len(self.study.order) + list(self.examples_by_key).index(item.key) if number is None else number

    @cached_property
    def _handle_key(self) -> bytes:
        return pseudonyms.derive_handle_key(self.annotator.pseudonym, self.services.pseudonym_key)

    def item_handle(self, item: StudyItem) -> str:
        """The handle of an item for this annotator, which does not reveal whether it is a control.

        Whoever knows it was given the item: nobody can guess it, and other people have other handles.
        """
        return pseudonyms.derive_item_handle(item.key, self._number(item), self._handle_key)

    def item_content(self, item: StudyItem) -> ItemContent:
        """What the annotator sees of an item; its mappings may be read at each use."""
        example = self.examples_by_key.get(item.key)
        return self.study.contents[item.key] if example is None else example.content


JUDGMENT_ID_PATTERN = re.compile(r"[0-9a-f]{32}")
MAX_TASK_AGE = timedelta(days=7)


def current_judgments(participant: Participant) -> list[Judgment]:
    """The annotator's current judgments of the study's items and practice examples, in the order of answering."""
    study, journal = participant.study, participant.services.journal
    judgments = journal.current_judgments(study.name, participant.annotator.pseudonym)
    practice = {example.item for example in participant.examples_by_key.values()}
    return [row for row in judgments if row.item in study.position_by_item or row.item in practice]
