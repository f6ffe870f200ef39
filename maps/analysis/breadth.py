"""How global or specific the heads of each layer are, by input skewness and output space size (paper, appendix)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from operator import itemgetter
from statistics import median
from typing import Any, NamedTuple

import pyarrow as pa

from maps.atlas.schema import INTEGER, NUMBER, columns

BREADTH_SCHEMA = pa.schema(
    [
        *columns(INTEGER, "layer", "heads"),
        *columns(NUMBER, "input_skewness_low", "input_skewness", "input_skewness_high"),
        *columns(NUMBER, "output_space_low", "output_space", "output_space_high"),
    ]
)
MEASURES = ("input_skewness", "output_space")


class OutputSpaceReferences(NamedTuple):
    """The output space sizes of two imagined heads to compare with, as shares of the vocabulary."""

    one_token_share: float  # a specific head, which maps every token to the same one
    capitalised_share: float  # a global head, which maps every token to its capitalised form with a leading space

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> OutputSpaceReferences:
        """From the content of `atlas.json`."""
        return cls(1 / info["vocabulary"], info["capitalised_share"])


def layer_breadth(heads: pa.Table) -> pa.Table:
    """Lowest, median and highest input skewness and output space of each layer's heads; null if none is known.

    `heads` is the atlas's table.
    """
    layers: dict[int, list[dict[str, float | None]]] = defaultdict(list)
    for row in heads.select(["layer", *MEASURES]).to_pylist():
        layers[row["layer"]].append(row)
    rows = []
    for layer, layer_heads in sorted(layers.items()):
        summary: dict[str, float | None] = {"layer": layer, "heads": len(layer_heads)}
        for name in MEASURES:
            values = [value for head in layer_heads if (value := head[name]) is not None]
            if values:  # without values the columns are null
                summary |= {f"{name}_low": min(values), name: median(values), f"{name}_high": max(values)}
        rows.append(summary)
    return pa.Table.from_pylist(rows, schema=BREADTH_SCHEMA)


def breadth_sentences(layers: pa.Table, references: OutputSpaceReferences) -> list[str]:
    """The table's extremes in sentences; `references` puts the output space into proportion."""
    rows = layers.to_pylist()
    skewness, space = itemgetter("input_skewness"), itemgetter("output_space")
    skewness_rows = [row for row in rows if skewness(row) is not None]
    space_rows = [row for row in rows if space(row) is not None]
    sentences = []
    if skewness_rows:
        most, least = max(skewness_rows, key=skewness), min(skewness_rows, key=skewness)
        sentences.append(
            f"The median input skewness of a layer's heads is highest in layer {most['layer']} "
            f"({most['input_skewness']:.2f}) and lowest in layer {least['layer']} ({least['input_skewness']:.2f})."
        )
    if not space_rows:
        return [*sentences, "The output space was not computed for this atlas; `map --output-space` computes it."]
    widest, narrowest = max(space_rows, key=space), min(space_rows, key=space)
    return [
        *sentences,
        f"The median output space is largest in layer {widest['layer']} ({100 * widest['output_space']:.2g} % of the "
        f"vocabulary) and smallest in layer {narrowest['layer']} ({100 * narrowest['output_space']:.2g} %).",
        f"For comparison: a head that maps every token to the same one has {100 * references.one_token_share:.2g} %, a "
        f"head that capitalises every token {100 * references.capitalised_share:.2g} %.",
    ]
