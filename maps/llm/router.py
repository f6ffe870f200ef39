"""Models of the Hub's Inference Providers, named `hf:MODEL` or `hf:MODEL:PROVIDER`.

Several providers serve a model, at prices of their own. The router's list of models says which, at what price, and
whether a provider keeps to a JSON schema. One provider is chosen for a whole run, and is part of the describer's name:
answers of different providers may differ.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import openai

from maps.errors import DescriberError, MapsError
from maps.llm.connection import open_client
from maps.llm.error_messages import host_and_port
from maps.llm.prices import Price
from maps.text import shorten

PREFIX = "hf:"
ROUTER_URL = "https://router.huggingface.co/v1"
LIST_TIMEOUT = 30.0  # seconds
PROVIDER_PATTERN = re.compile(r"[\w.-]{1,64}")
PROMPT_SHARE = 6  # a question has about six times as many tokens as its answer


class Provider(NamedTuple):
    """Who serves a model on the Hub."""

    name: str
    price: Price | None
    keeps_schema: bool

    @property
    def sort_key(self) -> tuple[bool, bool, float, str]:
        """Sorts those that keep to a schema first, then those with a price, then the cheapest."""
        cost = 0.0 if self.price is None else PROMPT_SHARE * self.price.input + self.price.output
        return not self.keeps_schema, self.price is None, cost, self.name


class RoutedModel(NamedTuple):
    """A model at one provider. `name` is what the router is asked for, and what the atlas stores."""

    name: str
    price: Price | None


def is_routed(name: str) -> bool:
    return name.startswith(PREFIX)


async def choose_provider(name: str, url: str, token: str, earlier: Collection[str] = ()) -> RoutedModel:
    """The model that `hf:…` names, at one provider; raises DescriberError if the router cannot be asked, or has none.

    `earlier`: names under which the atlas has answers; their provider is kept while it serves the model.
    """
    model, _, wanted = name.removeprefix(PREFIX).partition(":")
    if not token or not (token.isascii() and token.isprintable()):
        raise DescriberError("The Hub's Inference Providers need a token: set HF_TOKEN, see hf.co/settings/tokens.")
    host_and_port(url)  # raises for an address that is none
    providers = sorted(read_providers(await list_models(url, token), model), key=lambda each: each.sort_key)
    if not providers:
        raise DescriberError(f"No provider of the Hub serves {shorten(model, 100)} now; name another model.")
    by_name = {provider.name: provider for provider in providers}
    known = [each for each in by_name if f"{model}:{each}" in earlier]
    if wanted and wanted not in by_name:
        raise DescriberError(
            f"{shorten(wanted, 60)} does not serve {shorten(model, 100)}; the providers are {', '.join(by_name)}."
        )
    chosen = by_name[wanted or next(iter(known), providers[0].name)]
    return RoutedModel(f"{model}:{chosen.name}", chosen.price)


async def list_models(url: str, token: str) -> Sequence[dict[str, Any]]:
    """The router's list of models."""
    client = open_client(url, token, timeout=LIST_TIMEOUT, concurrency=1, organization=None, project=None)
    try:
        async with client:
            listed = await client.models.list()
            return [entry.model_dump() for entry in listed.data]
    except openai.AuthenticationError:
        raise DescriberError("The Hub's router rejected the token: set a valid HF_TOKEN.") from None
    except openai.OpenAIError as error:
        raise DescriberError(f"The Hub's router gave no list of models: {shorten(str(error), 200)}") from error
    except (AttributeError, TypeError, ValueError) as error:  # of an answer that is no list
        raise DescriberError(
            f"What answers at {host_and_port(url)} gave no list of models; check --base-url."
        ) from error


def read_providers(entries: Sequence[dict[str, Any]], model: str) -> list[Provider]:
    """The providers that serve a model now; raises DescriberError if the list cannot be understood."""
    try:
        listed = [provider for entry in entries if entry["id"] == model for provider in entry.get("providers") or []]
        live = [provider for provider in listed if provider.get("status", "live") == "live"]
        found = [read_provider(provider) for provider in live if PROVIDER_PATTERN.fullmatch(str(provider["provider"]))]
    except (KeyError, TypeError, AttributeError, ValueError, MapsError) as error:
        raise DescriberError(f"The router's list of models cannot be read: {shorten(str(error), 200)}.") from error
    return found


def read_provider(entry: dict[str, Any]) -> Provider:
    keeps_schema = bool(entry.get("supports_structured_output"))
    return Provider(str(entry["provider"]), read_price(entry.get("pricing")), keeps_schema)


def read_price(pricing: Any) -> Price | None:
    """Dollars per million tokens; None where the router names no price."""
    if not pricing:
        return None
    price = Price(float(pricing["input"]), float(pricing["output"]))
    if not (0 <= price.input < 1e6 and 0 <= price.output < 1e6):
        raise ValueError("a price is out of range")
    return price
