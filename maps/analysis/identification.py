"""Identification rates: the share of described heads in which a describer sees a pattern, for each layer.

The exact reading and the paper's reading of a description are both counted (docs/contract.md, section 4).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pyarrow as pa

from maps.atlas.schema import INTEGER, NUMBER, TEXT, Row, columns
from maps.types import HeadId

IDENTIFICATION_SCHEMA = pa.schema(
    [
        ("describer", TEXT),
        *columns(INTEGER, "layer", "heads", "described"),  # `layer` is null for all layers
        ("stale", INTEGER),  # their mappings have changed since they were described; not counted in `described`
        *[("patterns", INTEGER), ("rate", NUMBER)],  # the exact reading
        *[("patterns_paper", INTEGER), ("rate_paper", NUMBER)],  # the paper's reading
    ]
)


def identification_rates(heads: Collection[HeadId], descriptions: Sequence[Row], stale: Collection[str]) -> pa.Table:
    """The identification rate of each describer, for each layer and for all layers.

    `descriptions` are the newest of each head and describer (`Atlas.descriptions`), `stale` the ids of descriptions
    whose mappings have changed since (`Atlas.stale_description_ids`). A rate is null if no head is described.
    """
    layers: list[int | None] = [None, *sorted({head.layer for head in heads})]
    rows = []
    for describer in sorted({row["describer"] for row in descriptions}):
        own = [row for row in descriptions if row["describer"] == describer]
        for layer in layers:
            of_layer = [row for row in own if layer in (None, row["layer"])]
            fresh = [row for row in of_layer if row["description_id"] not in stale]
            patterns = sum(row["pattern"] for row in fresh)
            patterns_paper = sum(row["pattern_paper"] for row in fresh)
            rows.append(
                {
                    "describer": describer,
                    "layer": layer,
                    "heads": sum(layer in (None, head.layer) for head in heads),
                    "described": len(fresh),
                    "stale": len(of_layer) - len(fresh),
                    "patterns": patterns,
                    "rate": patterns / len(fresh) if fresh else None,
                    "patterns_paper": patterns_paper,
                    "rate_paper": patterns_paper / len(fresh) if fresh else None,
                }
            )
    return pa.Table.from_pylist(rows, schema=IDENTIFICATION_SCHEMA)
