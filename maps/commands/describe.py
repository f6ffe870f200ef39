"""`describe`: the heads of an atlas in words."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import maps
from maps.atlas.reader import Atlas
from maps.commands.arguments import Commands, model_name, small_seed
from maps.commands.server import add_server, chat_of
from maps.describers.describe_atlas import Run, Work, describe_atlas, redo_since, work_left
from maps.describers.describer import OFFLINE
from maps.describers.prompt import messages
from maps.errors import MapsError, NothingDoneError
from maps.files.lock import locked
from maps.llm.budget import Budget
from maps.llm.cost_estimate import forecast
from maps.llm.prices import Prices, read_prices
from maps.text import many

if TYPE_CHECKING:
    from maps.llm.client import Chat


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`describe`."""
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
    add_server(p, "heads asked about")
    p.add_argument("--seed", type=small_seed, default=0, help="of a head's first question (default 0)")
    p.add_argument("--redo", action="store_true", help="ask again about heads that are described")
    p.add_argument("--dry-run", action="store_true", help="say what would be asked, with one prompt, and ask nothing")
    p.add_argument("--batch", action="store_true", help="ask through the Batch API: cheaper, done within a day")
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Describes the heads of an atlas that are not described yet."""
    if arguments.describer == OFFLINE:
        if arguments.dry_run or arguments.batch:
            raise MapsError("The offline describer asks nobody: leave out --dry-run and --batch.")
        return report(arguments, maps.describe(arguments.atlas, OFFLINE, redo=arguments.redo))
    prices = read_prices(arguments.prices)
    if not arguments.dry_run:
        return ask(arguments, prices)
    work = work_ahead(arguments)
    print(ahead(arguments, work, prices))
    if work.todo:
        head, mappings = work.todo[0]
        print(f"\nThe question about {head}:\n\n{messages(mappings)[0]['content']}")
    return None


def work_ahead(arguments: argparse.Namespace) -> Work:
    """What the describer has still to do; nothing is moved or noted."""
    from maps.describers.describe_in_batches import is_redo

    folder, name = arguments.atlas, arguments.describer
    redo = arguments.redo or (arguments.batch and is_redo(folder, name))
    return work_left(folder, name, redo_since(folder, name) if redo else None)


def ask(arguments: argparse.Namespace, prices: Prices) -> None:
    """Asks the model of a server, after saying how much there is to ask."""
    from maps.describers.describe_in_batches import check_no_batch
    from maps.llm.error_messages import DESCRIBE_OFFLINE

    name = arguments.describer
    budget = Budget(prices.of(name), arguments.max_cost, arguments.batch)
    chat = chat_of(name, arguments, budget, DESCRIBE_OFFLINE)
    with locked(Atlas.open(arguments.atlas).folder, "describe"):
        if not arguments.batch:
            check_no_batch(arguments.atlas, name)
        work = work_ahead(arguments)
        if work.todo:
            chat.check_key()
        print(ahead(arguments, work, prices), flush=True)
        try:
            done = describe(arguments, chat, work)
        finally:
            if budget.answers or budget.lost:
                print(budget.sentence(), flush=True)
    report(arguments, done)


def describe(arguments: argparse.Namespace, chat: Chat, work: Work) -> Run:
    """The run itself, question by question or in batches."""
    from maps.describers.describe_in_batches import describe_in_batches, open_batch
    from maps.describers.openai_compatible import OpenAICompatible

    folder, seed, redo = arguments.atlas, arguments.seed, arguments.redo
    if arguments.batch:
        if sent := open_batch(folder, chat.model):
            print(f"The batch sent at {sent.sent_at}, of {many(len(sent.heads), 'head')}, is gone on with.", flush=True)
        elif work.todo:
            print("One head is asked by itself before a batch, at the full price, to learn what the server takes.")
        return describe_in_batches(folder, chat, seed=seed, redo=redo)
    return describe_atlas(folder, OpenAICompatible(chat), arguments.concurrency, seed=seed, redo=redo)


def ahead(arguments: argparse.Namespace, work: Work, prices: Prices) -> str:
    """What is to be asked, with its price."""
    from maps.describers.openai_compatible import question_about
    from maps.llm.error_messages import checked_name
    from maps.llm.request import Terms

    checked_name(arguments.describer)
    asked = [question_about(mappings, arguments.seed) for _, mappings in work.todo]
    most = max((Terms.of(arguments.describer, arguments.max_tokens).most(question) for question in asked), default=0)
    prompts = [message["content"] for question in asked for message in question.messages]
    today = datetime.now(UTC).date()
    return forecast(arguments.describer, prompts, most, prices, today, batch=arguments.batch)


def report(arguments: argparse.Namespace, run: Run) -> None:
    """Says what was done and where it is; raises NothingDoneError where every head failed."""
    name, folder = arguments.describer, arguments.atlas
    if run.failed and run.failed == run.heads:
        raise NothingDoneError(
            f"{name} described none of {many(run.heads, 'head')}: {folder}/failures.parquet says why."
        )
    failed = f" and failed on {run.failed:,} (see failures.parquet)" if run.failed else ""
    print(f"{name} described {many(run.asked, 'head')} now{failed}.")
    print(f"It sees a pattern in {run.patterns:,} of {many(run.heads, 'head')}: {folder}/descriptions.parquet")
