"""The command `null`: mappings in which there is no pattern, to find out what describers see by chance."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from maps.atlas.null import NULL_KINDS, RANDOM
from maps.atlas.reader import Atlas
from maps.command_line import Subparsers, print_text, whole_number
from maps.commands.arguments import add_atlas_model_option, progress_bar
from maps.text import pluralize


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "null",
        help="make mappings without a pattern, to see what describers see by chance",
        description="Make an atlas of mappings in which there is no pattern: those of random heads, or those of the "
        "real heads with exchanged targets. Describe and score it as any other; `maps report` then says how many of "
        "the described patterns are expected by chance. The same command again continues a run that was stopped.",
        epilog="example: python -m maps null data/atlases/smollm2 --out data/null/random",
    )
    p.add_argument("atlas", type=Path, help="the atlas's folder")
    p.add_argument("--out", required=True, type=Path, help="the folder of the null atlas")
    p.add_argument(
        "--kind",
        choices=NULL_KINDS,
        default=RANDOM,
        help="random heads, drawn with the mean and deviation of each layer's weights (default), or the sources of "
        "each head with the targets of other heads",
    )
    p.add_argument("--seed", type=whole_number, default=0, help="of the draw (default 0)")
    add_atlas_model_option(p)
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from maps.scoring.null_atlas import write_null_atlas

    bar = partial(progress_bar, doing=f"{arguments.kind} heads")
    null = write_null_atlas(
        Atlas.open(arguments.atlas), arguments.out, arguments.kind, arguments.seed, arguments.model, bar
    )
    heads = pluralize(len(null.head_ids), "head")
    print_text(f"{heads} without a pattern are in {arguments.out}. Describe them as you described the atlas.")
