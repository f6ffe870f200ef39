"""`map`: every head of a model into an atlas."""

from __future__ import annotations

import argparse
from pathlib import Path

from maps.commands.arguments import Commands, positive, with_bar
from maps.commands.model import add_model, settings_of
from maps.types import many


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`map`."""
    p = commands.add_parser(
        "map",
        help="map every head of a model into an atlas",
        description="Map every head of a model into an atlas. A run that was stopped goes on.",
        epilog="example: python -m maps map smollm2 --out data/atlases/smollm2",
    )
    add_model(p, "the atlas's folder")
    p.add_argument("--salient", type=positive, default=30, help="salient tokens a head (default 30)")
    p.add_argument("--targets", type=positive, default=5, help="targets a salient token (default 5)")
    p.add_argument("--suppressive", action="store_true", help="store the lowest targets of the salient tokens too")
    p.add_argument("--output-space", action="store_true", help="compute each head's output space size (minutes)")
    p.add_argument("--top-scoring", action="store_true", help="compare salient mappings with M's highest (minutes)")
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Maps a model; returns at once where the atlas is there already."""
    from maps.settings import is_finished

    out: Path = arguments.out
    settings = settings_of(
        arguments,
        salient=arguments.salient,
        targets=arguments.targets,
        suppressive=arguments.suppressive,
        output_space=arguments.output_space,
        top_scoring=arguments.top_scoring,
    )
    if is_finished(arguments.model, out, settings):
        print(f"The atlas is in {out}; nothing was left to do.")
        return
    from maps.mapper import map_model

    lacking = (out / "atlas.json").exists()  # made before pairs and hits were kept
    atlas = map_model(arguments.model, out, settings, arguments.device, with_bar)
    if lacking:
        print(f"The atlas in {out} has its pairs and hits now; nothing else was left to do.")
    else:
        print(f"Mapped {many(len(atlas.ids), 'head')} of {atlas.model}: the atlas is in {out}.")
