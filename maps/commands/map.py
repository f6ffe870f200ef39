"""`map`: every head of a model into an atlas."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from maps.command_line import Subparsers, positive_int
from maps.commands.arguments import print_above_bar, progress_bar
from maps.commands.model import add_model_options, settings_from
from maps.errors import MapsError
from maps.text import pluralize

if TYPE_CHECKING:
    from maps.mapping.mapper import MappingEngine

ENGINES = ("process", "ray")


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """`map`."""
    p = commands.add_parser(
        "map",
        help="map every head of a model into an atlas",
        description="Map every head of a model into an atlas. A run that was stopped goes on.",
        epilog="example: python -m maps map smollm2 --out data/atlases/smollm2",
    )
    add_mapping_options(p, "the atlas's folder")
    p.add_argument("--engine", choices=ENGINES, default="process", help="compute in this process, or spread over Ray")
    p.add_argument("--address", help="a Ray cluster's (default: Ray is started on this machine for the run)")
    p.add_argument("--cpus", type=positive_int, help="processors a layer takes on Ray (default: all of a machine's)")
    p.set_defaults(run=run)


def add_mapping_options(p: argparse.ArgumentParser, out: str) -> None:
    """The model, where the atlas goes, and what it depends on."""
    add_model_options(p, out)
    p.add_argument("--salient", type=positive_int, default=30, help="salient tokens a head (default 30)")
    p.add_argument("--targets", type=positive_int, default=5, help="targets a salient token (default 5)")
    p.add_argument("--suppressive", action="store_true", help="store the lowest targets of the salient tokens too")
    p.add_argument("--output-space", action="store_true", help="compute each head's output space size (minutes)")
    p.add_argument("--top-scoring", action="store_true", help="compare salient mappings with M's highest (minutes)")


def run(arguments: argparse.Namespace) -> None:
    """Maps a model; returns at once where the atlas is there already."""
    from maps.mapping.settings import is_mapping_finished

    out: Path = arguments.out
    settings = settings_from(
        arguments,
        salient=arguments.salient,
        targets=arguments.targets,
        suppressive=arguments.suppressive,
        output_space=arguments.output_space,
        top_scoring=arguments.top_scoring,
    )
    check_engine(arguments)
    if is_mapping_finished(arguments.model, out, settings):
        print(f"The atlas is in {out}; nothing was left to do.")
        return
    from maps.mapping.mapper import map_model

    lacking = (out / "atlas.json").exists()  # made before pairs and hits were kept
    engine = make_ray_engine(arguments) if arguments.engine == "ray" else None
    device = "cpu" if engine else arguments.device  # with Ray it is the workers'
    atlas = map_model(arguments.model, out, settings, device, progress_bar, engine)
    if lacking:
        print(f"The atlas in {out} has its pairs and hits now; nothing else was left to do.")
    else:
        print(f"Mapped {pluralize(len(atlas.head_ids), 'head')} of {atlas.model}: the atlas is in {out}.")


def check_engine(arguments: argparse.Namespace) -> None:
    """Raises MapsError for options that do not go together, and where Ray is asked for and missing."""
    if arguments.engine != "ray":
        if arguments.address or arguments.cpus:
            raise MapsError("--address and --cpus are Ray's; add --engine ray.")
        return
    if arguments.device not in ("cpu", "cuda"):
        raise MapsError(f"On Ray a layer takes whatever GPU is free; give --device cuda, not {arguments.device}.")
    if find_spec("ray") is None:
        raise MapsError("Ray is not installed; run `pip install 'ray>=2.60,<3'`, or leave out --engine ray.")


def make_ray_engine(arguments: argparse.Namespace) -> MappingEngine:
    """Ray as an engine. It reports nothing to its makers unless the environment says that it may."""
    arguments.environment.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from maps.mapping.ray_engine import RayEngine

    return RayEngine(arguments.address, arguments.cpus, arguments.device, print_above_bar)
