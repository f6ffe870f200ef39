"""`describe`: the heads of an atlas in words."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import maps
from maps.budget import Budget
from maps.commands.arguments import Commands, whole
from maps.commands.server import add_server, chat_of
from maps.described import Run, Work, begin_redo, describe_atlas, work_left
from maps.describers import OFFLINE
from maps.forecast import forecast
from maps.prices import Prices, read_prices
from maps.prompts import messages
from maps.types import MapsError

if TYPE_CHECKING:
    from maps.chat import Chat


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`describe`."""
    p = commands.add_parser(
        "describe",
        help="describe the heads of an atlas",
        description="Describe the heads of an atlas. Heads whose current mappings are described are not asked again.",
        epilog="example: python -m maps describe data/atlases/smollm2 --describer offline",
    )
    p.add_argument("atlas", type=Path, help="the atlas's folder")
    p.add_argument("--describer", default="gpt-4o", help="offline, or a model of an OpenAI-compatible server (gpt-4o)")
    add_server(p, "heads asked about")
    p.add_argument("--seed", type=whole, default=0, help="of a head's first question (default 0)")
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
    since = datetime.now(UTC) if arguments.redo else None
    work = work_left(arguments.atlas, arguments.describer, since)
    print(ahead(arguments, work, prices))
    if work.todo:
        head, mappings = work.todo[0]
        print(f"\nThe question about {head}:\n\n{messages(mappings)[0]['content']}")
    return None


def ask(arguments: argparse.Namespace, prices: Prices) -> None:
    """Asks the model of a server, after saying how much there is to ask."""
    from maps.chat.troubles import DESCRIBE_OFFLINE

    name = arguments.describer
    budget = Budget(prices.of(name), arguments.max_cost, arguments.batch)
    chat = chat_of(name, arguments, budget, DESCRIBE_OFFLINE)
    since = begin_redo(arguments.atlas, name) if arguments.redo else None
    work = work_left(arguments.atlas, name, since)
    if work.todo:
        chat.check_key()
    print(ahead(arguments, work, prices), flush=True)
    try:
        done = describe(arguments, chat)
    finally:
        if budget.answers:
            print(budget.sentence(), flush=True)
    report(arguments, done)


def describe(arguments: argparse.Namespace, chat: Chat) -> Run:
    """The run itself, question by question or in batches."""
    from maps.batched import check_no_batch, describe_in_batches, open_batch
    from maps.describers.openai_compatible import OpenAICompatible

    folder, seed, redo = arguments.atlas, arguments.seed, arguments.redo
    if arguments.batch:
        if sent := open_batch(folder, chat.model):
            print(f"The batch sent at {sent.sent_at}, of {len(sent.heads):,} heads, is gone on with.", flush=True)
        return describe_in_batches(folder, chat, seed=seed, redo=redo)
    check_no_batch(folder, chat.model)
    return describe_atlas(folder, OpenAICompatible(chat), arguments.concurrency, seed=seed, redo=redo)


def ahead(arguments: argparse.Namespace, work: Work, prices: Prices) -> str:
    """What is to be asked, with its price."""
    from maps.chat.terms import Terms
    from maps.describers.openai_compatible import question_about

    asked = [question_about(mappings, arguments.seed) for _, mappings in work.todo]
    most = max((Terms.of(arguments.describer, arguments.max_tokens).most(question) for question in asked), default=0)
    prompts = [message["content"] for question in asked for message in question.messages]
    today = datetime.now(UTC).date()
    return forecast(arguments.describer, prompts, most, prices, today, batch=arguments.batch)


def report(arguments: argparse.Namespace, run: Run) -> None:
    """Says what was done and where it is."""
    failed = f" and failed on {run.failed:,} (see failures.parquet)" if run.failed else ""
    print(f"{arguments.describer} described {run.asked:,} heads now{failed}.")
    print(f"It sees a pattern in {run.patterns:,} of {run.heads:,} heads: {arguments.atlas}/descriptions.parquet")
