"""The command `evaluate`: the paper's experiments, and others beyond it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maps.command_line import Subparsers, positive_int, print_text, whole_number
from maps.commands.arguments import (
    MISSING_PICTURES_HINT,
    add_model_options,
    calibration_from,
    head_list,
    model_from,
    progress_bar,
    settings_from,
)
from maps.errors import MapsError
from maps.text import pluralize

if TYPE_CHECKING:
    from maps.atlas.schema import Row
    from maps.experiments.results import ExperimentRun, Result


def experiment_run(arguments: argparse.Namespace, doing: str, unit: str = "layer") -> ExperimentRun:
    from maps.experiments.results import ExperimentRun

    bar, settings = partial(progress_bar, doing=doing, unit=unit), settings_from(arguments)
    return ExperimentRun(model_from(arguments), arguments.out, settings, arguments.device, bar)


def run_random(arguments: argparse.Namespace) -> str:
    """Compares the model's heads with random ones."""
    from maps.experiments.random_baseline import evaluate_random_baseline

    run = experiment_run(arguments, "mapping")
    result = evaluate_random_baseline(run, arguments.seed)
    tau = result.taus.index(run.settings.tau)
    trained, random = result.trained_counts[tau], result.random_counts[tau]
    return (
        f"τ = {run.settings.tau:g} is passed by {trained:,} of {result.head_count:,} heads, and by {random:,} of as "
        f"many random ones: {run.out}/random.csv"
    )


def run_correlation(arguments: argparse.Namespace) -> str:
    """Correlates static with dynamic scores."""
    from maps.experiments.correlation import evaluate_correlation

    run = experiment_run(arguments, "running", "relation")
    return result_text(evaluate_correlation(run, arguments.prompts or "paper"))


def run_multi_token(arguments: argparse.Namespace) -> str:
    """The same for sources of several tokens."""
    from maps.experiments.correlation import evaluate_multi_token

    run = experiment_run(arguments, "running", "relation")
    return result_text(evaluate_multi_token(run, arguments.prompts or "paper"))


def run_causal(arguments: argparse.Namespace) -> str:
    """Ablates the heads of relations."""
    from maps.experiments.causal import evaluate_causal

    return result_text(evaluate_causal(experiment_run(arguments, "removing heads", "task"), arguments.seed))


def result_text(result: Result) -> str:
    """Which relations were left out, and where the results are."""
    lines = [f"Left out: {each.relation} ({each.reason})." for each in result.left_out_relations]
    return "\n".join([*lines, f"{pluralize(len(result.rows), 'relation')} in {result.folder}/{result.experiment}.csv"])


def run_directions(arguments: argparse.Namespace) -> str:
    """Splits heads into their singular directions."""
    from maps.experiments.directions import MIN_OPERATION_TOKENS, evaluate_directions

    run = experiment_run(arguments, "splitting")
    rows = evaluate_directions(run, arguments.heads, arguments.directions).tables["direction_heads"]
    several = sum(row["operations"] > 1 for row in rows)
    return (
        f"{several:,} of {len(rows):,} heads have {MIN_OPERATION_TOKENS} or more of their salient mappings at each of "
        f"two ends of directions: {run.out}/directions.csv and direction_heads.csv"
    )


def run_known_heads(arguments: argparse.Namespace) -> str:
    """Compares known heads with their relation scores."""
    from maps.experiments.known_heads import evaluate_known_heads

    run = experiment_run(arguments, "scoring")
    groups = evaluate_known_heads(run, arguments.known).tables["known_groups"]
    lines = [group_text(row, run.settings.tau) for row in groups]
    return "\n".join([*lines, f"{run.out}/known_heads.csv and known_groups.csv"])


def group_text(row: Row, tau: float) -> str:
    """How many heads of a group their relation score classifies in the same way."""
    relation = f"{row['relation']} ({row['side']})"
    if row["likewise"] is None:
        return f"{row['group']}: not compared, because too few pairs of {relation} are usable"
    paper = "" if row["published"] is None else f" (in the paper: {row['published']})"
    passed = f"{row['likewise']} of {row['heads']} pass τ = {tau:g} on {relation}{paper}"
    return f"{row['group']}: {passed}; so do {row['further']} other heads of the model"


def run_biases(arguments: argparse.Namespace) -> str:
    """Compares heads with and without their value bias."""
    from maps.experiments.biases import evaluate_biases

    result = evaluate_biases(experiment_run(arguments, "comparing"), arguments.heads)
    rows = [row for row in result.tables["biases"] if row["head"] is not None]
    changed = sum(bool(row["gained"] or row["lost"]) for row in rows)
    return f"The value bias changes the relations of {changed:,} of {len(rows):,} heads: {arguments.out}/biases.csv"


def run_attention(arguments: argparse.Namespace) -> str:
    """Finds the keys that each head's queries attend to."""
    from maps.experiments.attention import KEYS_PER_QUERY, SELF_ATTENTION_SHARE, evaluate_attention

    run = experiment_run(arguments, "reading")
    if run.settings.reading.final_norm or run.settings.reading.target_map:
        raise MapsError("evaluate attention reads no targets; leave out +final-norm and +target-map.")
    rows = evaluate_attention(run, arguments.heads).tables["attention_heads"]
    count = sum(row["own_share"] >= SELF_ATTENTION_SHARE for row in rows)
    return (
        f"In {count:,} of {len(rows):,} heads, {SELF_ATTENTION_SHARE:.0%} or more of the tokens have themselves among "
        f"their {KEYS_PER_QUERY} keys: {run.out}/attention.csv and attention_heads.csv"
    )


def run_readings(arguments: argparse.Namespace) -> str:
    """Judges readings by what heads really write."""
    from maps.commands.calibrate import calibration_bar
    from maps.experiments.readings import evaluate_readings, read_recommendation, readings_text

    if arguments.reading or arguments.no_first_mlp or arguments.final_norm:
        raise MapsError("evaluate readings judges all readings; leave out --reading, --no-first-mlp and --final-norm.")
    calibration, arguments.calibration = calibration_from(arguments), None
    run = experiment_run(arguments, "judging")
    result = evaluate_readings(run, calibration, calibration_bar)
    lines = readings_text(result.tables["readings"])
    return "\n".join(
        [*lines, f"Recommended: {read_recommendation(run.out)}", f"{run.out}/readings.csv and target_sides.csv"]
    )


SCORING_OPTIONS = ("relations", "relation", "k", "tau", "min_pairs")
# By name: the function that runs the experiment and returns a summary, and the options that it uses.
EXPERIMENTS: dict[str, tuple[Callable[[argparse.Namespace], str], tuple[str, ...]]] = {
    "correlation": (run_correlation, (*SCORING_OPTIONS, "layers", "prompts")),
    "multi-token": (run_multi_token, (*SCORING_OPTIONS, "layers", "prompts")),
    "causal": (run_causal, (*SCORING_OPTIONS, "layers", "seed")),
    "random": (run_random, (*SCORING_OPTIONS, "layers", "seed")),
    "known-heads": (run_known_heads, (*SCORING_OPTIONS, "known")),
    "directions": (run_directions, ("layers", "heads", "directions")),
    "attention": (run_attention, ("layers", "heads")),
    "readings": (run_readings, ("layers",)),
    "biases": (run_biases, (*SCORING_OPTIONS, "layers", "heads")),
}
COMMON_OPTIONS = ("model", "out", "reading", "calibration", "no_first_mlp", "final_norm", "dtype", "device")


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
        "attend to. readings: how well each way to read heads predicts what they really write in the running model, "
        "with a recommendation. biases: what the biases of values and outputs write, and which relations they make or "
        "break. The folder may be the model's atlas. The same command again continues a run that was stopped.",
        epilog="example: python -m maps evaluate correlation smollm2 --out data/correlation",
    )
    p.add_argument("experiment", choices=tuple(EXPERIMENTS), help="the experiment")
    add_model_options(p, "the folder for the results, which may be the model's atlas")
    p.add_argument("--prompts", choices=("paper", "all"), help="the paper's prompt (default), or three more, pooled")
    p.add_argument("--seed", type=whole_number, default=0, help="of random draws (default 0)")
    p.add_argument("--heads", type=head_list, default=(), metavar="L26H2,…", help="only these heads")
    p.add_argument("--directions", type=positive_int, default=5, help="directions shown for each head (default 5)")
    p.add_argument("--known", type=Path, metavar="FILE.json", help="compare these known heads, not the built-in ones")
    p.set_defaults(run=partial(run, {action.dest: action for action in p._actions}))


def run(options: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Runs an experiment and prints its summary; raises MapsError for an option that it does not use."""
    run_experiment, own_options = EXPERIMENTS[arguments.experiment]
    accepted = {"help", "experiment", *COMMON_OPTIONS, *own_options}
    for name, option in options.items():
        if name not in accepted and getattr(arguments, name, None) != option.default:
            raise MapsError(f"evaluate {arguments.experiment} does not use {option.option_strings[-1]}; leave it out.")
    print_text(run_experiment(arguments))
    print_text(write_report(arguments.out))


def write_report(folder: Path) -> str:
    """Writes the report of all results in the folder; returns a sentence that says where it is."""
    from maps.experiments.report.build import write_experiments_report
    from maps.figures import render

    sentence = f"The report is in {write_experiments_report(folder)}."
    return sentence if render.can_draw() else f"{sentence}\n{MISSING_PICTURES_HINT}"
