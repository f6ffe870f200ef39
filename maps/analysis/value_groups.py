"""Are heads that share a value head (grouped-query attention) more similar than heads that do not?

For every two heads of a layer, three sets are compared by their Jaccard similarity |A ∩ B| / |A ∪ B|: the salient
sources, the (source, target) mappings, and the relations. Implementing and suppressing a relation are different
elements. A pair counts only if at least one of its two sets is not empty: two heads without relations are not
similar.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from maps.analysis.classification import RelationsByHead
from maps.atlas.schema import INTEGER, NUMBER, TEXT, columns

SETS = ("sources", "mappings", "relations")
WITHIN, BETWEEN = "within", "between"
GROUPS_SCHEMA = pa.schema(
    [("layer", INTEGER), *columns(TEXT, "sets", "heads"), ("pairs", INTEGER), ("similarity", NUMBER), ("reason", TEXT)]
)
Numbers = NDArray[Any]
SetMembers = tuple[Numbers, Numbers, Numbers]  # layer, head and element, for every element of every head's set


def value_group_similarity(heads: pa.Table, mappings: pa.Table, classified: RelationsByHead) -> pa.Table:
    """Mean similarity of heads within and between groups, for each layer and over the pairs of all layers.

    `heads` and `mappings` are the atlas's tables. `layer` is null in the rows for all layers. `similarity` is null,
    with a reason, if there is no such pair.
    """
    members = {
        "sources": source_members(mappings),
        "mappings": mapping_members(mappings),
        "relations": relation_members(classified),
    }
    ordered = heads.sort_by([("layer", "ascending"), ("head", "ascending")])
    layer = ordered["layer"].to_numpy()
    head_ids, value_heads = ordered["head"].to_numpy(), ordered["kv_head"].to_numpy()
    layers = [int(each) for each in np.unique(layer)]
    values: dict[tuple[int | None, str, str], Numbers] = {}  # by layer; None: of all layers
    for each in layers:
        ids, groups = head_ids[layer == each], value_heads[layer == each]
        first, second = np.triu_indices(len(ids), k=1)  # every two heads once
        is_within = groups[first] == groups[second]
        for name in SETS:
            layer_of, head_of, elements = members[name]
            own = layer_of == each
            similarity = jaccard_matrix(ids, head_of[own], elements[own])[first, second]
            values[each, name, WITHIN], values[each, name, BETWEEN] = similarity[is_within], similarity[~is_within]
    sides = [(name, side) for name in SETS for side in (WITHIN, BETWEEN)]
    for key in sides:
        values[None, *key] = np.concatenate([*(values[each, *key] for each in layers), np.empty(0)])
    rows = [
        mean_similarity_row(each, name, side, values[each, name, side], len(values[None, name, side]) > 0)
        for each in (*layers, None)
        for name, side in sides
    ]
    return pa.Table.from_pylist(rows, schema=GROUPS_SCHEMA)


def mean_similarity_row(layer: int | None, name: str, side: str, values: Numbers, has_pairs: bool) -> dict[str, object]:
    """A row of the table. Pairs whose similarity is undefined (nan: both sets are empty) are not counted."""
    known = values[~np.isnan(values)]
    reason = None
    if not has_pairs:
        reason = "each head has a value head of its own" if side == WITHIN else "all heads share one value head"
    elif not len(known):
        reason = "no head of such a pair is classified" if name == "relations" else "no such pair has mappings"
    return {
        "layer": layer,
        "sets": name,
        "heads": side,
        "pairs": len(known),
        "similarity": None if reason else float(known.mean()),
        "reason": reason,
    }


def jaccard_matrix(ids: Numbers, head: Numbers, element: Numbers) -> Numbers:
    """The similarity of every two heads of a layer, (heads, heads); nan if both sets are empty.

    `head` and `element` are those of every element of every set; duplicates do not matter.
    """
    _, column = np.unique(element, return_inverse=True)
    is_known = np.isin(head, ids)
    contains = np.zeros((len(ids), int(column.max(initial=-1)) + 1), dtype=np.float32)  # (heads, elements) 0 or 1
    contains[np.searchsorted(ids, head[is_known]), column[is_known]] = 1
    shared = (contains @ contains.T).astype(np.float64)  # sizes of intersections: exact in float32 below 2²⁴
    size = contains.sum(axis=1, dtype=np.float64)
    return jaccard_from_counts(shared, size[:, None], size[None, :])


def jaccard_from_counts(shared: Numbers, one: Numbers, other: Numbers) -> Numbers:
    """|A ∩ B| / |A ∪ B| from |A ∩ B| (float64), |A| and |B|; nan if both sets are empty."""
    union = one + other - shared
    return np.divide(shared, union, out=np.full_like(shared, np.nan), where=union > 0)


def source_members(mappings: pa.Table) -> SetMembers:
    return mappings["layer"].to_numpy(), mappings["head"].to_numpy(), mappings["source_id"].to_numpy()


def mapping_members(mappings: pa.Table) -> SetMembers:
    """The (source, target) pairs of every head."""
    layer, head, source = source_members(mappings)
    row, target = flatten_targets(mappings)
    return layer[row], head[row], encode_pairs(source[row], target)


def flatten_targets(mappings: pa.Table) -> tuple[Numbers, Numbers]:
    """The row of its mapping and the id of every target, mapping by mapping."""
    lists = mappings["target_ids"].combine_chunks()
    return pc.list_parent_indices(lists).to_numpy(), pc.list_flatten(lists).to_numpy()


def encode_pairs(source: Numbers, target: Numbers) -> Numbers:
    """Pairs of ids as one number each, source · 2³² + target."""
    return source.astype(np.int64) << 32 | target


def relation_members(classified: RelationsByHead) -> SetMembers:
    """The relations of every classified head, numbered by relation and side (implemented or suppressed)."""
    numbers: dict[tuple[str, str], int] = {}
    rows = [
        (head.layer, head.head, numbers.setdefault((each.relation, each.side), len(numbers)))
        for head, head_relations in classified.items()
        for each in head_relations
    ]
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]
