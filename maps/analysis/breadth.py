"""How global or specific the heads of each layer are: input skewness and output space size (paper, appendix)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from statistics import median
from typing import Any, NamedTuple

import pyarrow as pa

BREADTH_SCHEMA = pa.schema(
    [
        ("layer", pa.int32()),
        ("heads", pa.int32()),
        ("input_skewness_low", pa.float64()),
        ("input_skewness", pa.float64()),
        ("input_skewness_high", pa.float64()),
        ("output_space_low", pa.float64()),
        ("output_space", pa.float64()),
        ("output_space_high", pa.float64()),
    ]
)
MEASURES = ("input_skewness", "output_space")


class OutputSpaceReferences(NamedTuple):
    """The output space sizes of two heads to compare with, as shares of the vocabulary.

    A specific head maps everything to one token, a global head to the capitalised tokens with a leading space, whose
    share is None where an atlas does not know it.
    """

    one_token_share: float
    capitalised_share: float | None

    @classmethod
    def from_vocabulary(cls, vocabulary: int, capitalised_share: float | None) -> OutputSpaceReferences:
        """From `vocabulary` and `capitalised_share` of `atlas.json`."""
        return cls(1 / vocabulary, capitalised_share)

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> OutputSpaceReferences:
        """From all of `atlas.json`; atlases of earlier versions know one of the two alone."""
        return cls.from_vocabulary(info["vocabulary"], info.get("capitalised_share"))


def layer_breadth(heads: pa.Table) -> pa.Table:
    """Lowest, median and highest input skewness and output space of each layer's heads; null where none is known.

    `heads` is the atlas's table.
    """
    layers: dict[int, list[dict[str, float | None]]] = defaultdict(list)
    for row in heads.select(["layer", *MEASURES]).to_pylist():
        layers[row["layer"]].append(row)
    rows = []
    for layer, found in sorted(layers.items()):
        summed: dict[str, float | None] = {"layer": layer, "heads": len(found)}
        for name in MEASURES:
            known = [value for each in found if (value := each[name]) is not None]
            low, middle, high = (min(known), median(known), max(known)) if known else (None, None, None)
            summed |= {f"{name}_low": low, name: middle, f"{name}_high": high}
        rows.append(summed)
    return pa.Table.from_pylist(rows, schema=BREADTH_SCHEMA)


def breadth_sentences(layers: pa.Table, references: OutputSpaceReferences) -> list[str]:
    """What the table says in words, and what the atlas does not know."""
    rows = layers.to_pylist()
    skewed = [row for row in rows if row["input_skewness"] is not None]
    wide = [row for row in rows if row["output_space"] is not None]
    said = []
    if skewed:
        most, least = (pick(skewed, key=lambda row: row["input_skewness"]) for pick in (max, min))
        said.append(
            f"The median input skewness of a layer's heads is highest in layer {most['layer']} "
            f"({most['input_skewness']:.2f}) and lowest in layer {least['layer']} ({least['input_skewness']:.2f})."
        )
    if not wide:
        return [*said, "The output space was not computed for this atlas; `map --output-space` computes it."]
    widest, narrowest = (pick(wide, key=lambda row: row["output_space"]) for pick in (max, min))
    said.append(
        f"The median output space is largest in layer {widest['layer']} ({100 * widest['output_space']:.2g} % of the "
        f"vocabulary) and smallest in layer {narrowest['layer']} ({100 * narrowest['output_space']:.2g} %)."
    )
    specific = f"A specific head, which maps everything to one token, has {100 * references.one_token_share:.2g} %"
    if references.capitalised_share is None:
        return [
            *said,
            f"{specific}; the share of capitalised tokens, which a global head maps to, is not known to this atlas: "
            "the same map command again adds it where pairs and hits are missing too, a new mapping always has it.",
        ]
    return [
        *said,
        f"{specific}, a global one, which maps to capitalised tokens, {100 * references.capitalised_share:.2g} %.",
    ]
