"""`evaluate`: the paper's experiments."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from maps.commands.arguments import Commands, whole, with_bar
from maps.commands.model import add_model, settings_of
from maps.terminal import said
from maps.types import MapsError, many

if TYPE_CHECKING:
    from maps.experiments.results import Result

PROMPTED = ("correlation", "multi-token")  # experiments whose prompts can be chosen


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`evaluate`."""
    p = commands.add_parser(
        "evaluate",
        help="run an experiment of the paper",
        description="Run an experiment of the paper. correlation: how what heads' weights say correlates with what "
        "they do while the model runs. multi-token: the same for sources of several tokens. causal: what becomes of "
        "a task when the heads of its relation are removed. random: how many random heads, drawn with the mean and "
        "deviation of each layer's own, pass τ beside the trained ones. The folder may be the model's atlas. A run "
        "that was stopped goes on.",
        epilog="example: python -m maps evaluate correlation smollm2 --out data/correlation",
    )
    p.add_argument("experiment", choices=tuple(RUNS), help="what to run")
    add_model(p, "the folder for the results, which may be the model's atlas")
    p.add_argument("--prompts", choices=("paper", "all"), help="the paper's sentence (default), or three more, pooled")
    p.add_argument("--seed", type=whole, default=0, help="seed of what is drawn (default 0)")
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Runs an experiment and says what it found."""
    if arguments.prompts and arguments.experiment not in PROMPTED:
        raise MapsError(f"--prompts is for {' and '.join(PROMPTED)} only.")
    RUNS[arguments.experiment](arguments)


def random(arguments: argparse.Namespace) -> None:
    """The random baseline."""
    from maps.experiments.random_baseline import random_baseline

    settings = settings_of(arguments)
    found = random_baseline(arguments.model, arguments.out, settings, arguments.seed, arguments.device, with_bar)
    at = found.taus.index(settings.tau)
    print(
        f"Of {found.heads:,} heads {found.trained[at]:,} pass τ = {settings.tau:g}, of as many random ones "
        f"{found.random[at]:,}: {arguments.out}/random.csv"
    )
    reported(arguments.out)


def correlation(arguments: argparse.Namespace) -> None:
    """Static scores beside dynamic ones."""
    from maps.experiments.correlation import correlation

    bar = partial(with_bar, doing="running", unit="relation")
    prompts = arguments.prompts or "paper"
    say(correlation(arguments.model, arguments.out, settings_of(arguments), prompts, arguments.device, bar))


def multi_token(arguments: argparse.Namespace) -> None:
    """The same for longer sources."""
    from maps.experiments.multi_token import multi_token

    bar = partial(with_bar, doing="running", unit="relation")
    prompts = arguments.prompts or "paper"
    say(multi_token(arguments.model, arguments.out, settings_of(arguments), prompts, arguments.device, bar))


def causal(arguments: argparse.Namespace) -> None:
    """Heads removed."""
    from maps.experiments.causal import causal

    bar = partial(with_bar, doing="removing heads", unit="task")
    say(causal(arguments.model, arguments.out, settings_of(arguments), arguments.seed, arguments.device, bar))


RUNS: dict[str, Callable[[argparse.Namespace], None]] = {
    "correlation": correlation,
    "causal": causal,
    "multi-token": multi_token,
    "random": random,
}


def say(result: Result) -> None:
    """Says how much was found, what was left out and why, and where it is."""
    for each in result.left_out:
        print(said(f"Left out: {each.relation} ({each.reason})."))
    print(f"{many(len(result.rows), 'relation')} in {result.folder}/{result.experiment}.csv")
    reported(result.folder)


def reported(folder: Path) -> None:
    """Writes the report of what the folder holds, and says where it is."""
    from maps import pictures
    from maps.experiments.reported import report

    print(f"The report is in {report(folder)}.")
    if not pictures.can_draw():
        print("Pictures need vl-convert: `python -m pip install vl-convert-python`, then run this command again.")
