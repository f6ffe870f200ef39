"""The command `map`: maps every head of a model into an atlas."""

from __future__ import annotations

import argparse
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from maps.command_line import Subparsers, positive_int, print_text
from maps.commands.arguments import add_model_options, model_from, progress_bar, reading_from, settings_from
from maps.errors import MapsError, RunFailedError
from maps.llm.notices import print_above_bar
from maps.mapping.reading import AUTO
from maps.text import pluralize

if TYPE_CHECKING:
    from maps.atlas.reader import Atlas
    from maps.mapping.mapper import MappingEngine
    from maps.mapping.settings import MappingSettings

ENGINES = ("process", "ray")


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "map",
        help="map every head of a model into an atlas",
        description="Map every head of a model into an atlas. The same command again continues a run that was stopped.",
        epilog="example: python -m maps map smollm2 --out data/atlases/smollm2",
    )
    add_mapping_options(p, "the atlas's folder")
    p.add_argument("--attention", action="store_true", help="also store what each head looks at (minutes)")
    p.add_argument("--name", help="what the model is called (default: its Hub id, or its folder's or file's name)")
    p.add_argument(
        "--engine", choices=ENGINES, default="process", help="compute in this process (default), or on a Ray cluster"
    )
    p.add_argument("--address", help="the Ray cluster's (default: start Ray on this machine for the run)")
    p.add_argument("--cpus", type=positive_int, help="processors for each layer on Ray (default: all of a machine)")
    p.add_argument("--dry-run", action="store_true", help="say what it takes on this machine, and map nothing")
    p.set_defaults(run=run)


def add_mapping_options(p: argparse.ArgumentParser, out: str) -> None:
    """Declares the model, the folder of the atlas (`out`: its help), and the settings of the mapping."""
    add_model_options(p, out)
    p.add_argument("--salient", type=positive_int, default=30, help="salient tokens for each head (default 30)")
    p.add_argument("--targets", type=positive_int, default=5, help="targets for each salient token (default 5)")
    p.add_argument("--suppressive", action="store_true", help="also store the lowest targets of the salient tokens")
    p.add_argument("--output-space", action="store_true", help="compute each head's output space size (minutes)")
    p.add_argument("--top-scoring", action="store_true", help="compare salient mappings with M's highest (minutes)")


def run(arguments: argparse.Namespace) -> None:
    """Maps a model; returns at once where the atlas is finished."""
    out: Path = arguments.out
    if arguments.dry_run:
        print_plan(arguments)
        return
    resolve_auto_reading(arguments)
    settings = settings_from(
        arguments,
        salient=arguments.salient,
        targets=arguments.targets,
        suppressive=arguments.suppressive,
        output_space=arguments.output_space,
        top_scoring=arguments.top_scoring,
    )
    check_engine(arguments)
    from maps.mapping.mapper import map_model

    engine = make_ray_engine(arguments) if arguments.engine == "ray" else None
    device = "cpu" if engine else arguments.device  # with Ray, --device is that of the workers
    was_finished = (out / "atlas.json").exists()
    atlas = map_model(model_from(arguments), out, settings, device, progress_bar, engine, arguments.name)
    if arguments.attention:
        was_finished = not store_attention(arguments, atlas, settings) and was_finished
    if was_finished:
        print_text(f"The atlas in {out} was already finished.")
        return
    print_text(f"Mapped {pluralize(len(atlas.head_ids), 'head')} of {atlas.model}: the atlas is in {out}.")


def store_attention(arguments: argparse.Namespace, atlas: Atlas, settings: MappingSettings) -> bool:
    """Adds to an atlas what its heads look at; returns False if that was there already."""
    from maps.experiments.atlas_attention import add_attention
    from maps.mapping.mapper import open_model

    model = open_model(model_from(arguments), settings, arguments.device)
    bar = partial(progress_bar, doing="reading attention")
    return add_attention(atlas, model, bar, print_above_bar)


def print_plan(arguments: argparse.Namespace) -> None:
    """Prints what mapping takes; raises RunFailedError where it does not fit on this machine."""
    from maps.experiments.mapping_plan import Machine, misfit, plan_mapping, plan_sentences
    from maps.weights.open import open_checkpoint

    plan = plan_mapping(open_checkpoint(model_from(arguments)), requested_reading(arguments))
    machine = Machine.measure(arguments.out)
    print_text("\n".join(plan_sentences(plan, machine)))
    if problem := misfit(plan, machine):
        raise RunFailedError(problem)


def requested_reading(arguments: argparse.Namespace) -> str:
    """`auto`, or the name of the reading from these options; raises MapsError for one that does not exist."""
    if arguments.reading != AUTO:
        return str(reading_from(arguments))
    if arguments.no_first_mlp or arguments.final_norm:
        raise MapsError("--reading auto chooses the whole reading; leave out --no-first-mlp and --final-norm.")
    return AUTO


def resolve_auto_reading(arguments: argparse.Namespace) -> None:
    """Puts the reading that `auto` stands for, and its calibration, into the arguments."""
    if requested_reading(arguments) != AUTO:
        return
    from maps.commands.calibrate import calibration_bar
    from maps.experiments.auto_reading import choose_reading

    choice = choose_reading(
        model_from(arguments), arguments.out, arguments.calibration, arguments.device, calibration_bar
    )
    arguments.reading, arguments.calibration = str(choice.reading), choice.calibration
    print_above_bar(choice.sentence)


def check_engine(arguments: argparse.Namespace) -> None:
    """Raises MapsError for options that do not go together, and where Ray is needed and not installed."""
    if arguments.engine != "ray":
        if arguments.address or arguments.cpus:
            raise MapsError("--address and --cpus are options of Ray; add --engine ray.")
        return
    if arguments.device not in ("cpu", "cuda"):
        raise MapsError(f"Ray assigns free GPUs to layers by itself; use --device cuda, not {arguments.device}.")
    if find_spec("ray") is None:
        raise MapsError("Ray is not installed; run `pip install 'ray>=2.60,<3'`, or leave out --engine ray.")


def make_ray_engine(arguments: argparse.Namespace) -> MappingEngine:
    """The Ray engine. Ray's usage statistics are off unless the environment turns them on."""
    arguments.environment.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from maps.mapping.ray_engine import RayEngine

    return RayEngine(arguments.address, arguments.cpus, arguments.device, print_above_bar)
