"""`agreement`: how far annotators agree."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from annotation.commands.arguments import Commands
from annotation.counting import counted
from annotation.dataset import read
from annotation.summary import report
from annotation.words import paragraphs
from maps.types import MapsError


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`agreement`."""
    p = commands.add_parser(
        "agreement",
        help="how far annotators agree, from anyone's CSV or Parquet file",
        description=(
            "Says how far annotators agree. FILE needs the columns item (or model, layer, head), annotator, "
            "presence, precision and category."
        ),
        epilog="example: python -m annotation agreement judgments.parquet --json",
    )
    p.add_argument("file", type=Path, metavar="FILE", help="a .csv or .parquet file of judgments")
    p.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")
    p.add_argument("--seed", type=int, default=0, help="seed of the bootstrap, from 0 (default: 0)")
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Prints the report."""
    if options.seed < 0:
        raise MapsError(f"The seed is {options.seed}; it must be 0 or more.")
    found = report(counted(read(options.file)), options.seed)
    if options.json:
        print(json.dumps(found.as_json(), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print("\n\n".join("\n".join(paragraph) for paragraph in paragraphs(found)))
