"""The experiments of `evaluate` that go beyond the paper and read the weights alone."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

from maps.commands.arguments import progress_bar
from maps.commands.model import settings_from
from maps.errors import MapsError
from maps.types import HeadId

if TYPE_CHECKING:
    from maps.atlas.schema import Row


def head_list(text: str) -> tuple[HeadId, ...]:
    """An argument such as `L26H2,L23H4`."""
    try:
        return tuple(dict.fromkeys(HeadId.parse(each) for each in text.split(",")))
    except MapsError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run_directions(arguments: argparse.Namespace) -> str:
    """Splits heads into their singular directions."""
    from maps.experiments.directions import MIN_OPERATION_TOKENS, evaluate_directions

    bar = partial(progress_bar, doing="splitting")
    settings, count, out = settings_from(arguments), arguments.directions, arguments.out
    result = evaluate_directions(arguments.model, out, settings, arguments.heads, count, arguments.device, bar)
    rows: list[Row] = result.tables["direction_heads"]
    several = sum(row["operations"] > 1 for row in rows)
    return (
        f"{several:,} of {len(rows):,} heads have {MIN_OPERATION_TOKENS} or more of their salient mappings at each of "
        f"two ends of directions: {out}/directions.csv and direction_heads.csv"
    )


def run_known_heads(arguments: argparse.Namespace) -> str:
    """Compares known heads with their relation scores."""
    from maps.experiments.known_heads import evaluate_known_heads

    bar = partial(progress_bar, doing="scoring")
    settings = settings_from(arguments)
    result = evaluate_known_heads(arguments.model, arguments.out, settings, arguments.known, arguments.device, bar)
    lines = [group_text(row, settings.tau) for row in result.tables["known_groups"]]
    return "\n".join([*lines, f"{arguments.out}/known_heads.csv and known_groups.csv"])


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

    bar = partial(progress_bar, doing="comparing")
    settings = settings_from(arguments)
    result = evaluate_biases(arguments.model, arguments.out, settings, arguments.heads, arguments.device, bar)
    rows = [row for row in result.tables["biases"] if row["head"] is not None]
    changed = sum(bool(row["gained"] or row["lost"]) for row in rows)
    return f"The value bias changes the relations of {changed:,} of {len(rows):,} heads: {arguments.out}/biases.csv"


def run_attention(arguments: argparse.Namespace) -> str:
    """Finds the keys that each head's queries attend to."""
    from maps.experiments.attention import KEYS_PER_QUERY, SELF_ATTENTION_SHARE, evaluate_attention

    if arguments.final_norm:
        raise MapsError("evaluate attention does not use --final-norm; leave it out.")
    bar = partial(progress_bar, doing="reading")
    settings, out = settings_from(arguments), arguments.out
    result = evaluate_attention(arguments.model, out, settings, arguments.heads, arguments.device, bar)
    rows = result.tables["attention_heads"]
    count = sum(row["own_share"] >= SELF_ATTENTION_SHARE for row in rows)
    return (
        f"In {count:,} of {len(rows):,} heads, {SELF_ATTENTION_SHARE:.0%} or more of the tokens have themselves among "
        f"their {KEYS_PER_QUERY} keys: {out}/attention.csv and attention_heads.csv"
    )
