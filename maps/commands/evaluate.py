"""`evaluate`: the paper's experiments."""

from __future__ import annotations

import argparse

from maps.commands.arguments import Commands, whole, with_bar
from maps.commands.model import add_model, settings_of


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`evaluate`."""
    p = commands.add_parser(
        "evaluate",
        help="run an experiment of the paper",
        description="Run an experiment of the paper. random: how many random heads, drawn with the mean and deviation "
        "of each layer's own, pass τ beside the trained ones; into an atlas's folder they are kept with it. A run that "
        "was stopped goes on.",
        epilog="example: python -m maps evaluate random smollm2 --out data/random",
    )
    p.add_argument("experiment", choices=("random",), help="random: the random baseline")
    add_model(p, "the folder for the results, which may be the model's atlas")
    p.add_argument("--seed", type=whole, default=0, help="seed of what is drawn (default 0)")
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Runs an experiment and says what it found."""
    from maps.experiments.random_baseline import random_baseline

    settings = settings_of(arguments)
    found = random_baseline(arguments.model, arguments.out, settings, arguments.seed, arguments.device, with_bar)
    at = found.taus.index(settings.tau)
    print(
        f"Of {found.heads:,} heads {found.trained[at]:,} pass τ = {settings.tau:g}, of as many random ones "
        f"{found.random[at]:,}: {arguments.out}/random.csv"
    )
