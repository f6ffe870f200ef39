"""The options of commands that read a model: its relations, and how its weights are read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maps.command_line import positive_int, share
from maps.commands.arguments import layer_range
from maps.types import DTYPES, MIN_PAIRS, TAU, Relation

if TYPE_CHECKING:
    from maps.mapping.settings import MappingSettings


def add_model_options(p: argparse.ArgumentParser, out: str) -> None:
    """Declares the model, the folder for results (`out`: its help), and the options of relations and weights."""
    p.add_argument("model", help="a Hub id, a model folder, a .gguf file, or smollm2 (the bundled model)")
    p.add_argument("--out", required=True, type=Path, help=out)
    p.add_argument("--relations", metavar="NAME,…", help="score only these predefined relations")
    p.add_argument("--relation", action="append", default=[], metavar="NAME=FILE.json", help="score your own relation")
    p.add_argument(
        "--k", type=positive_int, help="highest targets that count as a hit (default: the paper's k of each relation)"
    )
    p.add_argument("--tau", type=share, default=TAU, help=f"lowest score of a head that implements a relation ({TAU})")
    p.add_argument(
        "--min-pairs", type=positive_int, default=MIN_PAIRS, help=f"usable pairs a relation needs ({MIN_PAIRS})"
    )
    p.add_argument("--layers", type=layer_range, metavar="0-3", help="only these layers")
    add_reading_options(p)


def add_reading_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("--no-first-mlp", action="store_true", help="use E itself instead of the first MLP's output")
    p.add_argument("--final-norm", action="store_true", help="multiply the outputs by the final norm's gain")
    p.add_argument("--dtype", choices=DTYPES, default="stored", help="precision of E and U in memory (default stored)")
    p.add_argument("--device", default="cpu", help="a torch device (default cpu)")


def settings_from(arguments: argparse.Namespace, **further: Any) -> MappingSettings:
    """The settings from these options; `further`: those from options of one command."""
    from maps.mapping.settings import MappingSettings

    return MappingSettings(
        relations_from(arguments),
        k=arguments.k,
        tau=arguments.tau,
        min_pairs=arguments.min_pairs,
        first_mlp=not arguments.no_first_mlp,
        layers=arguments.layers,
        final_norm=arguments.final_norm,
        dtype=arguments.dtype,
        **further,
    )


def relations_from(arguments: argparse.Namespace) -> tuple[Relation, ...]:
    """The chosen relations and the user's own, by default all predefined ones; MapsError where two have one name."""
    from maps import data

    names = [name.strip() for name in arguments.relations.split(",")] if arguments.relations else []
    own = [data.read_own_relation(spec) for spec in arguments.relation]
    return data.resolve_relations([*names, *own] or None)
