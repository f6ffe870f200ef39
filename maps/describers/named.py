"""Makes a describer from the name that a command or function was given."""

from __future__ import annotations

from collections.abc import Sequence

from maps.describers.describer import OFFLINE, Describer
from maps.types import Relation


def make_describer(
    name: str,
    base_url: str | None = None,
    api_key: str | None = None,
    *,
    concurrency: int = 1,
    relations: Sequence[Relation] = (),
) -> Describer:
    """The offline describer for `offline`, otherwise the model of that name on an OpenAI-compatible server.

    `concurrency`: questions to the server at a time. `relations`: for the offline describer only.
    """
    if name == OFFLINE:
        from maps.describers.offline.describer import OfflineDescriber

        return OfflineDescriber(relations)
    # Imported here, since the openai package takes half a second to import.
    from maps.describers.openai_compatible import OpenAICompatibleDescriber
    from maps.llm.budget import Budget
    from maps.llm.client import Chat
    from maps.llm.prices import read_prices

    budget = Budget(read_prices().price_of(name))
    return OpenAICompatibleDescriber(Chat(name, base_url, api_key, concurrency=concurrency, budget=budget))
