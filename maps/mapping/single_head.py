"""One head of a model: the mappings and the relation scores that an atlas would hold of it."""

from __future__ import annotations

from collections.abc import Sequence

from maps.heads.relation_scores import scores_of_layer
from maps.heads.salient_tokens import Wanted, salient_mappings
from maps.mapping.model import Model
from maps.types import HeadId, Mapping, Relation, RelationScore, at_least_one


def mappings_of_head(model: Model, head: HeadId, salient: int, targets: int) -> list[Mapping]:
    """The head's `salient` most salient tokens, each with its highest `targets` targets, by rank."""
    wanted = Wanted(at_least_one("salient", salient), 0, at_least_one("targets", targets))
    layer, only = model.layer(head.layer), slice(head.head, head.head + 1)
    found = salient_mappings(
        layer.sources,
        layer.sigma[only],
        layer.exact.alone(head.head),
        layer.reading.alone(head.head),
        model.columns,
        wanted,
    )
    return model.mappings(found, found.highest)[0]


def scores_of_head(model: Model, head: HeadId, relations: Sequence[Relation], k: int | None) -> list[RelationScore]:
    """The head's score and suppression on each relation."""
    pairs, layer = model.pairs(relations, None if k is None else at_least_one("k", k)), model.layer(head.layer)
    alone = layer.reading.alone(head.head)
    return scores_of_layer(pairs, layer.sources, alone, model.columns)[0]
