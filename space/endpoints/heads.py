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
from space.components.tally import counts
from space.endpoints.values import Rows, plain
from space.services import Services
from space.studies.open_answers import published
from space.web.addresses import asked_for

TABLES = ("mappings", "relations", "descriptions", "scores", "checks", "concentration")
ALIKE = 10  # similar heads


def endpoints(services: Services) -> tuple[Callable[..., Any], ...]:
    """The functions, by the names of their endpoints."""
    return of_heads(services), *of_relations(services)


def of_heads(services: Services) -> Callable[..., Any]:
    """One head."""

    def head(model: str, layer: int, head: int) -> dict:  # type: ignore[type-arg]
        """One head: its salient mappings, its score on every relation, its descriptions with the evidence for them,
        the heads like it and beside it, and what people judged, once a study of it is open.

        Args:
            model: a name that `models` lists
            layer: its layer, from 0
            head: its place in the layer, from 0
        """
        atlas, found = asked_for(services, {"model": model, "layer": str(layer), "head": str(head)})
        rows = {name: plain(atlas.table(name, head=found).to_pylist()) for name in TABLES}
        numbers = plain(atlas.table("heads", head=found).to_pylist())[0]
        study, judgments = published(services, atlas, found)
        return {
            "model": model,
            "name": str(HeadId(layer, head)),
            **numbers,
            "mapping_hash": mapping_hash(atlas.mappings(found)),
            **rows,
            "similar": [plain(each._asdict()) for each in similar_heads(cache.mapped(atlas), found, ALIKE)],
            "group_mates": plain(group_mates(atlas, found)),
            "judgments": {"study": study.name, "n": len(judgments), **counts(judgments)} if study else None,
        }

    return head


def of_relations(services: Services) -> tuple[Callable[..., Any], ...]:
    """A relation on all heads, and its pairs under one."""

    def relation(name: str, model: str = "") -> Rows:
        """Every head with its score on a relation and its suppression of it.

        Args:
            name: a relation that `model` lists, such as country_to_capital
            model: a name that `models` lists; all models that were scored on it where it is left out
        """
        asked = [services.atlas(model)] if model else list(services.atlases.values())
        scored = [atlas for atlas in asked if name in cache.relations(atlas)]
        if not scored:
            who = f"{model} was" if model else "No model was"
            raise MapsError(f"{who} scored on {name!r}; `model` lists the relations of a model.")
        return [
            {"model": atlas.model, "layer": each.layer, "head": each.head, SCORE: score, SUPPRESSION: down}
            for atlas in scored
            for each, score, down in zip(
                atlas.ids, *(cache.relation_values(atlas, name, side) for side in (SCORE, SUPPRESSION)), strict=True
            )
        ]

    def pairs(name: str, model: str, layer: int, head: int) -> Rows:
        """The usable pairs of a relation, and which of them a head has as hits or suppresses.

        Args:
            name: a relation that `model` lists, such as country_to_capital
            model: a name that `models` lists
            layer: the head's layer, from 0
            head: the head's place in its layer, from 0
        """
        atlas, found = asked_for(services, {"model": model, "layer": str(layer), "head": str(head)})
        if name not in cache.relations(atlas):
            raise MapsError(f"{model} was not scored on {name!r}; `model` lists its relations.")
        rows: Rows = plain(atlas.pairs(name, found).to_pylist())
        return rows

    return relation, pairs
