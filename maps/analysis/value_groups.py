"""How alike the heads are that share a value head (grouped-query attention), beside heads that do not.

For every two heads of a layer the Jaccard similarity |A ∩ B| / |A ∪ B| of three sets: their salient sources, their
(source, target) mappings, and the relations that they implement or suppress, counted apart. The last only where at
least one of the two is classified: two heads that do nothing are not alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from maps.analysis.classification import RelationsByHead

SETS = ("sources", "mappings", "relations")
WITHIN, BETWEEN = "within", "between"
GROUPS_SCHEMA = pa.schema(
    [
        ("layer", pa.int32()),
        ("sets", pa.string()),
        ("heads", pa.string()),
        ("pairs", pa.int32()),
        ("similarity", pa.float64()),
        ("reason", pa.string()),
    ]
)
Numbers = NDArray[Any]
SetMembers = tuple[Numbers, Numbers, Numbers]  # layer, head and element of everything that is in a head's set


def value_group_similarity(heads: pa.Table, mappings: pa.Table, classified: RelationsByHead) -> pa.Table:
    """Mean similarity within and between the groups of a value head, by layer, and over all pairs of all layers.

    `heads` and `mappings` are the atlas's tables. `layer` is null in the rows of all layers; `value_group_similarity` is null,
    with its reason, where there is no such pair.
    """
    members = {
        "sources": source_members(mappings),
        "mappings": mapping_members(mappings),
        "relations": relation_members(classified),
    }
    ordered = heads.sort_by([("layer", "ascending"), ("head", "ascending")])
    layer, head, kv = (ordered[name].to_numpy() for name in ("layer", "head", "kv_head"))
    layers = [int(each) for each in np.unique(layer)]
    values: dict[tuple[int, str, str], Numbers] = {}
    for each in layers:
        ids, groups = head[layer == each], kv[layer == each]
        first, second = np.triu_indices(len(ids), k=1)
        together = groups[first] == groups[second]
        for name in SETS:
            found = jaccard_matrix(ids, members_of_layer(members[name], each))[first, second]
            for side, chosen in ((WITHIN, together), (BETWEEN, ~together)):
                values[each, name, side] = found[chosen]
    possible = {side: any(len(values[each, "sources", side]) for each in layers) for side in (WITHIN, BETWEEN)}
    rows = [
        mean_similarity_row(each, name, side, values[each, name, side], possible[side])
        for each in layers
        for name in SETS
        for side in (WITHIN, BETWEEN)
    ]
    for name in SETS:
        for side in (WITHIN, BETWEEN):
            every = [values[each, name, side] for each in layers]
            rows.append(mean_similarity_row(None, name, side, np.concatenate([*every, np.empty(0)]), possible[side]))
    return pa.Table.from_pylist(rows, schema=GROUPS_SCHEMA)


def mean_similarity_row(layer: int | None, name: str, side: str, values: Numbers, has_pairs: bool) -> dict[str, object]:
    """A row of the table; undefined similarities (both sets empty) are no pairs."""
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


def jaccard_matrix(ids: Numbers, members: tuple[Numbers, Numbers]) -> Numbers:
    """The similarity of every two heads of a layer (heads × heads); nan where both sets are empty.

    `members` holds a head and an element for everything in a set; elements may repeat.
    """
    head, element = members
    _, column = np.unique(element, return_inverse=True)
    known = np.isin(head, ids)
    has = np.zeros((len(ids), int(column.max(initial=-1)) + 1), dtype=np.float32)
    has[np.searchsorted(ids, head[known]), column[known]] = 1
    shared = (has @ has.T).astype(np.float64)  # whole numbers below 2²⁴, so exact
    size = has.sum(axis=1, dtype=np.float64)
    return jaccard_from_counts(shared, size[:, None], size[None, :])


def jaccard_from_counts(shared: Numbers, one: Numbers, other: Numbers) -> Numbers:
    """|A ∩ B| / |A ∪ B| from |A ∩ B| (float64), |A| and |B|; nan where both are empty."""
    union = one + other - shared
    return np.divide(shared, union, out=np.full_like(shared, np.nan), where=union > 0)


def members_of_layer(members: SetMembers, layer: int) -> tuple[Numbers, Numbers]:
    """The heads and elements of one layer."""
    layers, head, element = members
    chosen = layers == layer
    return head[chosen], element[chosen]


def source_members(mappings: pa.Table) -> SetMembers:
    """The salient sources of every head."""
    layer, head, source = (mappings[name].to_numpy() for name in ("layer", "head", "source_id"))
    return layer, head, source


def mapping_members(mappings: pa.Table) -> SetMembers:
    """The (source, target) pairs of every head; a pair of ids is one number."""
    layer, head, source = source_members(mappings)
    row, target = flatten_targets(mappings)
    return layer[row], head[row], encode_pairs(source[row], target)


def flatten_targets(mappings: pa.Table) -> tuple[Numbers, Numbers]:
    """The targets of all mappings, one after the other, each with the row of its mapping."""
    lists = mappings["target_ids"].combine_chunks()
    return pc.list_parent_indices(lists).to_numpy(), pc.list_flatten(lists).to_numpy()


def encode_pairs(source: Numbers, target: Numbers) -> Numbers:
    """Pairs of ids, each as one number."""
    return source.astype(np.int64) << 32 | target


def relation_members(classified: RelationsByHead) -> SetMembers:
    """The relations of every classified head; suppressing one is another element than implementing it."""
    number: dict[tuple[str, str], int] = {}
    rows = [
        (head.layer, head.head, number.setdefault((each.relation, each.side), len(number)))
        for head, does in classified.items()
        for each in does
    ]
    layer, head, element = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return layer, head, element
