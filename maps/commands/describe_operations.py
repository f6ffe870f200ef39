"""`describe --operations`: describes the operations of heads that have several."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from maps.atlas.reader import Atlas
from maps.command_line import print_text
from maps.commands.arguments import chat_from, choice_from, progress_bar
from maps.commands.server_run import (
    check_most_were_described,
    default_describer,
    description_cost,
    models_in,
    print_cost_and_reasons,
    resolve_model,
)
from maps.data import predefined_relations
from maps.describers.describe_operations import (
    OperationSummary,
    OperationWork,
    ask_about_operations,
    describe_operations,
    plan_operations,
)
from maps.describers.names import OFFLINE, REFERENCE
from maps.describers.offline.describer import OfflineDescriber
from maps.describers.openai_compatible import OpenAICompatibleDescriber
from maps.errors import MapsError
from maps.files.lock import lock_folder
from maps.llm.budget import Budget
from maps.llm.prices import PriceTable, read_prices
from maps.text import pluralize

WHOLE_HEADS_ONLY = {"batch": "--batch", "source": "--from", "target": "--to"}  # attribute and name of an option
GROUPING = partial(progress_bar, doing="grouping mappings", unit="head")


def run_operations(arguments: argparse.Namespace) -> None:
    """Describes every operation of the chosen heads that is not described yet."""
    if used := [option for name, option in WHOLE_HEADS_ONLY.items() if getattr(arguments, name)]:
        raise MapsError(f"{used[0]} is for whole heads: leave out --operations.")
    arguments.describer = arguments.describer or default_describer(read_prices(arguments.prices))
    if arguments.describer == REFERENCE:
        raise MapsError("The reference describes whole heads only; name another describer.")
    if arguments.describer == OFFLINE:
        describe_offline(arguments)
        return
    prices = resolve_model(arguments, "describer", models_in(Atlas.open(arguments.atlas), "patterns", "describer"))
    ask_server(arguments, prices)


def describe_offline(arguments: argparse.Namespace) -> None:
    if arguments.dry_run:
        raise MapsError("The offline describer uses no server: leave out --dry-run.")
    describer, choice = OfflineDescriber(predefined_relations(), is_of_group=True), choice_from(arguments)
    work, summary = describe_operations(
        arguments.atlas, describer, redo=arguments.redo, choice=choice, progress=GROUPING
    )
    print_result(arguments, work, summary)


def ask_server(arguments: argparse.Namespace, prices: PriceTable) -> None:
    """Prints the expected cost, asks the model, prints the actual cost."""
    from maps.llm.error_messages import DESCRIBE_OFFLINE_ADVICE

    name, folder = arguments.describer, arguments.atlas
    atlas, choice = Atlas.open(folder), choice_from(arguments)
    if arguments.dry_run:
        work = plan_operations(atlas, name, choice, arguments.redo, GROUPING)
        print_text(description_cost(arguments, [mappings for _, mappings in work.todo], prices))
        return
    budget = Budget(prices.price_of(name), arguments.max_cost)
    chat, start = chat_from(name, arguments, budget, DESCRIBE_OFFLINE_ADVICE), datetime.now(UTC)
    with lock_folder(folder, "describe"):
        work = plan_operations(atlas, name, choice, arguments.redo, GROUPING)
        if work.todo:
            chat.check_key()
        print_text(description_cost(arguments, [mappings for _, mappings in work.todo], prices))
        try:
            summary = ask_about_operations(work, OpenAICompatibleDescriber(chat), arguments.concurrency, arguments.seed)
        finally:
            print_cost_and_reasons(budget, Path(folder), "failures", start, describer=name)
    print_result(arguments, work, summary)


def print_result(arguments: argparse.Namespace, work: OperationWork, summary: OperationSummary) -> None:
    """Prints what was found and described; raises RunFailedError where more operations failed."""
    name, folder = arguments.describer, arguments.atlas
    print_text(f"Heads with several operations: {work.heads:,}, with {len(work.operations):,} operations in all.")
    failed = f" and failed on {summary.failed:,} (see failures.parquet)" if summary.failed else ""
    seen = f"; it sees a pattern in {summary.patterns:,} of them" if summary.described else ""
    described = pluralize(summary.described, "operation")
    print_text(f"{name} described {described} now{failed}{seen}: {folder}/patterns.parquet")
    check_most_were_described(name, folder, summary.described, summary.failed, "operations")
