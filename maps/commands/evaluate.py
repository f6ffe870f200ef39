"""The command `evaluate`: the paper's experiments, and others beyond it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from maps.command_line import Subparsers, positive_int, print_text, whole_number
from maps.commands import weights
from maps.commands.arguments import MISSING_PICTURES_HINT, progress_bar
from maps.commands.model import add_model_options, settings_from
from maps.errors import MapsError
from maps.text import pluralize

if TYPE_CHECKING:
    from maps.experiments.results import Result


class ExperimentCommand(NamedTuple):
    """An experiment: a function that runs it and returns a summary, and the options that it uses."""

    run: Callable[[argparse.Namespace], str]
    accepted_options: tuple[str, ...]


def run_random(arguments: argparse.Namespace) -> str:
    """Compares the model's heads with random ones."""
    from maps.experiments.random_baseline import evaluate_random_baseline

    settings, out = settings_from(arguments), arguments.out
    result = evaluate_random_baseline(arguments.model, out, settings, arguments.seed, arguments.device, progress_bar)
    tau = result.taus.index(settings.tau)
    trained, random = result.trained_counts[tau], result.random_counts[tau]
    return (
        f"τ = {settings.tau:g} is passed by {trained:,} of {result.head_count:,} heads, and by {random:,} of as many "
        f"random ones: {out}/random.csv"
    )


def run_correlation(arguments: argparse.Namespace) -> str:
    """Correlates static with dynamic scores."""
    from maps.experiments.correlation import evaluate_correlation

    return run_prompts(evaluate_correlation, arguments)


def run_multi_token(arguments: argparse.Namespace) -> str:
    """The same for sources of several tokens."""
    from maps.experiments.multi_token import evaluate_multi_token

    return run_prompts(evaluate_multi_token, arguments)


def run_prompts(evaluate: Callable[..., Result], arguments: argparse.Namespace) -> str:
    bar, settings = partial(progress_bar, doing="running", unit="relation"), settings_from(arguments)
    prompts = arguments.prompts or "paper"
    return result_text(evaluate(arguments.model, arguments.out, settings, prompts, arguments.device, bar))


def run_causal(arguments: argparse.Namespace) -> str:
    """Ablates the heads of relations."""
    from maps.experiments.causal import evaluate_causal

    bar, settings = partial(progress_bar, doing="removing heads", unit="task"), settings_from(arguments)
    return result_text(evaluate_causal(arguments.model, arguments.out, settings, arguments.seed, arguments.device, bar))


def result_text(result: Result) -> str:
    """Which relations were left out, and where the results are."""
    lines = [f"Left out: {each.relation} ({each.reason})." for each in result.left_out_relations]
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
    p = commands.add_parser(
        "evaluate",
        help="run an experiment of the paper, or one beyond it",
        description="Run an experiment. From the paper: correlation: how well scores from the weights agree with what "
        "heads do while the model runs. multi-token: the same for sources of several tokens. causal: how the accuracy "
        "of a task changes when the heads of its relation are removed. random: how many random heads, drawn with the "
        "mean and deviation of each layer's weights, pass τ compared with the trained ones. known-heads: how many of "
        "the heads that earlier work found in GPT-2 small and medium, or of your own list, have a matching relation "
        "score. Beyond the paper: directions: each head's OV map split into singular directions, and what the "
        "strongest of them map to what. attention: the queries on which each head acts most, and the keys that they "
        "attend to. biases: what the biases of values and outputs write, and which relations they make or break. The "
        "folder may be the model's atlas. The same command again continues a run that was stopped.",
        epilog="example: python -m maps evaluate correlation smollm2 --out data/correlation",
    )
    p.add_argument("experiment", choices=tuple(EXPERIMENTS), help="the experiment")
    add_model_options(p, "the folder for the results, which may be the model's atlas")
    p.add_argument("--prompts", choices=("paper", "all"), help="the paper's prompt (default), or three more, pooled")
    p.add_argument("--seed", type=whole_number, default=0, help="of random draws (default 0)")
    p.add_argument("--heads", type=weights.head_list, default=(), metavar="L26H2,…", help="only these heads")
    p.add_argument("--directions", type=positive_int, default=5, help="directions shown for each head (default 5)")
    p.add_argument("--known", type=Path, metavar="FILE.json", help="compare these known heads, not the built-in ones")
    p.set_defaults(run=partial(run, {action.dest: action for action in p._actions}))


def run(options: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Runs an experiment and prints its summary; raises MapsError for an option that it does not use."""
    experiment = EXPERIMENTS[arguments.experiment]
    accepted = {"help", "experiment", *COMMON_OPTIONS, *experiment.accepted_options}
    for name, option in options.items():
        if name not in accepted and getattr(arguments, name, None) != option.default:
            raise MapsError(f"evaluate {arguments.experiment} does not use {option.option_strings[-1]}; leave it out.")
    print_text(experiment.run(arguments))
    print_text(write_report(arguments.out))


def write_report(folder: Path) -> str:
    """Writes the report of all results in the folder; returns a sentence that says where it is."""
    from maps.experiments.report.build import write_experiments_report
    from maps.figures import render

    sentence = f"The report is in {write_experiments_report(folder)}."
    return sentence if render.can_draw() else f"{sentence}\n{MISSING_PICTURES_HINT}"
