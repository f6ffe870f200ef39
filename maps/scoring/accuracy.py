"""Balanced accuracy of a scorer with an interval, and means over heads as numbers, a table and sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from maps.atlas.schema import INTEGER, NUMBER, TEXT, Row, columns
from maps.distributions import wilson_interval
from maps.text import escape_invisible, pluralize

BOOTSTRAP_DRAWS = 1000
DETECTION_SUMMARY_SCHEMA = pa.schema(
    [
        *columns(TEXT, "describer", "scorer"),
        ("seed", INTEGER),
        ("shown", TEXT),
        ("heads", INTEGER),
        *columns(NUMBER, "mean", "low", "high"),
    ]
)
OWN_LABEL, EXCHANGED_LABEL = "own description", "another head's description"
SCORE_COLUMNS = {OWN_LABEL: "detection", EXCHANGED_LABEL: "detection_swapped"}
LOOK_ALIKE_LABEL = "own description, among mappings of similar heads"
SHOWN_COLUMNS = {**SCORE_COLUMNS, LOOK_ALIKE_LABEL: "lookalike"}


class AccuracyEstimate(NamedTuple):
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float


class HeadMean(NamedTuple):
    """A mean over heads with its 95 % interval, which is None for a single head."""

    value: float
    low: float | None
    high: float | None
    heads: int


class DetectionCounts(NamedTuple):
    """A scorer's answer: how many of the head's own items it named, and how many of the others it left out."""

    own: int
    own_named: int
    other: int
    other_left: int


def count_answer(truth: Sequence[bool | None], named_items: frozenset[int]) -> DetectionCounts:
    """The counts of an answer. `truth`: whether each item is the head's (None: not counted); numbers start at 1."""
    own = {number for number, belongs in enumerate(truth, start=1) if belongs is True}
    other = {number for number, belongs in enumerate(truth, start=1) if belongs is False}
    return DetectionCounts(len(own), len(own & named_items), len(other), len(other - named_items))


def balanced_accuracy(c: DetectionCounts) -> AccuracyEstimate | None:
    """(own_named / own + other_left / other) / 2 with a 95 % interval; None if one kind of item is missing.

    The interval combines the Wilson intervals (l, u) of the two shares p₁, p₂ as Newcombe (1998) does for a
    difference: from value − √((p₁ − l₁)² + (p₂ − l₂)²) / 2 to value + √((u₁ − p₁)² + (u₂ − p₂)²) / 2.
    A bootstrap does not work with ten items of each kind: for 20 of 20 its interval has width 0.
    """
    if not (c.own and c.other):
        return None
    p1, p2 = c.own_named / c.own, c.other_left / c.other
    low1, high1 = wilson_interval(c.own_named, c.own)
    low2, high2 = wilson_interval(c.other_left, c.other)
    value = (p1 + p2) / 2
    low = value - sqrt((low1 - p1) ** 2 + (low2 - p2) ** 2) / 2
    high = value + sqrt((high1 - p1) ** 2 + (high2 - p2) ** 2) / 2
    return AccuracyEstimate(value, max(0.0, low), min(1.0, high))


def mean_over_heads(values: Sequence[float], seed: int = 0) -> HeadMean | None:
    """The mean with a 95 % percentile bootstrap interval over heads (1,000 draws); None without heads."""
    if not values:
        return None
    data = np.array(values)
    if len(data) == 1:
        return HeadMean(float(data[0]), None, None, 1)
    indices = np.random.default_rng(seed).integers(len(data), size=(BOOTSTRAP_DRAWS, len(data)))
    low, high = np.percentile(data[indices].mean(axis=1), (2.5, 97.5))
    return HeadMean(float(data.mean()), float(low), float(high), len(data))


def detection_rows(scores: Iterable[Row]) -> list[Row]:
    """Rows of `DETECTION_SUMMARY_SCHEMA`: mean detection over heads, with own and with exchanged descriptions.

    A third row, with look-alikes, where they were asked about.
    """
    groups: dict[tuple[str, str, int], list[Row]] = defaultdict(list)
    for row in scores:
        groups[row["describer"], row["scorer"], row["seed"]].append(row)
    return [
        {"describer": describer, "scorer": scorer, "seed": seed, "shown": shown, **_mean_columns(rows, column)}
        for (describer, scorer, seed), rows in sorted(groups.items())
        for shown, column in SHOWN_COLUMNS.items()
        if shown != LOOK_ALIKE_LABEL or any(row[column] is not None for row in rows)
    ]


def _mean_columns(rows: Iterable[Row], column: str) -> Row:
    mean = mean_over_heads([row[column] for row in rows if row[column] is not None])
    if mean is None:
        return {"heads": 0, "mean": None, "low": None, "high": None}
    return {"heads": mean.heads, "mean": mean.value, "low": mean.low, "high": mean.high}


def detection_sentences(scores: Iterable[Row]) -> list[str]:
    """The means as sentences, one for each describer and scorer."""
    groups: dict[tuple[str, str, int], dict[str, Row]] = defaultdict(dict)
    for row in detection_rows(scores):
        groups[row["describer"], row["scorer"], row["seed"]][row["shown"]] = row
    sentences = []
    for (describer, scorer, _), rows in groups.items():
        parts = [_mean_text(rows[OWN_LABEL])]
        if LOOK_ALIKE_LABEL in rows:
            parts.append(f"among mappings of similar heads: {_mean_text(rows[LOOK_ALIKE_LABEL])}")
        parts.append(f"from another head's descriptions (control): {_mean_text(rows[EXCHANGED_LABEL])}")
        names = f"{escape_invisible(scorer)} picks out a head's mappings from descriptions by"
        sentences.append(f"{names} {escape_invisible(describer)}: {'; '.join(parts)}. Chance is 0.5.")
    return sentences


def _mean_text(row: Row) -> str:
    if row["mean"] is None:
        return "undefined, since no head has a score"
    interval = "" if row["low"] is None else f", 95 % interval {row['low']:.2f} to {row['high']:.2f}"
    return f"balanced accuracy {row['mean']:.2f} (mean of {pluralize(row['heads'], 'head')}{interval})"
