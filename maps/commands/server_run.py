"""What commands that ask a server have in common: which model is asked, at what price, and what a run has cost."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from maps.atlas.reader import Atlas
from maps.command_line import print_text
from maps.describers.failure_reasons import reason_lines, reasons_since
from maps.errors import MapsError, RunFailedError
from maps.llm.budget import Budget
from maps.llm.prices import DESCRIBER_ROLE, ModelRole, PriceTable, cost_estimate_text, current_default, read_prices
from maps.types import Mapping

if TYPE_CHECKING:
    from maps.llm.client import Chat
    from maps.llm.messages import Message

DEFAULT_DESCRIBER = "gpt-4o"


def default_describer(prices: PriceTable) -> str:
    """GPT-4o, as in the paper, until its shutdown; then the price table's replacement, and the command says so."""
    today = datetime.now(UTC).date()
    name = current_default(DEFAULT_DESCRIBER, prices, today)
    if name != DEFAULT_DESCRIBER:
        print_text(f"{DEFAULT_DESCRIBER} is shut down, so {name} is asked, by the price table of {prices.date}.")
    return name


def resolve_model(arguments: argparse.Namespace, option: str, earlier: Iterable[str]) -> PriceTable:
    """The prices for a command; a model of the Hub's Inference Providers gets its provider, address and key.

    `option`: the attribute of `arguments` that names the model. `earlier`: the names of models that have answered; one
    of them goes on with its provider.
    """
    from maps.llm.router import ROUTER_URL, choose_provider, is_routed

    prices, name = read_prices(arguments.prices), getattr(arguments, option)
    if not is_routed(name):
        return prices
    if getattr(arguments, "batch", False):
        raise MapsError("The Hub's Inference Providers have no batches: leave out --batch.")
    url, token = arguments.base_url or ROUTER_URL, arguments.environment.get("HF_TOKEN", "").strip()
    routed = asyncio.run(choose_provider(name, url, token, set(earlier)))
    setattr(arguments, option, routed.name)
    arguments.base_url, arguments.key_name = url, "HF_TOKEN"
    account = {"OPENAI_API_KEY": token, "OPENAI_ORG_ID": "", "OPENAI_PROJECT_ID": ""}
    arguments.environment = {**arguments.environment, **account}
    if routed.price is None:
        return prices
    today = datetime.now(UTC).date().isoformat()
    return replace(prices, prices={**prices.prices, routed.name: routed.price}, date=f"the router, {today}")


def models_in(atlas: Atlas, table: str, column: str) -> set[str]:
    """The models that have answered, by a column of a table."""
    return set(atlas.table(table, [column])[column].to_pylist())


def question_cost(
    chat: Chat, questions: Iterable[Sequence[Message]], max_tokens: int, prices: PriceTable, role: ModelRole
) -> str:
    """What these questions cost, as text, with replies of at most `max_tokens` besides thoughts."""
    from maps.llm.request import ChatRequest

    longest_reply = chat.request_options.max_reply_tokens(ChatRequest([], None, None, max_tokens))
    prompts = [message["content"] for messages in questions for message in messages]
    today = datetime.now(UTC).date()
    return cost_estimate_text(chat.model, prompts, longest_reply, prices, today, role=role)


def description_cost(arguments: argparse.Namespace, todo: Iterable[Sequence[Mapping]], prices: PriceTable) -> str:
    """The expected cost of asking about these lists of mappings, as text."""
    from maps.describers.openai_compatible import description_request
    from maps.llm.error_messages import validate_model_name
    from maps.llm.request import RequestOptions

    name = arguments.describer
    validate_model_name(name)
    options = RequestOptions.for_model(name, arguments.max_tokens)
    questions = [description_request(mappings, arguments.seed) for mappings in todo]
    longest_reply = max(map(options.max_reply_tokens, questions), default=0)
    prompts = [message["content"] for question in questions for message in question.messages]
    today = datetime.now(UTC).date()
    role = DESCRIBER_ROLE._replace(unit="operation") if arguments.operations else DESCRIBER_ROLE
    return cost_estimate_text(name, prompts, longest_reply, prices, today, batch=arguments.batch, role=role)


def check_most_were_described(name: str, folder: Path, described: int, failed: int, things: str) -> None:
    """Raises RunFailedError where a describer failed on more things (`heads` or `operations`) than it described."""
    if failed > described:
        raise RunFailedError(
            f"{name} failed on more {things} than it described; the reasons are in {folder}/failures.parquet. The same "
            f"command again asks about these {things} again."
        )


def print_cost_and_reasons(budget: Budget, folder: Path, table: str, start: datetime, **values: object) -> None:
    """Prints what the run cost, and why questions failed since `start` that are rows of a table with these values."""
    if budget.answer_count or budget.lost_count:
        print_text(budget.cost_summary())
    with suppress(MapsError):  # a damaged table is reported by what ended the run
        if lines := reason_lines(reasons_since(Atlas.open(folder), table, start, **values)):
            print_text("\n".join(lines))
