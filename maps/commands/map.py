"""`map`: every head of a model into an atlas."""

from __future__ import annotations

import argparse
from pathlib import Path

from maps.commands.arguments import Commands, layer_range, positive, share, with_bar
from maps.types import MIN_PAIRS, TAU, MapsError

DTYPES = ("stored", "float32", "bfloat16")


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`map`."""
    p = commands.add_parser(
        "map",
        help="map every head of a model into an atlas",
        description="Map every head of a model into an atlas. A run that was stopped goes on.",
        epilog="example: python -m maps map smollm2 --out data/atlases/smollm2",
    )
    p.add_argument("model", help="a Hub id, a model folder, a .gguf file, or smollm2 (the bundled model)")
    p.add_argument("--out", required=True, type=Path, help="the atlas's folder")
    p.add_argument("--relations", metavar="NAME,…", help="score only these of the predefined relations")
    p.add_argument("--relation", action="append", default=[], metavar="NAME=FILE.json", help="score your own relation")
    p.add_argument("--salient", type=positive, default=30, help="salient tokens a head (default 30)")
    p.add_argument("--targets", type=positive, default=5, help="targets a salient token (default 5)")
    p.add_argument("--k", type=positive, help="targets that count as a hit, for every relation (default: the paper's)")
    p.add_argument("--tau", type=share, default=TAU, help=f"score from which a head implements a relation ({TAU})")
    p.add_argument("--min-pairs", type=positive, default=MIN_PAIRS, help=f"usable pairs a relation needs ({MIN_PAIRS})")
    p.add_argument("--layers", type=layer_range, metavar="0-3", help="map only these layers")
    p.add_argument("--no-first-mlp", action="store_true", help="read E itself instead of the first MLP's output")
    p.add_argument("--final-norm", action="store_true", help="put the final norm's gain on the unembedding's side")
    p.add_argument("--suppressive", action="store_true", help="store the lowest targets of the salient tokens too")
    p.add_argument("--output-space", action="store_true", help="compute each head's output space size (minutes)")
    p.add_argument("--top-scoring", action="store_true", help="compare salient mappings with M's highest (minutes)")
    p.add_argument("--dtype", choices=DTYPES, default="stored", help="precision of E and U in memory (default stored)")
    p.add_argument("--device", default="cpu", help="a torch device (default cpu)")
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Maps a model; returns at once where the atlas is there already."""
    from maps import data

    out: Path = arguments.out
    names = [name.strip() for name in arguments.relations.split(",")] if arguments.relations else []
    own = tuple(data.own(spec) for spec in arguments.relation)
    relations = (data.named(names) if names else () if own else data.predefined()) + own
    if len({relation.name for relation in relations}) < len(relations):
        raise MapsError("Two relations have the same name; give each its own.")
    from maps.settings import Settings, is_finished

    settings = Settings(
        relations,
        salient=arguments.salient,
        targets=arguments.targets,
        k=arguments.k,
        tau=arguments.tau,
        min_pairs=arguments.min_pairs,
        first_mlp=not arguments.no_first_mlp,
        layers=arguments.layers,
        final_norm=arguments.final_norm,
        dtype=arguments.dtype,
        suppressive=arguments.suppressive,
        output_space=arguments.output_space,
        top_scoring=arguments.top_scoring,
    )
    if is_finished(arguments.model, out, settings):
        print(f"The atlas is in {out}; nothing was left to do.")
        return
    from maps.mapper import map_model

    atlas = map_model(arguments.model, out, settings, arguments.device, with_bar)
    print(f"Mapped {len(atlas.ids):,} heads of {atlas.model}: the atlas is in {out}.")
