"""Models of the Hub's Inference Providers: a router on loopback, its prices, and one provider for a whole run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from maps.__main__ import main
from maps.atlas.reader import Atlas
from maps.llm.prices import current_default, read_prices
from tests.chat_server import ChatServer, bad_key_error, good_reply, serve_chat

MODEL = "org/model-8B"
TRIAL = ("--heads", "L0H0,L0H1")


def listed(*providers: dict[str, Any]) -> dict[str, Any]:
    return {"id": MODEL, "object": "model", "created": 1, "owned_by": "org", "providers": list(providers)}


def provider(name: str, price: tuple[float, float] | None, schema: bool = True, **more: Any) -> dict[str, Any]:
    pricing = {} if price is None else {"pricing": {"input": price[0], "output": price[1]}}
    return {"provider": name, "status": "live", "supports_structured_output": schema, **pricing, **more}


PROVIDERS = (
    provider("dear", (2.0, 8.0)),
    provider("cheap", (0.5, 1.0)),
    provider("free-form", (0.1, 0.1), schema=False),
    provider("gone", (0.0, 0.0), status="error"),
)


@pytest.fixture
def router(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    with serve_chat(good_reply) as server:
        server.models = [{"id": "org/other", "object": "model", "created": 1, "owned_by": "o"}, listed(*PROVIDERS)]
        yield server


def describe(folder: Path, router: ChatServer, *options: str, model: str = f"hf:{MODEL}") -> int:
    return main(["describe", str(folder), "--describer", model, "--base-url", router.url, *options])


def describers(folder: Path) -> set[str]:
    return {row["describer"] for row in Atlas.open(folder).descriptions()}


def test_the_cheapest_provider_that_keeps_to_a_schema_is_asked_at_its_price(
    atlas_folder: Path, router: ChatServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert describe(atlas_folder, router, *TRIAL) == 0
    printed = capsys.readouterr().out
    assert f"2 heads for {MODEL}:cheap to describe." in printed
    assert "(prices of the router, 20" in printed
    assert {body["model"] for body in router.request_bodies} == {f"{MODEL}:cheap"}
    assert set(router.request_keys) == {"Bearer hf_secret"}
    rows = Atlas.open(atlas_folder).descriptions()
    assert describers(atlas_folder) == {f"{MODEL}:cheap"}
    assert [row["cost_usd"] for row in rows] == pytest.approx([(700 * 0.5 + 60 * 1.0) / 1e6] * 2)


def test_a_later_run_keeps_the_provider_though_another_is_cheaper_now(atlas_folder: Path, router: ChatServer) -> None:
    assert describe(atlas_folder, router, *TRIAL) == 0
    router.models = [listed(*PROVIDERS, provider("cheaper", (0.1, 0.1)))]
    assert describe(atlas_folder, router) == 0
    assert describers(atlas_folder) == {f"{MODEL}:cheap"}
    assert len(Atlas.open(atlas_folder).descriptions()) == 8


def test_a_named_provider_is_asked_and_a_limit_holds(
    atlas_folder: Path, router: ChatServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert describe(atlas_folder, router, *TRIAL, "--max-cost", "0.0001", model=f"hf:{MODEL}:dear") == 2
    assert "could take the cost over $0.0001" in capsys.readouterr().err
    assert describers(atlas_folder) == set()
    assert describe(atlas_folder, router, *TRIAL, "--dry-run", model=f"hf:{MODEL}:dear") == 0
    assert f"for {MODEL}:dear to describe." in capsys.readouterr().out


def test_a_scorer_may_be_routed_too(atlas_folder: Path, router: ChatServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert describe(atlas_folder, router) == 0
    capsys.readouterr()
    options = ["--scorer", f"hf:{MODEL}", "--base-url", router.url, "--no-random", "--sample", "2"]
    main(["score", str(atlas_folder), *options])
    assert f"for {MODEL}:cheap to answer." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("models", "name", "refusal"),
    [
        ([listed(*PROVIDERS)], "hf:org/unknown", "No provider of the Hub serves org/unknown now; name another model."),
        ([listed()], f"hf:{MODEL}", f"No provider of the Hub serves {MODEL} now"),
        (
            [listed(*PROVIDERS)],
            f"hf:{MODEL}:gone",
            f"gone does not serve {MODEL}; the providers are cheap, dear, free-form.",
        ),
        ([listed({"status": "live"})], f"hf:{MODEL}", "The router's list of models cannot be read"),
        ([listed(provider("a", (-1, 0)))], f"hf:{MODEL}", "The router's list of models cannot be read"),
    ],
)
def test_what_cannot_be_routed_is_said_before_anything_is_asked(
    models: list[Any],
    name: str,
    refusal: str,
    atlas_folder: Path,
    router: ChatServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    router.models = models
    assert describe(atlas_folder, router, model=name) != 0
    assert capsys.readouterr().err.startswith(refusal)
    assert router.request_bodies == []


def test_a_token_is_needed_and_there_are_no_batches(
    atlas_folder: Path, router: ChatServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert describe(atlas_folder, router, "--batch") == 2
    assert capsys.readouterr().err.startswith("The Hub's Inference Providers have no batches: leave out --batch.")
    monkeypatch.delenv("HF_TOKEN")
    assert describe(atlas_folder, router) != 0
    assert capsys.readouterr().err.startswith("The Hub's Inference Providers need a token: set HF_TOKEN")


def test_a_rejected_token_appears_in_no_message(
    atlas_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "sk-secret")
    with serve_chat(bad_key_error) as server:
        server.models = [listed(*PROVIDERS)]
        assert describe(atlas_folder, server) != 0
    assert "sk-secret" not in capsys.readouterr().err


def test_the_default_model_is_replaced_from_the_day_of_its_shutdown_on() -> None:
    prices = read_prices()
    day = prices.shutdown_date("gpt-4o")
    assert day == date(2027, 1, 14)
    assert current_default("gpt-4o", prices, date(2027, 1, 13)) == "gpt-4o"
    assert current_default("gpt-4o", prices, day) == prices.replacement_model != "gpt-4o"
    assert current_default("unlisted", prices, day) == "unlisted"
