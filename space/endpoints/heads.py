"""Endpoints about single heads and relations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from maps.analysis.classification import BEYOND_COPYING, SCORE, SUPPRESSION
from maps.analysis.similar_heads import similar_heads
from maps.errors import MapsError
from maps.hashes import mapping_hash
from space.atlases import cache
from space.atlases.cache import group_mates
from space.atlases.hidden import hidden_heads
from space.components.tally import answer_counts
from space.endpoints.values import JsonRows, json_value
from space.services import Services
from space.studies.results import published_judgments
from space.web.addresses import requested_head

HEAD_TABLES = ("mappings", "relations", "descriptions", "patterns", "scores", "checks", "concentration")
RELATION_COLUMNS = (SCORE, SUPPRESSION, "identity", *BEYOND_COPYING.values(), "beyond_copying_pairs")
MAX_SIMILAR_HEADS = 10


def endpoints(services: Services) -> tuple[Callable[..., Any], ...]:
    """The endpoints of this module."""
    return make_head_endpoint(services), *make_relation_endpoints(services)


def make_head_endpoint(services: Services) -> Callable[..., Any]:
    """The endpoint `head`."""

    def head(model: str, layer: int, head: int) -> dict:  # type: ignore[type-arg]
        """One head: its salient mappings, its scores on all relations, its descriptions and their evidence, similar
        heads, heads of its group, and people's judgments once their study is open. While a study hides its description,
        these and the evidence for them are left out.

        Args:
            model: a name that `models` lists
            layer: its layer, from 0
            head: its number in the layer, from 0
        """
        atlas, head_id = requested_head(services, {"model": model, "layer": str(layer), "head": str(head)})
        rows = {name: json_value(atlas.table(name, head=head_id).to_pylist()) for name in HEAD_TABLES}
        numbers = json_value(atlas.table("heads", head=head_id).to_pylist())[0]
        similar = similar_heads(cache.mapping_index(atlas), head_id, MAX_SIMILAR_HEADS)
        study, judgments = published_judgments(services, atlas, head_id)
        return {
            "model": model,
            "name": str(head_id),
            **numbers,
            "mapping_hash": mapping_hash(atlas.mappings(head_id)),
            "is_description_hidden": head_id in hidden_heads(atlas),
            **rows,
            "similar": [json_value(each._asdict()) for each in similar],
            "group_mates": json_value(group_mates(atlas, head_id)),
            "judgments": {"study": study.name, "n": len(judgments), **answer_counts(judgments)} if study else None,
        }

    return head


def make_relation_endpoints(services: Services) -> tuple[Callable[..., Any], ...]:
    """The endpoints `relation` and `pairs`."""

    def relation(name: str, model: str = "") -> JsonRows:
        """The score and suppression of every head on a relation, what copying alone gives, and both beyond copying.

        Args:
            name: a relation that `model` lists, such as country_to_capital
            model: a name that `models` lists; default: all models with scores on the relation
        """
        atlases = [services.atlas(model)] if model else list(services.atlases.values())
        scored = [atlas for atlas in atlases if name in cache.relation_names(atlas)]
        if not scored:
            subject = f"{model} has" if model else "No model has"
            raise MapsError(f"{subject} scores on {name!r}; `model` lists the relations of a model.")
        rows = []
        for atlas in scored:
            columns = [cache.relation_values(atlas, name, column) for column in RELATION_COLUMNS]
            for head, *values in zip(atlas.head_ids, *columns, strict=True):
                row = {"model": atlas.model, "layer": head.layer, "head": head.head}
                rows.append(row | dict(zip(RELATION_COLUMNS, values, strict=True)))
        return rows

    def pairs(name: str, model: str, layer: int, head: int) -> JsonRows:
        """The usable pairs of a relation, and whether each is a hit of the head or suppressed by it.

        Args:
            name: a relation that `model` lists, such as country_to_capital
            model: a name that `models` lists
            layer: the head's layer, from 0
            head: the head's number in its layer, from 0
        """
        atlas, head_id = requested_head(services, {"model": model, "layer": str(layer), "head": str(head)})
        if name not in cache.relation_names(atlas):
            raise MapsError(f"{model} has no scores on {name!r}; `model` lists its relations.")
        rows: JsonRows = json_value(atlas.pairs(name, head_id).to_pylist())
        return rows

    return relation, pairs
