"""Two models of different vocabularies side by side: their best head on each relation, and described patterns by depth.

Heads of such models cannot be compared one by one, because they share neither tokens nor places.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from maps.analysis.classification import SCORE, SUPPRESSION, classifying_column
from maps.types import HeadId

SIDES = (SCORE, SUPPRESSION)
DEPTH_PARTS = 5  # parts of equal depth into which the layers of a model are divided


class BestHead(NamedTuple):
    """The head that is classified most clearly by a relation: `value` is compared with τ, `score` is on all pairs."""

    head: HeadId
    value: float
    score: float


class DepthRate(NamedTuple):
    """The heads of one part of a model's depth, from `start` to `end` (0 to 1), and those with a described pattern."""

    start: float
    end: float
    described: int
    patterns: int

    @property
    def rate(self) -> float | None:
        return self.patterns / self.described if self.described else None


def best_heads(relations: pa.Table) -> dict[str, BestHead]:
    """Of each relation the head with the highest value that τ is compared with; without those that no head reaches.

    `relations` is the atlas's table. Of equal heads the one with the higher score on all pairs is the best, then the
    first.
    """
    frame = relations.to_pandas(categories=["relation", "category"])
    found = {}
    for name, scored in frame.groupby("relation", sort=False, observed=True):
        category = scored["category"].iloc[0]
        column = classifying_column(SCORE, str(name), category if isinstance(category, str) else None)
        ordered = scored.dropna(subset=[column, SCORE]).sort_values(
            [column, SCORE, "layer", "head"], ascending=[False, False, True, True], kind="stable"
        )
        if ordered.empty or float(ordered[column].iloc[0]) <= 0:
            continue
        first = ordered.iloc[0]
        found[str(name)] = BestHead(
            HeadId(int(first["layer"]), int(first["head"])), float(first[column]), float(first[SCORE])
        )
    return found


def highest_values(relations: pa.Table, min_pairs: int) -> dict[HeadId, float]:
    """Of each head the highest value that τ is compared with, of implementing or suppressing any relation.

    `relations` is the atlas's table. Relations with fewer than `min_pairs` usable pairs do not count, and heads without
    any value are left out.
    """
    frame = relations.to_pandas(categories=["relation", "category"])
    frame = frame[frame["pairs"] >= min_pairs]
    values = []
    for name, scored in frame.groupby("relation", sort=False, observed=True):
        category = scored["category"].iloc[0]
        columns = [
            classifying_column(side, str(name), category if isinstance(category, str) else None) for side in SIDES
        ]
        values.append(scored[["layer", "head"]].assign(value=scored[columns].max(axis=1)))
    if not values:
        return {}
    highest = pd.concat(values).dropna().groupby(["layer", "head"])["value"].max()
    return {HeadId(int(layer), int(head)): float(value) for (layer, head), value in highest.items()}


def rates_by_depth(rates: pa.Table, describer: str, layers: int, parts: int = DEPTH_PARTS) -> list[DepthRate]:
    """How many heads a describer sees a pattern in, by relative depth: layer ℓ of L lies in part ⌊ℓ · parts / L⌋.

    `rates` is the table of `identification_rates`; `layers` counts all layers of the model, mapped or not.
    """
    counts = [[0, 0] for _ in range(parts)]
    for row in rates.to_pylist():
        if row["describer"] == describer and row["layer"] is not None:
            part = counts[row["layer"] * parts // layers]
            part[0] += row["described"]
            part[1] += row["patterns"]
    return [DepthRate(number / parts, (number + 1) / parts, *part) for number, part in enumerate(counts)]
