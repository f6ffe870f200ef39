"""The command `describe`: describes the heads of an atlas."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maps.atlas.reader import Atlas
from maps.command_line import Subparsers, print_text, whole_number
from maps.commands.arguments import add_choice_options, add_server_options, chat_from, choice_from, model_name
from maps.commands.server_run import (
    check_most_were_described,
    default_describer,
    description_cost,
    models_in,
    print_cost_and_reasons,
    resolve_model,
)
from maps.data import predefined_relations
from maps.describers.describe_atlas import DescribeSummary, DescribeWork, describe_atlas, redo_start, remaining_work
from maps.describers.describer import make_describer
from maps.describers.names import REFERENCE, RESERVED_NAMES
from maps.describers.prompt import description_messages
from maps.errors import MapsError, RunFailedError
from maps.files.lock import lock_folder
from maps.llm.budget import Budget
from maps.llm.prices import PriceTable, read_prices
from maps.text import pluralize

if TYPE_CHECKING:
    from maps.llm.client import Chat


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "describe",
        help="describe the heads of an atlas",
        description="Describe the heads of an atlas. Heads whose current mappings are described are not asked about "
        "again.",
        epilog="example: python -m maps describe data/atlases/smollm2 --describer offline",
    )
    p.add_argument("atlas", type=Path, help="the atlas's folder")
    p.add_argument(
        "--describer",
        type=model_name,
        help="offline (rules), reference (of the bundled model), hf:MODEL (of the Hub's Inference "
        "Providers, with HF_TOKEN), or a model on an OpenAI-compatible server (default gpt-4o); with --from: who "
        "wrote the file",
    )
    add_choice_options(p)
    p.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="FILE",
        help="store descriptions that were written elsewhere: .csv, .tsv or .jsonl with head, input_strings, "
        "observed_pattern, or reply, and optionally describer, reasoning, support, mapping_hash",
    )
    p.add_argument(
        "--to",
        dest="target",
        type=Path,
        metavar="FILE",
        help="write the questions to a file and ask nobody: .jsonl, .csv, or text to copy from",
    )
    add_server_options(p, "heads asked about")
    p.add_argument("--seed", type=whole_number, default=0, help="of the first question about a head (default 0)")
    p.add_argument(
        "--operations",
        action="store_true",
        help="describe single operations of heads that have several: groups of mappings with targets in common",
    )
    p.add_argument("--redo", action="store_true", help="ask again about heads that are described")
    p.add_argument(
        "--dry-run", action="store_true", help="show the number of questions, the cost, and for whole heads one prompt"
    )
    p.add_argument("--batch", action="store_true", help="use the Batch API: cheaper, done within a day")
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Describes the heads, or operations, that are not described yet."""
    if arguments.operations:
        from maps.commands.describe_operations import run_operations

        run_operations(arguments)
        return
    if arguments.source is not None or arguments.target is not None:
        exchange_files(arguments)
        return
    arguments.describer = arguments.describer or default_describer(read_prices(arguments.prices))
    if arguments.describer in RESERVED_NAMES:
        describe_without_server(arguments)
        return
    prices = resolve_model(arguments, "describer", models_in(Atlas.open(arguments.atlas), "descriptions", "describer"))
    if not arguments.dry_run:
        ask_server(arguments, prices)
        return
    work = plan_work(arguments)
    print_text(description_cost(arguments, [mappings for _, mappings in work.todo], prices))
    if work.todo:
        head, mappings = work.todo[0]
        print_text(f"\nThe question about {head}:\n\n{description_messages(mappings)[0]['content']}")


def describe_without_server(arguments: argparse.Namespace) -> None:
    """Describes by rules, or takes the reference descriptions."""
    from maps.describers.reference import known_heads

    name, choice, atlas = arguments.describer, choice_from(arguments), Atlas.open(arguments.atlas)
    if arguments.dry_run or arguments.batch:
        raise MapsError(f"The {name} describer uses no server: leave out --dry-run and --batch.")
    if name == REFERENCE:
        choice = known_heads(atlas, choice)
    describer = make_describer(name, relations=predefined_relations(), reading=atlas.reading)
    print_result(arguments, describe_atlas(arguments.atlas, describer, redo=arguments.redo, choice=choice))


def exchange_files(arguments: argparse.Namespace) -> None:
    """Writes the questions to a file, or stores the descriptions in one."""
    from maps.describers.written import store_written, write_questions

    used = [name for name in ("batch", "dry_run", "redo") if getattr(arguments, name)]
    used += ["from"] if arguments.source and arguments.target else []
    if used:
        option = "--from" if arguments.target is None else "--to"
        raise MapsError(f"{option} asks no model: leave out --{used[0].replace('_', '-')}.")
    if arguments.target is not None:
        count = write_questions(Atlas.open(arguments.atlas), arguments.target, choice_from(arguments))
        print_text(f"The questions about {pluralize(count, 'head')} are in {arguments.target}.")
        return
    if choice_from(arguments).is_restricted:
        raise MapsError("--from stores every row of the file: leave out --heads, --layers and --sample.")
    for describer, summary in store_written(arguments.atlas, arguments.source, arguments.describer).items():
        arguments.describer = describer
        print_result(arguments, summary)


def plan_work(arguments: argparse.Namespace) -> DescribeWork:
    """The heads that the describer has still to describe; writes nothing."""
    from maps.describers.describe_in_batches import is_open_batch_redo

    folder, name = arguments.atlas, arguments.describer
    redo = arguments.redo or (arguments.batch and is_open_batch_redo(folder, name))
    choice = choice_from(arguments)
    return remaining_work(folder, name, redo_start(folder, name, choice) if redo else None, choice)


def ask_server(arguments: argparse.Namespace, prices: PriceTable) -> None:
    """Prints the expected cost, asks the model, prints the actual cost."""
    from maps.describers.describe_in_batches import check_no_open_batch
    from maps.llm.error_messages import DESCRIBE_OFFLINE_ADVICE

    name = arguments.describer
    budget = Budget(prices.price_of(name), arguments.max_cost, arguments.batch)
    chat = chat_from(name, arguments, budget, DESCRIBE_OFFLINE_ADVICE)
    with lock_folder(Atlas.open(arguments.atlas).folder, "describe"):
        if not arguments.batch:
            check_no_open_batch(arguments.atlas, name)
        work, start = plan_work(arguments), datetime.now(UTC)
        if work.todo:
            chat.check_key()
        print_text(description_cost(arguments, [mappings for _, mappings in work.todo], prices))
        try:
            summary = describe_from_server(arguments, chat, work)
        finally:
            print_cost_and_reasons(budget, arguments.atlas, "failures", start, describer=name)
    print_result(arguments, summary)


def describe_from_server(arguments: argparse.Namespace, chat: Chat, work: DescribeWork) -> DescribeSummary:
    from maps.describers.describe_in_batches import describe_in_batches, read_open_batch
    from maps.describers.openai_compatible import OpenAICompatibleDescriber

    folder, choice = arguments.atlas, choice_from(arguments)
    options: dict[str, Any] = {"seed": arguments.seed, "redo": arguments.redo, "choice": choice}
    if not arguments.batch:
        return describe_atlas(folder, OpenAICompatibleDescriber(chat), arguments.concurrency, **options)
    if sent := read_open_batch(folder, chat.model):
        print_text(f"Continuing the batch that was sent at {sent.sent_at}, with {pluralize(len(sent.heads), 'head')}.")
    elif work.todo:
        print_text("One head is asked about first, at the full price, to check the request before the batch is sent.")
    return describe_in_batches(folder, chat, **options)


def print_result(arguments: argparse.Namespace, summary: DescribeSummary) -> None:
    """Prints how many heads were described; raises RunFailedError where more failed."""
    name, folder = arguments.describer, arguments.atlas
    if summary.failed and not summary.asked:
        raise RunFailedError(
            f"{name} described none of {pluralize(summary.failed, 'head')}; the reasons are in "
            f"{folder}/failures.parquet."
        )
    failed = f" and failed on {summary.failed:,} (see failures.parquet)" if summary.failed else ""
    print_text(f"{name} described {pluralize(summary.asked, 'head')} now{failed}.")
    heads = pluralize(summary.heads, "head")
    print_text(f"It sees a pattern in {summary.patterns:,} of {heads} that it described: {folder}/descriptions.parquet")
    check_most_were_described(name, folder, summary.asked, summary.failed, "heads")
