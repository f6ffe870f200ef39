"""The protocol of describers (one method turns a head's mappings into a description), and describers by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from maps.atlas.readings import PAPER_READING
from maps.describers.names import OFFLINE, REFERENCE
from maps.types import Answer, Mapping, Relation


class Describer(Protocol):
    """Anything that describes a head's mappings. If it is an async context manager, it is used inside its context."""

    @property
    def name(self) -> str:
        """The describer's name, as the atlas stores it."""

    async def describe(self, mappings: Sequence[Mapping], seed: int) -> Answer:
        """Describes the mappings of one head, given in rank order; uses the seed if it can.

        Raises ReplyError if this head got no usable reply, DescriberError if the run cannot continue.
        """


def make_describer(
    name: str,
    base_url: str | None = None,
    api_key: str | None = None,
    *,
    concurrency: int = 1,
    relations: Sequence[Relation] = (),
    reading: str = PAPER_READING,
) -> Describer:
    """The rules for `offline`, the reference for `reference`, otherwise a model on an OpenAI-compatible server.

    `concurrency`: questions to the server at a time. `relations`, and the `reading` of the mappings: for the offline
    describer only.
    """
    if name == OFFLINE:
        from maps.describers.offline.describer import OfflineDescriber

        return OfflineDescriber(relations, reading)
    if name == REFERENCE:
        from maps.describers.reference import ReferenceDescriber

        return ReferenceDescriber()
    # Imported here, since the openai package takes half a second to import.
    from maps.describers.openai_compatible import OpenAICompatibleDescriber
    from maps.llm.budget import Budget
    from maps.llm.client import Chat
    from maps.llm.prices import read_prices

    budget = Budget(read_prices().price_of(name))
    return OpenAICompatibleDescriber(Chat(name, base_url, api_key, concurrency=concurrency, budget=budget))
