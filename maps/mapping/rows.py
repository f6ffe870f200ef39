"""Relation scores as rows of the atlas's tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from maps.atlas.schema import Row
from maps.heads.relation_scores import UsableRelation
from maps.types import HeadId


def pair_rows(relations: Sequence[UsableRelation], tokens: Sequence[str]) -> list[Row]:
    """The rows of `pairs`: each relation's usable pairs, numbered from 0, with the tokens as stored."""
    return [
        {
            "relation": each.relation.name,
            "category": each.relation.category or None,
            "pair": number,
            "source_id": source,
            "source": tokens[source],
            "target_id": target,
            "target": tokens[target],
        }
        for each in relations
        for number, (source, target) in enumerate(zip(each.sources, each.targets, strict=True))
    ]


class HeadHits(NamedTuple):
    """The rank tests of one head on all pairs, in the order of the relations' pairs: top and bottom (n,)."""

    head: HeadId
    top: Tensor
    bottom: Tensor


def hit_rows(head_hits: HeadHits, relations: Sequence[UsableRelation]) -> list[Row]:
    """The rows of `hits` of one head: the numbers of its hits, of each relation that has any."""
    sizes, rows = [len(each.sources) for each in relations], []
    for each, high, low in zip(relations, head_hits.top.split(sizes), head_hits.bottom.split(sizes), strict=True):
        hit, suppressed = (found.nonzero()[:, 0].tolist() for found in (high, low))
        if hit or suppressed:
            row = {"relation": each.relation.name, "hits": hit, "suppressed": suppressed}
            rows.append({**head_hits.head._asdict(), **row})
    return rows
