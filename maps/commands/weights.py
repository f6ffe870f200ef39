"""The experiments of `evaluate` that look at the weights alone, beyond the paper's."""

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

SELF_ATTENTION_SHARE = 0.1  # share of tokens that attend to themselves from which on a head is counted


def head_list(text: str) -> tuple[HeadId, ...]:
    """`L26H2,L23H4`."""
    try:
        return tuple(dict.fromkeys(HeadId.parse(each) for each in text.split(",")))
    except MapsError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run_directions(arguments: argparse.Namespace) -> str:
    """Splits heads into their singular directions."""
    from maps.experiments.directions import MIN_OPERATION_TOKENS, evaluate_directions

    bar = partial(progress_bar, doing="splitting")
    settings, wanted = settings_from(arguments), arguments.directions
    found = evaluate_directions(
        arguments.model, arguments.out, settings, arguments.heads, wanted, arguments.device, bar
    )
    rows: list[Row] = found.tables["direction_heads"]
    several = sum(row["operations"] > 1 for row in rows)
    return (
        f"Of {len(rows):,} heads {several:,} have {MIN_OPERATION_TOKENS} or more of their salient mappings at each of two ends of "
        f"directions: {arguments.out}/directions.csv and direction_heads.csv"
    )


def run_known_heads(arguments: argparse.Namespace) -> str:
    """Compares known heads with what their relation scores say."""
    from maps.experiments.known_heads import evaluate_known_heads
    from maps.text import escape_for_terminal

    bar = partial(progress_bar, doing="scoring")
    settings = settings_from(arguments)
    found = evaluate_known_heads(arguments.model, arguments.out, settings, arguments.known, arguments.device, bar)
    lines = [escape_for_terminal(group_text(row, settings.tau)) for row in found.tables["known_groups"]]
    return "\n".join([*lines, f"{arguments.out}/known_heads.csv and known_groups.csv"])


def group_text(row: Row, tau: float) -> str:
    """How many heads of a group are classified likewise."""
    by = f"{row['relation']} ({row['side']})"
    if row["likewise"] is None:
        return f"{row['group']}: not compared, since too few pairs of {by} are usable"
    paper = "" if row["published"] is None else f"; in the paper {row['published']}"
    further = f"{row['further']} further heads of the model are"
    return f"{row['group']}: {row['likewise']} of {row['heads']} pass τ = {tau:g} by {by}{paper}; {further} like them"


def run_biases(arguments: argparse.Namespace) -> str:
    """Compares heads with and without their value bias."""
    from maps.experiments.biases import evaluate_biases

    bar = partial(progress_bar, doing="comparing")
    settings = settings_from(arguments)
    found = evaluate_biases(arguments.model, arguments.out, settings, arguments.heads, arguments.device, bar)
    rows = [row for row in found.tables["biases"] if row["head"] is not None]
    other = sum(bool(row["gained"] or row["lost"]) for row in rows)
    return f"Of {len(rows):,} heads {other:,} have other relations with their value bias: {arguments.out}/biases.csv"


def run_attention(arguments: argparse.Namespace) -> str:
    """Reads which sources attend to which."""
    from maps.experiments.attention import KEYS_PER_QUERY, evaluate_attention

    if arguments.final_norm:
        raise MapsError("evaluate attention does not look at --final-norm; leave it out.")
    bar = partial(progress_bar, doing="reading")
    found = evaluate_attention(
        arguments.model, arguments.out, settings_from(arguments), arguments.heads, arguments.device, bar
    )
    rows = found.tables["attention_heads"]
    own = sum(row["own_share"] >= SELF_ATTENTION_SHARE for row in rows)
    return (
        f"In {own:,} of {len(rows):,} heads {SELF_ATTENTION_SHARE:.0%} or more of the tokens have themselves among their {KEYS_PER_QUERY} keys: "
        f"{arguments.out}/attention.csv and attention_heads.csv"
    )
