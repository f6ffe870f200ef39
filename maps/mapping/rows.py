"""What a layer's computations become: rows of `heads`, `relations`, `hits` and `pairs`."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

from torch import Tensor

from maps.atlas.schema import Row, relation_row
from maps.heads.circuit import skewness
from maps.heads.relation_scores import UsableRelation, scores_from_hits
from maps.mapping.reading import Reading
from maps.types import HeadId


class HeadHits(NamedTuple):
    """The rank tests of one head on n pairs, relation after relation, (n,) bool each."""

    head: HeadId
    top: Tensor
    bottom: Tensor
    copied: Tensor  # the pairs that the identity matrix in the head's place would hit


def head_row(head: HeadId, kv_head: int, sigma: Tensor, kurtosis: float) -> Row:
    """A row of `heads`. `sigma`: (V,) saliency of every token. Columns computed on request are left empty."""
    return {
        **head._asdict(),
        "kv_head": kv_head,
        "saliency_mean": float(sigma.double().mean()),
        "saliency_max": float(sigma.max()),
        "input_skewness": skewness(sigma),
        "target_kurtosis": kurtosis if isfinite(kurtosis) else None,
        "output_space": None,
        "top_scoring_jaccard": None,
    }


def score_rows(head_hits: Sequence[HeadHits], relations: Sequence[UsableRelation], reading: Reading) -> list[Row]:
    """The rows of `relations` of some heads."""
    return [
        relation_row(each.head, score, str(reading))
        for each in head_hits
        for score in scores_from_hits(relations, each.top, each.bottom, each.copied)
    ]


def hit_rows(head_hits: HeadHits, relations: Sequence[UsableRelation]) -> list[Row]:
    """The rows of `hits` of one head, one for each relation that has a hit or a suppressed pair."""
    sizes, rows = [len(each.sources) for each in relations], []
    by_relation = zip(relations, head_hits.top.split(sizes), head_hits.bottom.split(sizes), strict=True)
    for each, top, bottom in by_relation:
        hits, suppressed = top.nonzero()[:, 0].tolist(), bottom.nonzero()[:, 0].tolist()
        if hits or suppressed:
            row = {"relation": each.relation.name, "hits": hits, "suppressed": suppressed}
            rows.append({**head_hits.head._asdict(), **row})
    return rows


def pair_rows(relations: Sequence[UsableRelation], tokens: Sequence[str]) -> list[Row]:
    """The rows of `pairs`: each relation's usable pairs, numbered from 0."""
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
