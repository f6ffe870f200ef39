"""Prices and shutdown dates of models, from a dated table in maps/data or a user's own; what a run will cost."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from datetime import date as Date
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from maps.errors import MapsError
from maps.text import pluralize

DATE_SUFFIX = re.compile(r"-20\d\d-\d\d-\d\d$")  # of a snapshot, as in gpt-4o-2024-11-20
PRICES_EXAMPLE = '{"date": "2026-11-24", "models": {"NAME": {"input": 2.5, "output": 10}}}, dollars per million tokens'
CHARACTERS_PER_TOKEN = 3.3  # measured: describer prompts about the bundled model, with that model's tokenizer
SHUTDOWN_NOTICE_DAYS = 90  # a shutdown is mentioned from this many days before it


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


class ModelRole(NamedTuple):
    """What a model is used for: unit of work, verb, the option that names the model, tokens in a usual reply."""

    unit: str
    verb: str
    option: str
    reply_tokens: int


DESCRIBER_ROLE = ModelRole("head", "describe", "--describer", 200)
SCORER_ROLE = ModelRole("question", "answer", "--scorer", 40)
WRITER_ROLE = ModelRole("description", "predict mappings from", "--scorer", 150)


def cost_estimate_text(
    model: str,
    prompts: Sequence[str],
    max_reply_tokens: int,
    prices: PriceTable,
    today: date,
    *,
    batch: bool = False,
    role: ModelRole = DESCRIBER_ROLE,
) -> str:
    """Units of work, tokens and price as a short paragraph; `max_reply_tokens`: the most tokens in a reply."""
    if not prompts:
        return f"{model} has no {role.unit} left to {role.verb}."
    read = round(sum(map(len, prompts)) / CHARACTERS_PER_TOKEN)
    written = role.reply_tokens * len(prompts)
    lines = [
        f"{pluralize(len(prompts), role.unit)} for {model} to {role.verb}. "
        f"Tokens: about {read:,} to read (estimated at {CHARACTERS_PER_TOKEN} characters a token) "
        f"and {written:,} to write (estimated at {role.reply_tokens} a reply; {max_reply_tokens:,} at most)."
    ]
    price = prices.price_of(model)
    if price is None:
        lines.append(f"No price is known for {model} (give --prices FILE).")
    else:
        usual_cost = price.cost(read, written, batch=batch)
        highest_cost = price.cost(read, max_reply_tokens * len(prompts), batch=batch)
        kind = "Price in a batch" if batch else "Price"
        lines.append(
            f"{kind}: about ${usual_cost:.2f}, or ${highest_cost:.2f} if every reply has the maximum length (prices of "
            f"{prices.date}). A {role.unit} without a usable reply is asked again, which costs more; --max-cost sets a "
            "limit."
        )
    notice = shutdown_notice(model, prices, today, role.option)
    return "\n".join([*lines, notice] if notice else lines)


def current_default(model: str, prices: PriceTable, today: date) -> str:
    """A default model while it lives; from its shutdown on, what the table names instead."""
    day = prices.shutdown_date(model)
    is_dead = day is not None and day <= today
    return prices.replacement_model if is_dead and prices.replacement_model else model


def shutdown_notice(model: str, prices: PriceTable, today: date, option: str = "--describer") -> str | None:
    """A sentence about the model's announced shutdown, if it is near or past."""
    day = prices.shutdown_date(model)
    if day is None or (day - today).days > SHUTDOWN_NOTICE_DAYS:
        return None
    if day < today:
        when = f"was due to be shut down on {day.isoformat()}"
    elif day == today:
        when = "is due to be shut down today"
    else:
        when = f"is due to be shut down on {day.isoformat()}, in {(day - today).days} days"
    other = f", such as {option} {prices.replacement_model}" if prices.replacement_model else f" with {option}"
    return f"{model} {when}: choose another model{other}."
