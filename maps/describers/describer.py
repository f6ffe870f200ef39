"""Describers: each is one class with one method that turns a head's mappings into a description."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from maps.types import Answer, Mapping, MapsError, Relation

OFFLINE = "offline"


class DescriberError(MapsError):
    """Something that no further asking mends (key, model, quota, server): it ends the run.

    What concerns one head alone is a `maps.describers.prompt.ReplyError`.
    """


class Describer(Protocol):
    """Anything that describes a head's mappings; one that is an async context manager is asked inside it."""

    @property
    def name(self) -> str:
        """The describer's name, as the atlas stores it."""

    async def describe(self, mappings: Sequence[Mapping], seed: int) -> Answer:
        """Describes the mappings of one head, in rank order; the seed is honoured where that is possible.

        Raises ReplyError where this head got no usable reply, DescriberError where the run can't go on.
        """


def describer_named(
    name: str,
    base_url: str | None = None,
    api_key: str | None = None,
    *,
    concurrency: int = 1,
    relations: Sequence[Relation] = (),
) -> Describer:
    """The offline describer for `offline`, otherwise the model of that name on an OpenAI-compatible server.

    `concurrency` is how many questions the server is asked at once. `relations` serve the offline describer alone.
    """
    if name == OFFLINE:
        from maps.describers.offline.describer import Offline

        return Offline(relations)
    # Imported here, since the openai package takes half a second that offline use need not pay.
    from maps.describers.openai_compatible import OpenAICompatible
    from maps.llm.budget import Budget
    from maps.llm.client import Chat
    from maps.llm.prices import read_prices

    budget = Budget(read_prices().of(name))
    return OpenAICompatible(Chat(name, base_url, api_key, concurrency=concurrency, budget=budget))
