"""The command `labels`: one label for each item and question."""

from __future__ import annotations

import argparse
from pathlib import Path

from annotation.commands.arguments import TABLE_HELP
from annotation.errors import DawidSkeneError
from annotation.export.files import check_suffix, read_judgments_table, write_table
from annotation.report.sections import dawid_skene_sentence, label_sentences
from annotation.statistics.dawid_skene import estimate_labels
from annotation.statistics.judgments_table import CountedJudgments, select_counted_judgments
from annotation.statistics.labels import compute_labels, count_labels
from maps.command_line import Subparsers, print_text
from maps.errors import MapsError


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "labels",
        help="write one label for each item and question",
        description=(
            "Writes one row for each item and question: the majority of the answers (or that they tie), the "
            "organiser's decision if there is one, and the most probable label of Dawid and Skene's model, which needs "
            "crowd-kit (pip install crowd-kit==1.4.2)."
        ),
        epilog="example: python -m annotation labels judgments.csv --out labels.csv",
    )
    p.add_argument("file", type=Path, metavar="FILE", help=TABLE_HELP)
    p.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .csv or .parquet file to write")
    p.add_argument("--majority-only", action="store_true", help="leave out the labels of Dawid and Skene's model")
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    check_suffix(options.out)
    judgments = select_counted_judgments(read_judgments_table(options.file))
    table = compute_labels(judgments, None if options.majority_only else estimates(judgments))
    write_table(table, options.out)
    for sentence in label_sentences(count_labels(table)):
        print_text(sentence)
    if not options.majority_only:
        print_text(dawid_skene_sentence(table))
    print_text(f"{options.out}: {len(table):,} labels")


def estimates(judgments: CountedJudgments) -> dict[str, dict[str, tuple[str | None, float]]]:
    """The labels of Dawid and Skene's model; raises MapsError where there are none, with what to do."""
    try:
        return estimate_labels(judgments)
    except DawidSkeneError as error:
        raise MapsError(f"{error} To do without the model, add --majority-only.") from error
