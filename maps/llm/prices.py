"""What a model's tokens cost, and when it is shut down: a dated table in maps/data, or a user's own."""

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

DATE_SUFFIX = re.compile(r"-20\d\d-\d\d-\d\d$")  # a snapshot's date at the end of a name
PRICES_EXAMPLE = '{"date": "2026-11-24", "models": {"NAME": {"input": 2.5, "output": 10}}}, in dollars a million tokens'


@dataclass(frozen=True)
class Price:
    """Dollars a million tokens. `cached_input`: of a prompt's tokens in the server's cache; `batch_factor`: the share in a batch."""

    input: float
    output: float
    cached_input: float | None = None
    batch_factor: float = 1.0

    def cost(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0, *, batch: bool = False) -> float:
        """Dollars for one question, of whose `prompt_tokens` tokens `cached_tokens` were in the server's cache."""
        cheap = 0 if self.cached_input is None else min(cached_tokens, prompt_tokens)
        dollars = (
            (prompt_tokens - cheap) * self.input + cheap * (self.cached_input or 0.0) + completion_tokens * self.output
        )
        return dollars * (self.batch_factor if batch else 1.0) / 1e6


@dataclass(frozen=True)
class PriceTable:
    """A table of prices and of announced shutdowns.

    `date`: when it was made, as it says itself; `replacement_model`: a model to name for one that is shut down.
    """

    date: str
    prices: Dictionary[str, Price]
    shutdowns: Dictionary[str, Date]
    replacement_model: str | None = None

    def price_of(self, model: str) -> Price | None:
        """The price of a model or, of a dated snapshot that is not listed, of the model without the date."""
        return self.prices.get(model) or self.prices.get(DATE_SUFFIX.sub("", model))

    def shutdown_date(self, model: str) -> Date | None:
        """The announced date of a model's shutdown."""
        return self.shutdowns.get(model) or self.shutdowns.get(DATE_SUFFIX.sub("", model))


def read_prices(path: Path | None = None) -> PriceTable:
    """The table of maps/data, or that of a file of the same form; raises MapsError where it has another form."""
    place = files("maps.data").joinpath("prices.json") if path is None else path
    try:
        data = json.loads(place.read_text(encoding="utf-8"))
        models = data["models"]
        prices = {name: _parse_price(entry) for name, entry in models.items()}
        shutdowns = {n: Date.fromisoformat(entry["shutdown"]) for n, entry in models.items() if "shutdown" in entry}
        return PriceTable(str(data.get("date", "an unknown date")), prices, shutdowns, data.get("instead"))
    except OSError as error:
        raise MapsError(
            f"{path} cannot be read ({error.strerror}): give a file of prices such as {PRICES_EXAMPLE}."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MapsError(f"{path} is no table of prices ({error}): write {PRICES_EXAMPLE}.") from error


def _parse_price(entry: Dictionary[str, Any]) -> Price:
    """A model's price; raises ValueError where a number is none or negative."""
    cached = entry.get("cached")
    price = Price(entry["input"], entry["output"], cached, entry.get("batch", 1.0))
    numbers = [price.input, price.output, price.batch_factor, *([] if cached is None else [cached])]
    if not all(isinstance(n, int | float) and not isinstance(n, bool) and 0 <= n < 1e6 for n in numbers):
        raise ValueError("a price is a number from 0 on")
    return price
