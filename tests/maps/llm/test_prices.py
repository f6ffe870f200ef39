"""Prices, what a run may spend, and what is said before it starts."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from pathlib import Path

import pytest

from maps.errors import DescriberError, MapsError
from maps.llm.budget import Budget, token_upper_bound
from maps.llm.cost_estimate import cost_estimate_text
from maps.llm.messages import Message
from maps.llm.prices import Price, PriceTable, read_prices

MESSAGES = [Message(role="user", content="x" * 984)]  # 1,000 tokens at most


def test_the_cost_of_tokens_by_hand() -> None:
    price = Price(2.5, 10, cached_input=1.25, batch_factor=0.5)
    assert price.cost(1000, 100) == pytest.approx(0.0035)
    assert price.cost(1000, 100, cached_tokens=800) == pytest.approx(0.0005 + 0.001 + 0.001)
    assert price.cost(1000, 100, batch=True) == pytest.approx(0.00175)
    assert Price(2.5, 10).cost(1000, 100, cached_tokens=800) == pytest.approx(0.0035)


def test_the_table_that_ships_knows_gpt_4o_its_snapshots_and_its_end() -> None:
    prices = read_prices()
    assert prices.price_of("gpt-4o") == prices.price_of("gpt-4o-2024-11-20") == Price(2.5, 10, 1.25, 0.5)
    assert prices.price_of("gpt-4o-2024-05-13") == Price(5, 15, None, 0.5)
    assert (prices.price_of("llama"), prices.price_of("gpt-4o-audio")) == (None, None)
    assert prices.shutdown_date("gpt-4o-2024-11-20") == date(2027, 1, 14)
    assert prices.replacement_model is not None
    assert (prices.price_of(prices.replacement_model) is not None, prices.shutdown_date(prices.replacement_model)) == (
        True,
        None,
    )
    assert date.fromisoformat(prices.date)


def test_a_users_own_table_takes_the_place_of_the_one_that_ships(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text('{"models": {"mine": {"input": 1, "output": 2}}}')
    prices = read_prices(path)
    assert (prices.price_of("mine"), prices.price_of("gpt-4o"), prices.date) == (Price(1, 2), None, "an unknown date")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"models": 1}',
        '{"models": {"m": {"input": 1}}}',
        '{"models": {"m": {"input": -1, "output": 1}}}',
        '{"models": {"m": {"input": "1", "output": 1}}}',
        '{"models": {"m": {"input": 1, "output": 1, "shutdown": "soon"}}}',
    ],
)
def test_a_table_of_another_form_is_refused_with_the_form(text: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text(text)
    with pytest.raises(MapsError, match=r"is no table of prices \(.*\): write \{\"date\""):
        read_prices(path)
    with pytest.raises(MapsError, match=r"absent\.json cannot be read \(No such file"):
        read_prices(tmp_path / "absent.json")


def test_a_text_has_fewer_tokens_than_the_bound() -> None:
    assert (token_upper_bound("x" * 984), token_upper_bound("é\ud800")) == (1000, 19)


def test_a_budget_waits_for_open_questions_and_stops_before_it_is_exceeded() -> None:
    async def work() -> list[float]:
        budget = Budget(Price(1, 1), cost_limit=0.0035)  # a question costs 0.002 at most and 0.001 in fact
        spent = []

        async def ask() -> None:
            most = budget.max_cost(MESSAGES, 1000)
            await budget.reserve(most)
            await asyncio.sleep(0.01)
            assert budget.record_answer(most, 500, 500) == pytest.approx(0.001)
            budget.release(most)
            spent.append(budget.spent_dollars)

        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(ask())
        with pytest.raises(DescriberError, match=r"dearer than \$0\.0035; \$0\.0020 are spent\. The same command"):
            await ask()
        return spent

    assert asyncio.run(work()) == [pytest.approx(0.001), pytest.approx(0.002)]


def test_what_a_server_does_not_count_is_spent_at_its_most_and_not_claimed() -> None:
    budget = Budget(Price(1, 1))
    assert budget.record_answer(0.002, None, 5) is None
    assert (budget.spent_dollars, budget.answer_count) == (0.002, 1)
    assert budget.cost_summary() == "1 reply, usable or not: 0 tokens read, 5 written; $0.0020."
    free = Budget()
    assert free.record_answer(0.0, 7, 5) is None
    assert free.cost_summary().endswith("7 tokens read, 5 written; the price is not known.")


def test_a_limit_needs_a_price() -> None:
    with pytest.raises(MapsError, match="give --prices FILE"):
        Budget(None, cost_limit=1.0)


def test_a_forecast_by_hand() -> None:
    prices = PriceTable("2026-11-01", {"m": Price(10, 100, batch_factor=0.5)}, {"m": date(2027, 1, 14)}, "n")
    said = cost_estimate_text("m", ["x" * 3300] * 10, 1024, prices, date(2026, 11, 24))
    assert said.splitlines() == [
        "10 heads for m to describe. Tokens: about 10,000 to read (estimated at 3.3 characters a token) and 2,000 to "
        "write (estimated at 200 a reply; 1,024 at most).",
        "Price: about $0.30, or $1.12 if every reply is as long as it may be, by the table of 2026-11-01. A head "
        "without a usable reply is asked again, which costs more: --max-cost sets the limit.",
        "The shutdown of m is announced for 2027-01-14, in 51 days: name another model, such as --describer n.",
    ]
    assert "Price in a batch: about $0.15, or $0.56 if" in cost_estimate_text(
        "m", ["x" * 3300] * 10, 1024, prices, date(2026, 10, 1), batch=True
    )
    assert cost_estimate_text("m", ["x"], 1024, prices, date(2026, 10, 1)).startswith("1 head for m to describe. ")
    assert cost_estimate_text("m", [], 0, prices, date(2026, 10, 1)) == "m has no head left to describe."


@pytest.mark.parametrize(
    ("today", "said"),
    [
        (date(2026, 10, 15), None),  # 91 days before
        (date(2026, 10, 16), "in 90 days"),
        (date(2027, 1, 14), "today"),
        (date(2027, 1, 15), "which is past"),
    ],
)
def test_a_shutdown_is_told_when_it_is_near_or_past(today: date, said: str | None) -> None:
    prices = PriceTable("2026-11-01", {}, {"m": date(2027, 1, 14)})
    lines = cost_estimate_text("m", ["x"], 1024, prices, today).splitlines()
    assert lines[1] == "No price is known for m (give --prices FILE)."
    assert lines[2:] == (
        [f"The shutdown of m is announced for 2027-01-14, {said}: name another model with --describer."] if said else []
    )


def test_nothing_left_to_describe_is_said() -> None:
    assert cost_estimate_text("m", [], 0, read_prices(), date(2026, 11, 24)) == "m has no head left to describe."


def test_every_price_that_ships_is_one() -> None:
    data = json.loads((Path(__file__).parents[3] / "maps" / "data" / "prices.json").read_text(encoding="utf-8"))
    assert all(0 < entry["input"] <= entry["output"] for entry in data["models"].values())
    assert all(entry.get("cached", 0) < entry["input"] for entry in data["models"].values())
