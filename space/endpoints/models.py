"""Endpoints about whole models: list, counts, search, comparison of two models or two describers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from maps.analysis.classification import categories_table, classification_summary
from maps.errors import MapsError
from space.atlases import cache
from space.atlases.compare import compare_describers as compare_two_describers
from space.atlases.hidden import hidden_heads
from space.endpoints.values import JsonRows, json_value, threshold_or_default
from space.search.search import search as search_indexes
from space.services import Services
from space.studies.headlines import head_headlines

SECTIONS = ("named_heads", "descriptions", "sources", "targets", "relations", "alike")
SHOWN_INFO_FIELDS = ("model", "layers", "heads", "kv_heads", "width", "vocabulary")  # of `Atlas.info`


def endpoints(services: Services) -> tuple[Callable[..., Any], ...]:
    """The endpoints of this module."""
    return (
        make_models_endpoint(services),
        *make_count_endpoints(services),
        *make_comparison_endpoints(services),
        make_search_endpoint(services),
    )


def make_models_endpoint(services: Services) -> Callable[..., Any]:
    """The endpoint `models`."""

    def models() -> JsonRows:
        """Every mapped model: its numbers of layers and heads, its vocabulary, the reading and the tables of its atlas,
        and how many descriptions are hidden while a study goes on."""
        return [
            {
                **{name: atlas.info[name] for name in SHOWN_INFO_FIELDS},
                "reading": atlas.reading,
                "mapped_heads": len(atlas.head_ids),
                "tau": atlas.info["settings"]["tau"],
                "describers": sorted(cache.descriptions_by_describer(atlas)),
                "hidden_descriptions": len(hidden_heads(atlas)),
                "tables": atlas.table_names,
            }
            for atlas in services.atlases.values()
        ]

    return models


def make_count_endpoints(services: Services) -> tuple[Callable[..., Any], ...]:
    """The endpoints `model` and `heads`."""

    def model(model: str, tau: float | None = None) -> dict:  # type: ignore[type-arg]
        """Counts of a model's heads by category and relation, those of random heads, and described patterns by layer.

        Args:
            model: a name that `models` lists
            tau: the threshold, above 0 and at most 1; default: the atlas's own
        """
        atlas = services.atlas(model)
        threshold = threshold_or_default(tau, atlas)
        heads, relations = cache.classified_heads(atlas, threshold), cache.relation_summary(atlas, threshold)
        return {
            "model": model,
            "tau": threshold,
            "summary": classification_summary(atlas.head_ids, heads, relations).to_pylist(),
            "relations": relations.to_pylist(),
            "random_baseline": atlas.random_baseline(),
            "identification": cache.pattern_rates(atlas).to_pylist(),
        }

    def heads(model: str, tau: float | None = None) -> JsonRows:
        """Every head of a model: its categories, relations and suppressed relations, its numbers and its headline.

        Args:
            model: a name that `models` lists
            tau: the threshold, above 0 and at most 1; default: the atlas's own
        """
        atlas = services.atlas(model)
        classified = cache.classified_heads(atlas, threshold_or_default(tau, atlas))
        categories = categories_table(atlas.head_ids, classified).to_pylist()
        numbers = {(row["layer"], row["head"]): row for row in atlas.table("heads").to_pylist()}
        headlines, detections = head_headlines(services, atlas).values(), cache.detection_scores(atlas)
        return [
            {
                **numbers[row["layer"], row["head"]],
                **row,
                "headline": headline.plain_text or None,
                "detection": detection,
            }
            for row, headline, detection in zip(categories, headlines, detections, strict=True)
        ]

    return model, heads


def make_comparison_endpoints(services: Services) -> tuple[Callable[..., Any], ...]:
    """The endpoints `compare` and `describers`."""
    counts, _ = make_count_endpoints(services)

    def compare(model: str, other: str) -> JsonRows:
        """Two models side by side: the answer of `model` for each, at its own threshold.

        Args:
            model: a name that `models` lists
            other: another such name
        """
        return [counts(model), counts(other)]

    def describers(model: str, describer: str = "", against: str = "") -> dict:  # type: ignore[type-arg]
        """How often two describers of a model agree that there is a pattern, and the heads where they disagree.

        Args:
            model: a name that `models` lists
            describer: one of its describers; default: the first
            against: another of them; default: the second
        """
        comparison = compare_two_describers(services.atlas(model), describer, against)
        if comparison is None:
            raise MapsError(f"{model} has fewer than two describers.")
        return {
            **{name: getattr(comparison, name) for name in ("describer", "against", "heads", "agreed")},
            "differ": [
                {"layer": head.layer, "head": head.head, comparison.describer: one, comparison.against: other}
                for head, one, other in comparison.differing_heads
            ],
        }

    return compare, describers


def make_search_endpoint(services: Services) -> Callable[..., Any]:
    """The endpoint `search`."""

    def search(query: str, model: str = "", kind: str = "", page: int = 1) -> dict:  # type: ignore[type-arg]
        """The results of a search: heads by name, description and token, tokens, and relations, with total counts.

        Args:
            query: words of a description, a token, the name of a relation, words of its pairs, or the name of a head
            model: a name that `models` lists; default: all models
            kind: only results of this kind, as in the page's address
            page: the page of the results of one kind, from 1
        """
        atlases = [services.atlas(model)] if model else list(services.atlases.values())
        if not page or page < 1:
            raise MapsError("The page of a search must be a whole number from 1.")
        if not query:
            raise MapsError("A search needs a query.")
        indexes = [services.search_indexes.get(atlas) for atlas in atlases]
        results = search_indexes(indexes, query, kind or "", page)
        answer: dict[str, Any] = {"query": query}
        for name in SECTIONS:
            section = getattr(results, name)
            answer[name] = {"total": section.total, "items": json_value([asdict(item) for item in section.items])}
        return answer

    return search
