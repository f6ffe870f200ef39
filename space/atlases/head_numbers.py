"""The numbers that an atlas has for each head, by name: what the axes of a scatter can show."""

from __future__ import annotations

import math
from collections.abc import Callable

import pyarrow.compute as pc

from maps.analysis.classification import SCORE, SUPPRESSION
from maps.analysis.side_by_side import highest_values
from maps.atlas.reader import Atlas
from maps.text import relation_label
from space.atlases import cache

Numbers = list[float | None]
HEAD_COLUMNS = {  # of the table `heads`
    "saliency_mean": "mean saliency",
    "saliency_max": "highest saliency",
    "input_skewness": "input skewness",
    "target_kurtosis": "target kurtosis",
    "output_space": "output space (share of the vocabulary)",
    "top_scoring_jaccard": "overlap with the highest scores of the matrix",
}
LOGARITHMIC = ("output_space",)  # with a logarithmic axis
BEST, DETECTION, SUPPORT, ENTROPY, LAYER = "best", "detection", "support", "entropy", "layer"
SIDES = {SCORE: "", SUPPRESSION: "suppression of "}


def number_labels(atlas: Atlas) -> dict[str, str]:
    """The numbers that at least one head has, by key, with their labels: first the general ones, then relations."""
    heads = atlas.table("heads")
    labels = {LAYER: "layer", BEST: "highest relation score beyond copying", ENTROPY: "entropy of the targets"}
    labels |= {DETECTION: "detection score of the description", SUPPORT: "support of the description (mappings)"}
    known = {
        key: label for key, label in labels.items() if any(value is not None for value in head_numbers(atlas, key))
    }
    known |= {key: label for key, label in HEAD_COLUMNS.items() if heads[key].null_count < len(heads)}
    rows = atlas.table("relations", ["relation", *SIDES])
    for side, prefix in SIDES.items():
        names = pc.unique(rows.filter(pc.is_valid(rows[side]))["relation"]).to_pylist()
        known |= {f"{side}:{name}": f"{prefix}{relation_label(name)}" for name in names}
    return known


def head_numbers(atlas: Atlas, key: str) -> Numbers:
    """One number of each head, in the order of `atlas.head_ids`; None where it is unknown or not finite."""
    side, is_relation, relation = key.partition(":")
    if is_relation:
        values: Numbers = cache.relation_values(atlas, relation, side)
    elif key in HEAD_COLUMNS:
        values = cache.head_column(atlas, key)
    else:
        values = OTHER_NUMBERS[key](atlas)
    return [value if value is not None and math.isfinite(value) else None for value in values]


def layers(atlas: Atlas) -> Numbers:
    return [head.layer for head in atlas.head_ids]


@cache.cache_results("relations")
def best_values(atlas: Atlas) -> Numbers:
    """Each head's highest value that τ is compared with, over all relations with enough pairs, score or suppression."""
    highest = highest_values(atlas.table("relations"), atlas.info["settings"]["min_pairs"])
    return [highest.get(head) for head in atlas.head_ids]


@cache.cache_results("descriptions")
def supports(atlas: Atlas) -> Numbers:
    """How many mappings support a head's description; of several describers the highest."""
    rows = atlas.description_table(["support"])
    return cache.values_by_head(atlas, rows.filter(pc.is_valid(rows["support"])).sort_by("support"), "support")


def entropies(atlas: Atlas) -> Numbers:
    rows = atlas.table("concentration", ["layer", "head", "target_entropy"])
    return cache.values_by_head(atlas, rows, "target_entropy")


OTHER_NUMBERS: dict[str, Callable[[Atlas], Numbers]] = {
    LAYER: layers,
    BEST: best_values,
    DETECTION: cache.detection_scores,
    SUPPORT: supports,
    ENTROPY: entropies,
}
