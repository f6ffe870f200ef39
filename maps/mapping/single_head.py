"""The mappings and relation scores of one head, computed without an atlas."""

from __future__ import annotations

from collections.abc import Sequence

from maps.heads.relation_scores import score_layer_relations
from maps.heads.salient_tokens import SalientCounts, find_salient_mappings
from maps.mapping.model import Model
from maps.types import HeadId, Mapping, Relation, RelationScore, check_at_least_one


def mappings_of_head(model: Model, head: HeadId, salient: int, targets: int) -> list[Mapping]:
    """The head's `salient` most salient tokens, each with its `targets` highest targets, by rank."""
    counts = SalientCounts(check_at_least_one("salient", salient), 0, check_at_least_one("targets", targets))
    layer = model.layer(head.layer)
    mappings = find_salient_mappings(
        layer.sources,
        layer.saliency[head.head : head.head + 1],
        layer.exact_heads.single_head(head.head),
        layer.scoring_heads.single_head(head.head),
        model.unembedding,
        counts,
    )
    return model.mappings(mappings, mappings.highest_targets)[0]


def scores_of_head(model: Model, head: HeadId, relations: Sequence[Relation], k: int | None) -> list[RelationScore]:
    pairs = model.usable_pairs(relations, None if k is None else check_at_least_one("k", k))
    layer = model.layer(head.layer)
    single = layer.scoring_heads.single_head(head.head)
    return score_layer_relations(pairs, layer.sources, single, model.unembedding)[0]
