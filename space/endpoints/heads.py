"""Endpoints about single heads and relations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from maps.analysis.classification import SCORE, SUPPRESSION
from maps.analysis.similar_heads import similar_heads
from maps.errors import MapsError
from maps.hashes import mapping_hash
from maps.types import HeadId
from space.atlases import cache
from space.atlases.cache import group_mates
from space.components.tally import answer_counts
from space.endpoints.values import JsonRows, json_value
from space.services import Services
from space.studies.open_answers import published_judgments
from space.web.addresses import requested_head

HEAD_TABLES = ("mappings", "relations", "descriptions", "scores", "checks", "concentration")
MAX_SIMILAR_HEADS = 10  # similar heads


def endpoints(services: Services) -> tuple[Callable[..., Any], ...]:
    """The functions, by the names of their endpoints."""
    return make_head_endpoint(services), *make_relation_endpoints(services)


def make_head_endpoint(services: Services) -> Callable[..., Any]:
    """One head."""

    def head(model: str, layer: int, head: int) -> dict:  # type: ignore[type-arg]
        """One head: its salient mappings, its score on every relation, its descriptions with the evidence for them,
        the heads like it and beside it, and what people judged, once a study of it is open.

        Args:
            model: a name that `models` lists
            layer: its layer, from 0
            head: its place in the layer, from 0
        """
        atlas, found = requested_head(services, {"model": model, "layer": str(layer), "head": str(head)})
        rows = {name: json_value(atlas.table(name, head=found).to_pylist()) for name in HEAD_TABLES}
        numbers = json_value(atlas.table("heads", head=found).to_pylist())[0]
        study, judgments = published_judgments(services, atlas, found)
        return {
            "model": model,
            "name": str(HeadId(layer, head)),
            **numbers,
            "mapping_hash": mapping_hash(atlas.mappings(found)),
            **rows,
            "similar": [
                json_value(each._asdict())
                for each in similar_heads(cache.mapping_index(atlas), found, MAX_SIMILAR_HEADS)
            ],
            "group_mates": json_value(group_mates(atlas, found)),
            "judgments": {"study": study.name, "n": len(judgments), **answer_counts(judgments)} if study else None,
        }

    return head


def make_relation_endpoints(services: Services) -> tuple[Callable[..., Any], ...]:
    """A relation on all heads, and its pairs under one."""

    def relation(name: str, model: str = "") -> JsonRows:
        """Every head with its score on a relation and its suppression of it.

        Args:
            name: a relation that `model` lists, such as country_to_capital
            model: a name that `models` lists; all models that were scored on it where it is left out
        """
        asked = [services.atlas(model)] if model else list(services.atlases.values())
        scored = [atlas for atlas in asked if name in cache.relation_names(atlas)]
        if not scored:
            who = f"{model} was" if model else "No model was"
            raise MapsError(f"{who} scored on {name!r}; `model` lists the relations of a model.")
        return [
            {"model": atlas.model, "layer": each.layer, "head": each.head, SCORE: score, SUPPRESSION: down}
            for atlas in scored
            for each, score, down in zip(
                atlas.head_ids,
                *(cache.relation_values(atlas, name, side) for side in (SCORE, SUPPRESSION)),
                strict=True,
            )
        ]

    def pairs(name: str, model: str, layer: int, head: int) -> JsonRows:
        """The usable pairs of a relation, and which of them a head has as hits or suppresses.

        Args:
            name: a relation that `model` lists, such as country_to_capital
            model: a name that `models` lists
            layer: the head's layer, from 0
            head: the head's place in its layer, from 0
        """
        atlas, found = requested_head(services, {"model": model, "layer": str(layer), "head": str(head)})
        if name not in cache.relation_names(atlas):
            raise MapsError(f"{model} was not scored on {name!r}; `model` lists its relations.")
        rows: JsonRows = json_value(atlas.pairs(name, found).to_pylist())
        return rows

    return relation, pairs
