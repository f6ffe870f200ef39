"""`evaluate`: the paper's experiments, and those that go beyond it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from maps.commands import weights
from maps.commands.arguments import Commands, positive, whole, with_bar
from maps.commands.model import add_model, settings_of
from maps.types import MapsError


class Experiment(NamedTuple):
    """An experiment: what it is, the function that runs it and says what it found, and the options that it heeds."""

    about: str
    run: Callable[[argparse.Namespace], str]
    heeds: tuple[str, ...]


def random(arguments: argparse.Namespace) -> str:
    """The random baseline."""
    from maps.experiments.random_baseline import random_baseline

    settings = settings_of(arguments)
    found = random_baseline(arguments.model, arguments.out, settings, arguments.seed, arguments.device, with_bar)
    at = found.taus.index(settings.tau)
    return (
        f"Of {found.heads:,} heads {found.trained[at]:,} pass τ = {settings.tau:g}, of as many random ones "
        f"{found.random[at]:,}: {arguments.out}/random.csv"
    )


SCORING = ("relations", "relation", "k", "tau", "min_pairs")
EXPERIMENTS = {
    "random": Experiment("the random baseline", random, (*SCORING, "layers", "seed")),
    "known-heads": Experiment("heads that earlier work found", weights.known_heads, (*SCORING, "known")),
    "directions": Experiment("several operations a head", weights.directions, ("layers", "heads", "directions")),
    "attention": Experiment("which sources attend to which", weights.attention, ("layers", "heads")),
    "biases": Experiment("what biases change", weights.biases, (*SCORING, "layers", "heads")),
}
OF_ALL = ("model", "out", "no_first_mlp", "final_norm", "dtype", "device")


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`evaluate`."""
    p = commands.add_parser(
        "evaluate",
        help="run an experiment of the paper, or beyond it",
        description="Run an experiment of the paper. random: how many random heads, drawn with the mean and deviation "
        "of each layer's own, pass τ beside the trained ones; into an atlas's folder they are kept with it. "
        "known-heads: how many of the heads that earlier work found in GPT-2 small and medium, or of your own list, "
        "their relation scores classify likewise. Beyond the paper: directions: each head's OV map split into its "
        "singular directions, and what the strongest of them map to what. attention: the queries on which each "
        "head acts most, with the keys that they attend to. biases: what the biases of values and "
        "outputs write, and the relations that they make or break. A run that was stopped goes on.",
        epilog="example: python -m maps evaluate random smollm2 --out data/random",
    )
    about = "; ".join(f"{name}: {each.about}" for name, each in EXPERIMENTS.items())
    p.add_argument("experiment", choices=tuple(EXPERIMENTS), help=about)
    add_model(p, "the folder for the results, which may be the model's atlas")
    p.add_argument("--seed", type=whole, default=0, help="seed of what is drawn (default 0)")
    p.add_argument("--heads", type=weights.head_list, default=(), metavar="L26H2,…", help="look only at these heads")
    p.add_argument("--directions", type=positive, default=5, help="directions of a head that are shown (default 5)")
    p.add_argument("--known", type=Path, metavar="FILE.json", help="compare these known heads, not those that ship")
    p.set_defaults(run=partial(run, {action.dest: action for action in p._actions}))


def run(options: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Runs an experiment and says what it found; raises MapsError where it would not heed an option."""
    experiment = EXPERIMENTS[arguments.experiment]
    for name, option in options.items():
        given = getattr(arguments, name, None)
        if name not in ("help", "experiment", *OF_ALL, *experiment.heeds) and given != option.default:
            raise MapsError(
                f"evaluate {arguments.experiment} does not look at {option.option_strings[-1]}; leave it out."
            )
    print(experiment.run(arguments))
