"""Concentration by what describers say of heads, beside random heads: whether "Unclear" was to be expected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from maps.atlas.schema import Row
from maps.text import pluralize
from maps.types import HeadId

CONCENTRATION_SUMMARY_SCHEMA = pa.schema(
    [
        ("describer", pa.string()),
        ("heads", pa.string()),
        ("measure", pa.string()),
        ("count", pa.int32()),
        ("low", pa.float64()),
        ("median", pa.float64()),
        ("high", pa.float64()),
        ("beyond_random", pa.int32()),
    ]
)
PATTERN_LABEL, UNCLEAR_LABEL, RANDOM_LABEL = "with a pattern", "said to be unclear", "random"
BELOW_COLUMNS = {"target_entropy": "entropy_below", "target_kurtosis": "kurtosis_below"}
BEYOND_RANDOM_SHARES = {
    "target_entropy": 0.0,
    "target_kurtosis": 1.0,
}  # the share of a head more concentrated than all random ones


class ConcentrationGroup(NamedTuple):
    """Heads of one kind with their measures; `describer` said of which kind they are, and is empty for random heads."""

    describer: str
    kind: str
    heads: list[Row]


def group_heads(
    descriptions: Iterable[Row], measures: dict[HeadId, Row], random_heads: Sequence[Row]
) -> list[ConcentrationGroup]:
    """The heads that a describer sees a pattern in, those that it calls unclear, and the random ones."""
    said: dict[tuple[str, str], list[Row]] = {}
    for row in descriptions:
        head = HeadId(row["layer"], row["head"])
        if head in measures:
            said.setdefault((row["describer"], PATTERN_LABEL if row["pattern"] else UNCLEAR_LABEL), []).append(
                measures[head]
            )
    order = sorted(said, key=lambda name: (name[0], name[1] == UNCLEAR_LABEL))
    return [ConcentrationGroup(*name, said[name]) for name in order] + (
        [ConcentrationGroup("", RANDOM_LABEL, list(random_heads))] if random_heads else []
    )


def concentration_rows(groups: Iterable[ConcentrationGroup]) -> list[Row]:
    """Rows of `CONCENTRATION_SUMMARY_SCHEMA`: how a measure is distributed over each group of heads."""
    rows = []
    for describer, kind, heads in groups:
        for measure, below in BELOW_COLUMNS.items():
            values = [row[measure] for row in heads if row[measure] is not None]
            low, median, high = np.percentile(values, (5, 50, 95)).tolist() if values else (None, None, None)
            known = [row[below] for row in heads if row.get(below) is not None]
            rows.append(
                {
                    "describer": describer or None,
                    "heads": kind,
                    "measure": measure,
                    "count": len(values),
                    "low": low,
                    "median": median,
                    "high": high,
                    "beyond_random": known.count(BEYOND_RANDOM_SHARES[measure]) if known else None,
                }
            )
    return rows


def concentration_sentences(rows: Iterable[Row]) -> list[str]:
    """The entropies in words."""
    said = []
    for row in rows:
        if row["measure"] == "target_entropy" and row["median"] is not None:
            heads = pluralize(row["count"], "head" if row["describer"] else f"{row['heads']} head")
            who = f"{heads} {row['heads']} by {row['describer']}" if row["describer"] else heads
            beyond = row["beyond_random"]
            beside = "" if beyond is None else f", {beyond:,} of them lower than every random head of their layer"
            said.append(
                f"{who}: median entropy of the targets {row['median']:.2f} bits (90 % between "
                f"{row['low']:.2f} and {row['high']:.2f}){beside}."
            )
    return said
