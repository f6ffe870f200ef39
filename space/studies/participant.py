"""Somebody at work on a study: what may lie on their desk, and how their browser knows it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property

from annotation.identity import pseudonyms
from annotation.study import practice
from annotation.study.practice import Example
from annotation.study.study import Shown, Study
from annotation.types import Item, Judgment
from space.services import Services
from space.web.sessions import Annotator


@dataclass(frozen=True)
class Seat:
    """Somebody at work on a study."""

    services: Services
    study: Study
    who: Annotator

    @property
    def is_open(self) -> bool:
        """Whether this is the study where none was created: heads are named, others' answers shown after one's own."""
        return self.study.settings.per_item is None

    @cached_property
    def examples(self) -> dict[str, Example]:
        """The worked examples by item key; none where the study has no practice."""
        found = practice.examples(self.study.name) if self.study.settings.practice else ()
        return {example.item.key: example for example in found}

    @cached_property
    def items(self) -> dict[str, Item]:
        """Everything that may lie on the desk, by the handle that the browser gets."""
        items = (*(example.item for example in self.examples.values()), *self.study.order)
        return {self.handle(item): item for item in items}

    def handle(self, item: Item) -> str:
        """The item as the browser knows it."""
        return pseudonyms.handle(item.key, self.services.key)

    def shown(self, item: Item) -> Shown:
        """What the annotator sees of an item."""
        example = self.examples.get(item.key)
        shown = self.study.shown[item.key] if example is None else example.shown
        return replace(shown, mappings=tuple(shown.mappings))  # which may be read from the atlas: once


JUDGMENT_ID = re.compile(r"[0-9a-f]{32}")
LONGEST_SITTING = timedelta(days=7)


def judged(seat: Seat) -> list[Judgment]:
    """The annotator's current judgments of the study's items, in the order of answering, worked examples among them."""
    known = seat.study.by_key.keys() | seat.examples.keys()
    return [row for row in seat.services.journal.current(seat.study.name, seat.who.pseudonym) if row.item.key in known]
