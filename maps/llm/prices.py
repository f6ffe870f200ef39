"""Token prices and shutdown dates of models: a dated table in maps/data, or a user's own file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from datetime import date as Date
from importlib.resources import files
from pathlib import Path
from typing import Any

from maps.errors import MapsError

DATE_SUFFIX = re.compile(r"-20\d\d-\d\d-\d\d$")  # of a snapshot, as in gpt-4o-2024-11-20
PRICES_EXAMPLE = '{"date": "2026-11-24", "models": {"NAME": {"input": 2.5, "output": 10}}}, dollars per million tokens'


@dataclass(frozen=True)
class Price:
    """Dollars per million tokens. `cached_input`: of cached prompt tokens; `batch_factor`: a batch's share of it."""

    input: float
    output: float
    cached_input: float | None = None
    batch_factor: float = 1.0

    def cost(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0, *, batch: bool = False) -> float:
        """Dollars for one question. `cached_tokens`: how many of its `prompt_tokens` came from the server's cache."""
        cached = 0 if self.cached_input is None else min(cached_tokens, prompt_tokens)
        input_cost = (prompt_tokens - cached) * self.input + cached * (self.cached_input or 0.0)
        dollars = input_cost + completion_tokens * self.output
        return dollars * (self.batch_factor if batch else 1.0) / 1e6


@dataclass(frozen=True)
class PriceTable:
    """Prices and announced shutdowns by model.

    `date`: the table's own date; `replacement_model`: what to suggest instead of a model that is shut down.
    """

    date: str
    prices: Dictionary[str, Price]
    shutdowns: Dictionary[str, Date]
    replacement_model: str | None = None

    def price_of(self, model: str) -> Price | None:
        """The price of a model; for a dated snapshot that is not listed, the price of the model without the date."""
        return self.prices.get(model) or self.prices.get(DATE_SUFFIX.sub("", model))

    def shutdown_date(self, model: str) -> Date | None:
        """The announced shutdown date of a model, found as in `price_of`."""
        return self.shutdowns.get(model) or self.shutdowns.get(DATE_SUFFIX.sub("", model))


def read_prices(path: Path | None = None) -> PriceTable:
    """The price table that ships with the library, or a user's own; raises MapsError for an invalid file."""
    file = files("maps.data").joinpath("prices.json") if path is None else path
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        models = data["models"]
        prices = {name: _parse_price(entry) for name, entry in models.items()}
        shutdowns = {n: Date.fromisoformat(entry["shutdown"]) for n, entry in models.items() if "shutdown" in entry}
        return PriceTable(str(data.get("date", "an unknown date")), prices, shutdowns, data.get("instead"))
    except OSError as error:
        raise MapsError(
            f"{path} cannot be read ({error.strerror}): give a price table such as {PRICES_EXAMPLE}."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MapsError(f"{path} is not a valid price table ({error}): write {PRICES_EXAMPLE}.") from error


def _parse_price(entry: Dictionary[str, Any]) -> Price:
    """A model's price; raises ValueError unless all its values are numbers of at least 0."""
    cached = entry.get("cached")
    price = Price(entry["input"], entry["output"], cached, entry.get("batch", 1.0))
    numbers = [price.input, price.output, price.batch_factor, *([] if cached is None else [cached])]
    if not all(isinstance(n, int | float) and not isinstance(n, bool) and 0 <= n < 1e6 for n in numbers):
        raise ValueError("a price must be a number of at least 0")
    return price
