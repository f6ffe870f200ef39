"""Describers: each is one class with one method that turns a head's mappings into a description."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from maps.types import Answer, Mapping

OFFLINE = "offline"


class Describer(Protocol):
    """Anything that describes a head's mappings; one that is an async context manager is asked inside it."""

    @property
    def name(self) -> str:
        """The describer's name, as the atlas stores it."""

    async def describe(self, mappings: Sequence[Mapping], seed: int) -> Answer:
        """Describes the mappings of one head, in rank order; the seed is honoured where that is possible.

        Raises ReplyError where this head got no usable reply, DescriberError where the run can't go on.
        """
