"""The command `agreement`: how far annotators agree, and what they found."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from annotation.commands.arguments import TABLE_HELP, add_layers_option
from annotation.export.files import check_suffix, read_judgments_table, write_table
from annotation.report.paper_file import load_paper
from annotation.report.sentences import report_paragraphs
from annotation.statistics.evidence import EvidenceTables, correlate_measures
from annotation.statistics.judgments_table import select_counted_judgments
from annotation.statistics.pairs import tabulate_pairwise_kappas
from annotation.statistics.summary import AgreementReport, summarise_judgments
from maps.atlas.reader import Atlas
from maps.command_line import Subparsers, print_text
from maps.errors import MapsError


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "agreement",
        help="measure how far annotators agree, from any CSV, TSV, JSON or Parquet file",
        description=(
            "Measures how far annotators agree and what they found, compared with controls and with the paper. FILE "
            "needs the columns item (or model, layer, head), annotator, presence, precision and category. Of more than "
            "20 annotators the kappas of all pairs are summarised; --pairs writes them to a file."
        ),
        epilog="example: python -m annotation agreement judgments.parquet --atlas data/atlases/smollm2 --json",
    )
    p.add_argument("file", type=Path, metavar="FILE", help=TABLE_HELP)
    p.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")
    p.add_argument("--seed", type=int, default=0, help="seed of the bootstrap intervals, from 0 (default: 0)")
    pairs_help = "also write Cohen's kappa of every two annotators to this .csv or .parquet file"
    p.add_argument("--pairs", type=Path, metavar="FILE", help=pairs_help)
    add_layers_option(p)
    atlas_help = "the judged atlas: gives the number of layers, and the measures to correlate with human precision"
    p.add_argument("--atlas", type=Path, metavar="FOLDER", help=atlas_help)
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    if options.seed < 0:
        raise MapsError(f"The seed is {options.seed}; it must be 0 or more.")
    if options.pairs is not None:
        check_suffix(options.pairs)
    judgments = select_counted_judgments(read_judgments_table(options.file))
    layers, evidence = dict(options.layers), None
    if options.atlas is not None:
        atlas = Atlas.open(options.atlas).named_by_reading()
        layers = {atlas.model: int(atlas.info["layers"])} | layers
        evidence = correlate_measures(judgments, EvidenceTables.read(atlas.table), options.seed)
    report, paper = summarise_judgments(judgments, options.seed, layers, evidence), load_paper()
    if options.pairs is not None:
        write_table(tabulate_pairwise_kappas(judgments.rows, options.seed), options.pairs)
    if options.json:
        print(json.dumps(report.as_json() | {"paper": paper.as_json()}, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print_text("\n\n".join("\n".join(paragraph) for paragraph in report_paragraphs(report, paper)))
        if options.pairs is None and _has_summarised_pairs(report):
            print_text("\nTo get Cohen's kappa of every pair, name a file to write with --pairs, such as pairs.csv.")


def _has_summarised_pairs(report: AgreementReport) -> bool:
    return any(question.pair_summary is not None for question in report.questions.values())
