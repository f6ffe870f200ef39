"""The protocol of describers: one method that turns a head's mappings into a description."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from maps.types import Answer, Mapping

OFFLINE = "offline"


class Describer(Protocol):
    """Anything that describes a head's mappings. If it is an async context manager, it is used inside its context."""

    @property
    def name(self) -> str:
        """The describer's name, as the atlas stores it."""

    async def describe(self, mappings: Sequence[Mapping], seed: int) -> Answer:
        """Describes the mappings of one head, given in rank order; uses the seed if it can.

        Raises ReplyError if this head got no usable reply, DescriberError if the run cannot continue.
        """
