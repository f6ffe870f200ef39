"""What a run will ask and cost, told before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from maps.llm.prices import Prices
from maps.text import many

CHARACTERS = 3.3  # a token, of the describer's prompts about the bundled model, counted with its own tokenizer
NEAR = 90  # days before a shutdown from which on it is told


class Role(NamedTuple):
    """What a model is asked for: what it gets, what it does with it, by which option it is named, tokens of a reply."""

    thing: str
    does: str
    option: str
    reply: int


DESCRIBER = Role("head", "describe", "--describer", 200)
SCORER = Role("question", "answer", "--scorer", 40)


def forecast(
    model: str,
    prompts: Sequence[str],
    most: int,
    prices: Prices,
    today: date,
    *,
    batch: bool = False,
    role: Role = DESCRIBER,
) -> str:
    """Heads, tokens and price in a short paragraph; `most`: tokens that a reply can have at most."""
    if not prompts:
        return f"{model} has no {role.thing} left to {role.does}."
    read = round(sum(map(len, prompts)) / CHARACTERS)
    written = role.reply * len(prompts)
    lines = [
        f"{many(len(prompts), role.thing)} for {model} to {role.does}. "
        f"Tokens: about {read:,} to read (estimated at {CHARACTERS} characters a token) and {written:,} to write "
        f"(estimated at {role.reply} a reply; {most:,} at most)."
    ]
    price = prices.of(model)
    if price is None:
        lines.append(f"No price is known for {model} (give --prices FILE).")
    else:
        usual = price.cost(read, written, batch=batch)
        dearest = price.cost(read, most * len(prompts), batch=batch)
        how = " in a batch" if batch else ""
        lines.append(
            f"Price{how}: about ${usual:.2f}, or ${dearest:.2f} if every reply is as long as it may be, by the table "
            f"of {prices.date}. A {role.thing} without a usable reply is asked again, which costs more: --max-cost "
            "sets the limit."
        )
    lines += [told] if (told := shutdown(model, prices, today, role.option)) else []
    return "\n".join(lines)


def shutdown(model: str, prices: Prices, today: date, option: str = "--describer") -> str | None:
    """A sentence on the model's announced shutdown where that is near or past."""
    day = prices.shutdown(model)
    if day is None or (day - today).days > NEAR:
        return None
    when = f"in {(day - today).days} days" if day > today else "which is past" if day < today else "today"
    other = f", such as {option} {prices.instead}" if prices.instead else f" with {option}"
    return f"The shutdown of {model} is announced for {day.isoformat()}, {when}: name another model{other}."
