"""How often describers see a pattern: the identification rate by layer, in both readings (docs/contract.md)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pyarrow as pa

from maps.atlas.schema import Row
from maps.types import HeadId

IDENTIFICATION_SCHEMA = pa.schema(
    [
        ("describer", pa.string()),
        ("layer", pa.int32()),  # null for all layers
        ("heads", pa.int32()),
        ("described", pa.int32()),  # of their current mappings
        ("stale", pa.int32()),  # described of mappings that have changed since, and not counted as described
        ("patterns", pa.int32()),  # the exact reading
        ("rate", pa.float64()),
        ("patterns_paper", pa.int32()),  # the paper's reading
        ("rate_paper", pa.float64()),
    ]
)


def identification_rates(
    heads: Collection[HeadId], descriptions: Sequence[Row], stale_ids: Collection[str]
) -> pa.Table:
    """The share of described heads in which each describer sees a pattern, by layer and over all.

    `descriptions`: the newest description of each head and describer (`Atlas.descriptions`). `stale_ids`: the ids of those
    whose mappings have changed since (`Atlas.stale`). A rate is null where no head is described.
    """
    layers: list[int | None] = [None, *sorted({head.layer for head in heads})]
    rows = []
    for describer in sorted({row["describer"] for row in descriptions}):
        own = [row for row in descriptions if row["describer"] == describer]
        for layer in layers:
            some = [row for row in own if layer in (None, row["layer"])]
            fresh = [row for row in some if row["description_id"] not in stale_ids]
            exact, paper = (sum(row[reading] for row in fresh) for reading in ("pattern", "pattern_paper"))
            rows.append(
                {
                    "describer": describer,
                    "layer": layer,
                    "heads": sum(layer in (None, head.layer) for head in heads),
                    "described": len(fresh),
                    "stale": len(some) - len(fresh),
                    "patterns": exact,
                    "rate": exact / len(fresh) if fresh else None,
                    "patterns_paper": paper,
                    "rate_paper": paper / len(fresh) if fresh else None,
                }
            )
    return pa.Table.from_pylist(rows, schema=IDENTIFICATION_SCHEMA)
