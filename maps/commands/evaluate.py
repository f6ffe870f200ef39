"""`evaluate`: the paper's experiments, and those that go beyond it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from maps.command_line import Subparsers, positive_int, whole_number
from maps.commands import weights
from maps.commands.arguments import progress_bar
from maps.commands.model import add_model_options, settings_from
from maps.errors import MapsError
from maps.text import escape_for_terminal, pluralize

if TYPE_CHECKING:
    from maps.experiments.results import Result


class ExperimentCommand(NamedTuple):
    """An experiment: the function that runs it and says what it found, and the options that it heeds."""

    run: Callable[[argparse.Namespace], str]
    accepted_options: tuple[str, ...]


def run_random(arguments: argparse.Namespace) -> str:
    """The random baseline."""
    from maps.experiments.random_baseline import evaluate_random_baseline

    settings = settings_from(arguments)
    found = evaluate_random_baseline(
        arguments.model, arguments.out, settings, arguments.seed, arguments.device, progress_bar
    )
    at = found.taus.index(settings.tau)
    return (
        f"Of {found.head_count:,} heads {found.trained_counts[at]:,} pass τ = {settings.tau:g}, of as many random ones "
        f"{found.random_counts[at]:,}: {arguments.out}/random.csv"
    )


def run_correlation(arguments: argparse.Namespace) -> str:
    """Static scores beside dynamic ones."""
    from maps.experiments.correlation import evaluate_correlation

    bar = partial(progress_bar, doing="running", unit="relation")
    prompts = arguments.prompts or "paper"
    return result_text(
        evaluate_correlation(arguments.model, arguments.out, settings_from(arguments), prompts, arguments.device, bar)
    )


def run_multi_token(arguments: argparse.Namespace) -> str:
    """The same for longer sources."""
    from maps.experiments.multi_token import evaluate_multi_token

    bar = partial(progress_bar, doing="running", unit="relation")
    prompts = arguments.prompts or "paper"
    return result_text(
        evaluate_multi_token(arguments.model, arguments.out, settings_from(arguments), prompts, arguments.device, bar)
    )


def run_causal(arguments: argparse.Namespace) -> str:
    """Heads removed."""
    from maps.experiments.causal import evaluate_causal

    bar = partial(progress_bar, doing="removing heads", unit="task")
    return result_text(
        evaluate_causal(arguments.model, arguments.out, settings_from(arguments), arguments.seed, arguments.device, bar)
    )


def result_text(result: Result) -> str:
    """How much was found, what was left out and why, and where it is."""
    lines = [escape_for_terminal(f"Left out: {each.relation} ({each.reason}).") for each in result.left_out_relations]
    return "\n".join([*lines, f"{pluralize(len(result.rows), 'relation')} in {result.folder}/{result.experiment}.csv"])


SCORING_OPTIONS = ("relations", "relation", "k", "tau", "min_pairs")
EXPERIMENTS = {
    "correlation": ExperimentCommand(run_correlation, (*SCORING_OPTIONS, "layers", "prompts")),
    "multi-token": ExperimentCommand(run_multi_token, (*SCORING_OPTIONS, "layers", "prompts")),
    "causal": ExperimentCommand(run_causal, (*SCORING_OPTIONS, "layers", "seed")),
    "random": ExperimentCommand(run_random, (*SCORING_OPTIONS, "layers", "seed")),
    "known-heads": ExperimentCommand(weights.run_known_heads, (*SCORING_OPTIONS, "known")),
    "directions": ExperimentCommand(weights.run_directions, ("layers", "heads", "directions")),
    "attention": ExperimentCommand(weights.run_attention, ("layers", "heads")),
    "biases": ExperimentCommand(weights.run_biases, (*SCORING_OPTIONS, "layers", "heads")),
}
COMMON_OPTIONS = ("model", "out", "no_first_mlp", "final_norm", "dtype", "device")


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """`evaluate`."""
    p = commands.add_parser(
        "evaluate",
        help="run an experiment of the paper, or beyond it",
        description="Run an experiment of the paper. correlation: how what heads' weights say correlates with what "
        "they do while the model runs. multi-token: the same for sources of several tokens. causal: what becomes of "
        "a task when the heads of its relation are removed. random: how many random heads, drawn with the mean and "
        "deviation of each layer's own, pass τ beside the trained ones. known-heads: how many of the heads that "
        "earlier work found in GPT-2 small and medium, or of your own list, their relation scores classify likewise. "
        "Beyond the paper: directions: each head's OV map split into its singular directions, and what the strongest "
        "of them map to what. attention: the queries on which each head acts most, with the keys that they attend "
        "to. biases: what the biases of values and outputs write, and the relations that they make or break. The "
        "folder may be the model's atlas. A run that was stopped goes on.",
        epilog="example: python -m maps evaluate correlation smollm2 --out data/correlation",
    )
    p.add_argument("experiment", choices=tuple(EXPERIMENTS), help="what to run")
    add_model_options(p, "the folder for the results, which may be the model's atlas")
    p.add_argument("--prompts", choices=("paper", "all"), help="the paper's sentence (default), or three more, pooled")
    p.add_argument("--seed", type=whole_number, default=0, help="seed of what is drawn (default 0)")
    p.add_argument("--heads", type=weights.head_list, default=(), metavar="L26H2,…", help="look only at these heads")
    p.add_argument("--directions", type=positive_int, default=5, help="directions of a head that are shown (default 5)")
    p.add_argument("--known", type=Path, metavar="FILE.json", help="compare these known heads, not those that ship")
    p.set_defaults(run=partial(run, {action.dest: action for action in p._actions}))


def run(options: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Runs an experiment and says what it found; raises MapsError where it would not heed an option."""
    experiment = EXPERIMENTS[arguments.experiment]
    for name, option in options.items():
        given = getattr(arguments, name, None)
        if (
            name not in ("help", "experiment", *COMMON_OPTIONS, *experiment.accepted_options)
            and given != option.default
        ):
            raise MapsError(
                f"evaluate {arguments.experiment} does not look at {option.option_strings[-1]}; leave it out."
            )
    print(experiment.run(arguments))
    print(write_report(arguments.out))


def write_report(folder: Path) -> str:
    """Writes the report of what the folder holds, and says where it is."""
    from maps.experiments.report.build import write_experiments_report
    from maps.figures import render

    said = f"The report is in {write_experiments_report(folder)}."
    missing = "Pictures need vl-convert: `python -m pip install vl-convert-python`, then run this command again."
    return said if render.can_draw() else f"{said}\n{missing}"
