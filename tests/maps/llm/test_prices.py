"""Prices, the cost limit of a run, and the cost estimate."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from pathlib import Path

import pytest

from maps.errors import DescriberError, MapsError
from maps.llm.budget import Budget, token_upper_bound
from maps.llm.messages import Message
from maps.llm.prices import Price, PriceTable, cost_estimate_text, read_prices

MESSAGES = [Message(role="user", content="x" * 984)]  # 1,000 tokens at most


def test_token_costs_match_values_computed_by_hand() -> None:
    price = Price(2.5, 10, cached_input=1.25, batch_factor=0.5)
    assert price.cost(1000, 100) == pytest.approx(0.0035)
    assert price.cost(1000, 100, cached_tokens=800) == pytest.approx(0.0005 + 0.001 + 0.001)
    assert price.cost(1000, 100, batch=True) == pytest.approx(0.00175)
    assert Price(2.5, 10).cost(1000, 100, cached_tokens=800) == pytest.approx(0.0035)


def test_the_shipped_table_has_gpt_4o_its_snapshots_and_its_shutdown() -> None:
    prices = read_prices()
    assert prices.price_of("gpt-4o") == prices.price_of("gpt-4o-2024-11-20") == Price(2.5, 10, 1.25, 0.5)
    assert prices.price_of("gpt-4o-2024-05-13") == Price(5, 15, None, 0.5)
    assert (prices.price_of("llama"), prices.price_of("gpt-4o-audio")) == (None, None)
    assert prices.shutdown_date("gpt-4o-2024-11-20") == date(2027, 1, 14)
    assert prices.replacement_model is not None
    assert prices.price_of(prices.replacement_model) is not None
    assert prices.shutdown_date(prices.replacement_model) is None
    assert date.fromisoformat(prices.date)


def test_a_users_own_table_replaces_the_shipped_one(tmp_path: Path) -> None:
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
def test_an_invalid_table_is_refused_with_an_example(text: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text(text)
    with pytest.raises(MapsError, match=r"is not a valid price table \(.*\): write \{\"date\""):
        read_prices(path)
    with pytest.raises(MapsError, match=r"absent\.json cannot be read \(No such file"):
        read_prices(tmp_path / "absent.json")


def test_the_token_bound_counts_bytes() -> None:
    assert (token_upper_bound("x" * 984), token_upper_bound("é\ud800")) == (1000, 19)


def test_a_budget_waits_for_open_questions_and_stops_before_it_is_exceeded() -> None:
    async def work() -> list[float]:
        budget = Budget(Price(1, 1), cost_limit=0.0035)  # a question costs 0.002 at most and 0.001 in fact
        spent = []

        async def ask() -> None:
            max_cost = budget.max_cost(MESSAGES, 1000)
            await budget.reserve(max_cost)
            await asyncio.sleep(0.01)
            assert budget.record_answer(max_cost, 500, 500) == pytest.approx(0.001)
            budget.release(max_cost)
            spent.append(budget.spent_dollars)

        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(ask())
        with pytest.raises(DescriberError, match=r"over \$0\.0035 \(\$0\.0020 spent\)\. Run the same command"):
            await ask()
        return spent

    assert asyncio.run(work()) == [pytest.approx(0.001), pytest.approx(0.002)]


def test_an_answer_without_token_counts_costs_the_maximum() -> None:
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


def test_a_cost_estimate_matches_one_computed_by_hand() -> None:
    prices = PriceTable("2026-11-01", {"m": Price(10, 100, batch_factor=0.5)}, {"m": date(2027, 1, 14)}, "n")
    text = cost_estimate_text("m", ["x" * 3300] * 10, 1024, prices, date(2026, 11, 24))
    assert text.splitlines() == [
        "10 heads for m to describe. Tokens: about 10,000 to read (estimated at 3.3 characters a token) and 2,000 to "
        "write (estimated at 200 a reply; 1,024 at most).",
        "Price: about $0.30, or $1.12 if every reply has the maximum length (prices of 2026-11-01). A head without a "
        "usable reply is asked again, which costs more; --max-cost sets a limit.",
        "m is due to be shut down on 2027-01-14, in 51 days: choose another model, such as --describer n.",
    ]
    assert "Price in a batch: about $0.15, or $0.56 if" in cost_estimate_text(
        "m", ["x" * 3300] * 10, 1024, prices, date(2026, 10, 1), batch=True
    )
    assert cost_estimate_text("m", ["x"], 1024, prices, date(2026, 10, 1)).startswith("1 head for m to describe. ")
    assert cost_estimate_text("m", [], 0, prices, date(2026, 10, 1)) == "m has no head left to describe."


@pytest.mark.parametrize(
    ("today", "notice"),
    [
        (date(2026, 10, 15), None),  # 91 days before
        (date(2026, 10, 16), "is due to be shut down on 2027-01-14, in 90 days"),
        (date(2027, 1, 14), "is due to be shut down today"),
        (date(2027, 1, 15), "was due to be shut down on 2027-01-14"),
    ],
)
def test_a_shutdown_is_mentioned_when_it_is_near_or_past(today: date, notice: str | None) -> None:
    prices = PriceTable("2026-11-01", {}, {"m": date(2027, 1, 14)})
    lines = cost_estimate_text("m", ["x"], 1024, prices, today).splitlines()
    assert lines[1] == "No price is known for m (give --prices FILE)."
    assert lines[2:] == ([f"m {notice}: choose another model with --describer."] if notice else [])


def test_shipped_prices_are_plausible() -> None:
    data = json.loads((Path(__file__).parents[3] / "maps" / "data" / "prices.json").read_text(encoding="utf-8"))
    assert all(0 < entry["input"] <= entry["output"] for entry in data["models"].values())
    assert all(entry.get("cached", 0) < entry["input"] for entry in data["models"].values())
