"""Endpoints about whole models: what there is, counts, the search, two models or two describers side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from maps.analysis.classification import categories_table, classification_summary
from maps.errors import MapsError
from space.atlases import cache
from space.atlases.compare import compare_describers as compared
from space.endpoints.values import JsonRows, json_value, threshold_or_default
from space.search.search import search as searched
from space.services import Services

SECTIONS = ("descriptions", "sources", "targets", "relations", "alike")
SHOWN_INFO_FIELDS = ("model", "layers", "heads", "kv_heads", "width", "vocabulary")  # of an atlas's information


def endpoints(services: Services) -> tuple[Callable[..., Any], ...]:
    """The functions, by the names of their endpoints."""
    return (
        make_models_endpoint(services),
        *make_count_endpoints(services),
        *make_comparison_endpoints(services),
        make_search_endpoint(services),
    )


def make_models_endpoint(services: Services) -> Callable[..., Any]:
    """What there is."""

    def models() -> JsonRows:
        """Every mapped model, with its number of layers and heads, its vocabulary and what its atlas holds."""
        return [
            {
                **{name: atlas.info[name] for name in SHOWN_INFO_FIELDS},
                "mapped_heads": len(atlas.head_ids),
                "tau": atlas.info["settings"]["tau"],
                "describers": sorted(cache.descriptions_by_describer(atlas)),
                "tables": atlas.table_names,
            }
            for atlas in services.atlases.values()
        ]

    return models


def make_count_endpoints(services: Services) -> tuple[Callable[..., Any], ...]:
    """How many heads do what, and what each does."""

    def model(model: str, tau: float | None = None) -> dict:  # type: ignore[type-arg]
        """How many heads of a model do what: by category and relation, by random heads, and described by layer.

        Args:
            model: a name that `models` lists
            tau: the threshold, above 0 and at most 1; the atlas's own where it is left out
        """
        atlas = services.atlas(model)
        at = threshold_or_default(tau, atlas)
        found, relations = cache.classified_heads(atlas, at), cache.relation_summary(atlas, at)
        return {
            "model": model,
            "tau": at,
            "summary": classification_summary(atlas.head_ids, found, relations).to_pylist(),
            "relations": relations.to_pylist(),
            "random_baseline": atlas.random_baseline(),
            "identification": cache.pattern_rates(atlas).to_pylist(),
        }

    def heads(model: str, tau: float | None = None) -> JsonRows:
        """Every head of a model: its categories, relations and suppressed relations, its numbers and its description.

        Args:
            model: a name that `models` lists
            tau: the threshold, above 0 and at most 1; the atlas's own where it is left out
        """
        atlas = services.atlas(model)
        does = categories_table(
            atlas.head_ids, cache.classified_heads(atlas, threshold_or_default(tau, atlas))
        ).to_pylist()
        numbers = {(row["layer"], row["head"]): row for row in atlas.table("heads").to_pylist()}
        said = zip(cache.head_descriptions(atlas), cache.detection_scores(atlas), strict=True)
        return [
            {**numbers[row["layer"], row["head"]], **row, "description": sentence or None, "detection": detection}
            for row, (sentence, detection) in zip(does, said, strict=True)
        ]

    return model, heads


def make_comparison_endpoints(services: Services) -> tuple[Callable[..., Any], ...]:
    """Two models, and two describers of one."""
    counts, _ = make_count_endpoints(services)

    def compare(model: str, other: str) -> JsonRows:
        """Two models side by side: for each what `model` tells, at its own threshold.

        Args:
            model: a name that `models` lists
            other: another such name
        """
        return [counts(model), counts(other)]

    def describers(model: str, describer: str = "", against: str = "") -> dict:  # type: ignore[type-arg]
        """How far two describers of a model agree on seeing a pattern, with every head on which they do not.

        Args:
            model: a name that `models` lists
            describer: one of its describers; the first where it is left out
            against: another of them; the second where it is left out
        """
        found = compared(services.atlas(model), describer, against)
        if found is None:
            raise MapsError(f"{model} has no two describers.")
        return {
            **{name: getattr(found, name) for name in ("describer", "against", "heads", "agreed")},
            "differ": [
                {"layer": head.layer, "head": head.head, found.describer: one, found.against: other}
                for head, one, other in found.differing_heads
            ],
        }

    return compare, describers


def make_search_endpoint(services: Services) -> Callable[..., Any]:
    """The search."""

    def search(query: str, model: str = "", kind: str = "", page: int = 1) -> dict:  # type: ignore[type-arg]
        """What a search finds: heads by description and by token, tokens and relations, with counts before any cut.

        Args:
            query: words of a description, a token, or the name of a relation
            model: a name that `models` lists; all models where it is left out
            kind: one kind of results alone, as in the page's address
            page: of the results of one kind, from 1
        """
        atlases = [services.atlas(model)] if model else list(services.atlases.values())
        if not page or page < 1:
            raise MapsError("The page of a search is a whole number from 1 on.")
        if not query:
            raise MapsError("A search needs a query.")
        found = searched([services.search_indexes.get(atlas) for atlas in atlases], query, kind or "", page)
        sections = {name: getattr(found, name) for name in SECTIONS}
        return {
            "query": query,
            **{
                name: {"total": each.total, "items": json_value([asdict(i) for i in each.items])}
                for name, each in sections.items()
            },
        }

    return search
