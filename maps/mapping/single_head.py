"""One head of a model: the mappings and the relation scores that an atlas would hold of it."""

from __future__ import annotations

from collections.abc import Sequence

from maps.heads.relation_scores import score_layer_relations
from maps.heads.salient_tokens import SalientCounts, find_salient_mappings
from maps.mapping.model import Model
from maps.types import HeadId, Mapping, Relation, RelationScore, check_at_least_one


def mappings_of_head(model: Model, head: HeadId, salient: int, targets: int) -> list[Mapping]:
    """The head's `salient` most salient tokens, each with its highest `targets` targets, by rank."""
    wanted = SalientCounts(check_at_least_one("salient", salient), 0, check_at_least_one("targets", targets))
    layer, only = model.layer(head.layer), slice(head.head, head.head + 1)
    found = find_salient_mappings(
        layer.sources,
        layer.saliency[only],
        layer.exact_heads.single_head(head.head),
        layer.scoring_heads.single_head(head.head),
        model.unembedding,
        wanted,
    )
    return model.mappings(found, found.highest_targets)[0]


def scores_of_head(model: Model, head: HeadId, relations: Sequence[Relation], k: int | None) -> list[RelationScore]:
    """The head's score and suppression on each relation."""
    pairs, layer = (
        model.usable_pairs(relations, None if k is None else check_at_least_one("k", k)),
        model.layer(head.layer),
    )
    alone = layer.scoring_heads.single_head(head.head)
    return score_layer_relations(pairs, layer.sources, alone, model.unembedding)[0]
