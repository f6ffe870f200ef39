"""`agreement`: how far annotators agree, and what they found."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from annotation.commands.arguments import Commands, add_layers
from annotation.export.files import read
from annotation.report.paper_file import published
from annotation.report.sentences import paragraphs
from annotation.statistics.evidence import correlations
from annotation.statistics.judgments_table import counted
from annotation.statistics.summary import report
from maps.atlas.reader import Atlas
from maps.errors import MapsError


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`agreement`."""
    p = commands.add_parser(
        "agreement",
        help="how far annotators agree, from anyone's CSV or Parquet file",
        description=(
            "Says how far annotators agree, and what they found, beside controls and the paper. FILE needs the columns "
            "item (or model, layer, head), annotator, presence, precision and category."
        ),
        epilog="example: python -m annotation agreement judgments.parquet --atlas data/atlases/smollm2 --json",
    )
    p.add_argument("file", type=Path, metavar="FILE", help="a .csv or .parquet file of judgments")
    p.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")
    p.add_argument("--seed", type=int, default=0, help="seed of the bootstrap, from 0 (default: 0)")
    add_layers(p)
    p.add_argument(
        "--atlas",
        type=Path,
        metavar="FOLDER",
        help="the atlas that was judged: its number of layers, its detection scores and support beside human precision",
    )
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Prints the report."""
    if options.seed < 0:
        raise MapsError(f"The seed is {options.seed}; it must be 0 or more.")
    judgments = counted(read(options.file))
    layers, evidence = dict(options.layers), None
    if options.atlas is not None:
        atlas = Atlas.open(options.atlas)
        layers = {atlas.model: int(atlas.info["layers"])} | layers
        descriptions, scores = (atlas.table(name).to_pandas() for name in ("descriptions", "scores"))
        evidence = correlations(judgments, descriptions, scores, options.seed)
    found = report(judgments, options.seed, layers, evidence)
    if options.json:
        whole = found.as_json() | {"paper": published().as_json()}
        print(json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print("\n\n".join("\n".join(paragraph) for paragraph in paragraphs(found, published())))
