"""What a run will ask and cost, told before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from maps.llm.prices import PriceTable
from maps.text import pluralize

CHARACTERS_PER_TOKEN = (
    3.3  # a token, of the describer's prompts about the bundled model, counted with its own tokenizer
)
SHUTDOWN_NOTICE_DAYS = 90  # days before a shutdown from which on it is told


class ModelRole(NamedTuple):
    """What a model is asked for: what it gets, what it does with it, by which option it is named, tokens of a reply."""

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
    """Heads, tokens and price in a short paragraph; `max_reply_tokens`: tokens that a reply can have at most."""
    if not prompts:
        return f"{model} has no {role.unit} left to {role.verb}."
    read = round(sum(map(len, prompts)) / CHARACTERS_PER_TOKEN)
    written = role.reply_tokens * len(prompts)
    lines = [
        f"{pluralize(len(prompts), role.unit)} for {model} to {role.verb}. "
        f"Tokens: about {read:,} to read (estimated at {CHARACTERS_PER_TOKEN} characters a token) and {written:,} to write "
        f"(estimated at {role.reply_tokens} a reply; {max_reply_tokens:,} at most)."
    ]
    price = prices.price_of(model)
    if price is None:
        lines.append(f"No price is known for {model} (give --prices FILE).")
    else:
        usual = price.cost(read, written, batch=batch)
        dearest = price.cost(read, max_reply_tokens * len(prompts), batch=batch)
        how = " in a batch" if batch else ""
        lines.append(
            f"Price{how}: about ${usual:.2f}, or ${dearest:.2f} if every reply is as long as it may be, by the table "
            f"of {prices.date}. A {role.unit} without a usable reply is asked again, which costs more: --max-cost "
            "sets the limit."
        )
    lines += [told] if (told := shutdown_notice(model, prices, today, role.option)) else []
    return "\n".join(lines)


def shutdown_notice(model: str, prices: PriceTable, today: date, option: str = "--describer") -> str | None:
    """A sentence on the model's announced shutdown where that is near or past."""
    day = prices.shutdown_date(model)
    if day is None or (day - today).days > SHUTDOWN_NOTICE_DAYS:
        return None
    when = f"in {(day - today).days} days" if day > today else "which is past" if day < today else "today"
    other = f", such as {option} {prices.replacement_model}" if prices.replacement_model else f" with {option}"
    return f"The shutdown of {model} is announced for {day.isoformat()}, {when}: name another model{other}."
