"""An estimate of what a run will cost, shown before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from maps.llm.prices import PriceTable
from maps.text import pluralize

CHARACTERS_PER_TOKEN = 3.3  # measured: describer prompts about the bundled model, with that model's tokenizer
SHUTDOWN_NOTICE_DAYS = 90  # a shutdown is mentioned from this many days before it


class ModelRole(NamedTuple):
    """What a model is used for: unit of work, verb, the option that names the model, tokens in a usual reply."""

    unit: str
    verb: str
    option: str
    reply_tokens: int


DESCRIBER_ROLE = ModelRole("head", "describe", "--describer", 200)
SCORER_ROLE = ModelRole("question", "answer", "--scorer", 40)


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
