"""`describe_from_server`: the heads of an atlas in words."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import maps
from maps.atlas.reader import Atlas
from maps.command_line import Subparsers, whole_number
from maps.commands.arguments import model_name
from maps.commands.server import add_server_options, chat_from
from maps.describers.describe_atlas import DescribeSummary, DescribeWork, describe_atlas, redo_start, remaining_work
from maps.describers.describer import OFFLINE
from maps.describers.prompt import description_messages
from maps.errors import MapsError, RunFailedError
from maps.files.lock import lock_folder
from maps.llm.budget import Budget
from maps.llm.cost_estimate import cost_estimate_text
from maps.llm.prices import PriceTable, read_prices
from maps.text import pluralize

if TYPE_CHECKING:
    from maps.llm.client import Chat


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """`describe_from_server`."""
    p = commands.add_parser(
        "describe",
        help="describe the heads of an atlas",
        description="Describe the heads of an atlas. Heads whose current mappings are described are not asked again.",
        epilog="example: python -m maps describe data/atlases/smollm2 --describer offline",
    )
    p.add_argument("atlas", type=Path, help="the atlas's folder")
    p.add_argument(
        "--describer",
        type=model_name,
        default="gpt-4o",
        help="offline, or a model of an OpenAI-compatible server (gpt-4o)",
    )
    add_server_options(p, "heads asked about")
    p.add_argument("--seed", type=whole_number, default=0, help="of a head's first question (default 0)")
    p.add_argument("--redo", action="store_true", help="ask again about heads that are described")
    p.add_argument("--dry-run", action="store_true", help="say what would be asked, with one prompt, and ask nothing")
    p.add_argument("--batch", action="store_true", help="ask through the Batch API: cheaper, done within a day")
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Describes the heads of an atlas that are not described yet."""
    if arguments.describer == OFFLINE:
        if arguments.dry_run or arguments.batch:
            raise MapsError("The offline describer asks nobody: leave out --dry-run and --batch.")
        return print_result(arguments, maps.describe(arguments.atlas, OFFLINE, redo=arguments.redo))
    prices = read_prices(arguments.prices)
    if not arguments.dry_run:
        return ask_server(arguments, prices)
    work = planned_work(arguments)
    print(cost_preview(arguments, work, prices))
    if work.todo:
        head, mappings = work.todo[0]
        print(f"\nThe question about {head}:\n\n{description_messages(mappings)[0]['content']}")
    return None


def planned_work(arguments: argparse.Namespace) -> DescribeWork:
    """What the describer has still to do; nothing is moved or noted."""
    from maps.describers.describe_in_batches import is_open_batch_redo

    folder, name = arguments.atlas, arguments.describer
    redo = arguments.redo or (arguments.batch and is_open_batch_redo(folder, name))
    return remaining_work(folder, name, redo_start(folder, name) if redo else None)


def ask_server(arguments: argparse.Namespace, prices: PriceTable) -> None:
    """Asks the model of a server, after saying how much there is to ask."""
    from maps.describers.describe_in_batches import check_no_open_batch
    from maps.llm.error_messages import DESCRIBE_OFFLINE_ADVICE

    name = arguments.describer
    budget = Budget(prices.price_of(name), arguments.max_cost, arguments.batch)
    chat = chat_from(name, arguments, budget, DESCRIBE_OFFLINE_ADVICE)
    with lock_folder(Atlas.open(arguments.atlas).folder, "describe"):
        if not arguments.batch:
            check_no_open_batch(arguments.atlas, name)
        work = planned_work(arguments)
        if work.todo:
            chat.check_key()
        print(cost_preview(arguments, work, prices), flush=True)
        try:
            done = describe_from_server(arguments, chat, work)
        finally:
            if budget.answer_count or budget.lost_count:
                print(budget.cost_summary(), flush=True)
    print_result(arguments, done)


def describe_from_server(arguments: argparse.Namespace, chat: Chat, work: DescribeWork) -> DescribeSummary:
    """The run itself, question by question or in batches."""
    from maps.describers.describe_in_batches import describe_in_batches, read_open_batch
    from maps.describers.openai_compatible import OpenAICompatibleDescriber

    folder, seed, redo = arguments.atlas, arguments.seed, arguments.redo
    if arguments.batch:
        if sent := read_open_batch(folder, chat.model):
            print(
                f"The batch sent at {sent.sent_at}, of {pluralize(len(sent.heads), 'head')}, is gone on with.",
                flush=True,
            )
        elif work.todo:
            print("One head is asked by itself before a batch, at the full price, to learn what the server takes.")
        return describe_in_batches(folder, chat, seed=seed, redo=redo)
    return describe_atlas(folder, OpenAICompatibleDescriber(chat), arguments.concurrency, seed=seed, redo=redo)


def cost_preview(arguments: argparse.Namespace, work: DescribeWork, prices: PriceTable) -> str:
    """What is to be asked, with its price."""
    from maps.describers.openai_compatible import description_request
    from maps.llm.error_messages import validate_model_name
    from maps.llm.request import RequestOptions

    validate_model_name(arguments.describer)
    asked = [description_request(mappings, arguments.seed) for _, mappings in work.todo]
    most = max(
        (
            RequestOptions.for_model(arguments.describer, arguments.max_tokens).max_reply_tokens(question)
            for question in asked
        ),
        default=0,
    )
    prompts = [message["content"] for question in asked for message in question.messages]
    today = datetime.now(UTC).date()
    return cost_estimate_text(arguments.describer, prompts, most, prices, today, batch=arguments.batch)


def print_result(arguments: argparse.Namespace, run: DescribeSummary) -> None:
    """Says what was done and where it is; raises NothingDoneError where every head failed."""
    name, folder = arguments.describer, arguments.atlas
    if run.failed and run.failed == run.heads:
        raise RunFailedError(
            f"{name} described none of {pluralize(run.heads, 'head')}: {folder}/failures.parquet says why."
        )
    failed = f" and failed on {run.failed:,} (see failures.parquet)" if run.failed else ""
    print(f"{name} described {pluralize(run.asked, 'head')} now{failed}.")
    print(f"It sees a pattern in {run.patterns:,} of {pluralize(run.heads, 'head')}: {folder}/descriptions.parquet")
