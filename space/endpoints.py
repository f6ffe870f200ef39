"""The explorer for programs: what its pages show, as Gradio API endpoints and, where asked for, as tools over MCP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gradio.events import api

from maps.classification import SCORE, SUPPRESSION, categories, summary
from maps.prompts import mapping_hash
from maps.types import HeadId, MapsError
from space import reading
from space.pages.head import asked_for
from space.searching.search import search as searched
from space.services import Services
from space.spoken import spoken

SECTIONS = ("descriptions", "sources", "targets", "relations", "alike")
Rows = list[dict[str, Any]]


def build_endpoints(services: Services) -> None:
    """Adds the endpoints to the site that is being built; each is a function of its arguments alone."""
    for endpoint in (*of_models(services), *of_search(services), *of_heads(services)):
        api(spoken(endpoint), api_name=endpoint.__name__, queue=False)


def of_models(services: Services) -> tuple[Any, ...]:
    """The endpoints about whole models."""

    def models() -> list[dict]:  # type: ignore[type-arg]
        """Every mapped model, with its number of layers and heads, its vocabulary and what its atlas holds."""
        return [
            {
                **{name: atlas.info[name] for name in ("model", "layers", "heads", "kv_heads", "width", "vocabulary")},
                "mapped_heads": len(atlas.ids),
                "tau": atlas.info["settings"]["tau"],
                "tables": atlas.tables,
            }
            for atlas in services.atlases.values()
        ]

    def model(model: str, tau: float | None = None) -> dict:  # type: ignore[type-arg]
        """How many heads of a model implement or suppress each of the relations at a threshold.

        Args:
            model: a name that `models` lists
            tau: the threshold, above 0 and at most 1; the atlas's own where it is left out
        """
        atlas = services.atlas(model)
        at = checked(tau, float(atlas.info["settings"]["tau"]))
        found, relations = reading.classified(atlas, at), reading.per_relation(atlas, at)
        counts = summary(atlas.ids, found, relations).to_pylist()
        return {"model": model, "tau": at, "summary": counts, "relations": relations.to_pylist()}

    def heads(model: str, tau: float | None = None) -> list[dict]:  # type: ignore[type-arg]
        """Every head of a model: its categories, relations and suppressed relations at a threshold, and its numbers.

        Args:
            model: a name that `models` lists
            tau: the threshold, above 0 and at most 1; the atlas's own where it is left out
        """
        atlas = services.atlas(model)
        at = checked(tau, float(atlas.info["settings"]["tau"]))
        does = categories(atlas.ids, reading.classified(atlas, at)).to_pylist()
        numbers = {(row["layer"], row["head"]): row for row in atlas.table("heads").to_pylist()}
        return [{**numbers[row["layer"], row["head"]], **row} for row in does]

    return models, model, heads


def of_search(services: Services) -> tuple[Any, ...]:
    """The endpoint of the search."""

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
        found = searched([services.indexes.of(atlas) for atlas in atlases], query, kind or "", page)
        sections = {name: getattr(found, name) for name in SECTIONS}
        return {
            "query": query,
            **{
                name: {"total": each.total, "items": [asdict(i) for i in each.items]} for name, each in sections.items()
            },
        }

    return (search,)


def of_heads(services: Services) -> tuple[Any, ...]:
    """The endpoints about single heads."""

    def head(model: str, layer: int, head: int) -> dict:  # type: ignore[type-arg]
        """One head: its salient mappings, its score on every relation, its descriptions and the evidence for them.

        Args:
            model: a name that `models` lists
            layer: its layer, from 0
            head: its place in the layer, from 0
        """
        atlas, found = asked_for(services, {"model": model, "layer": str(layer), "head": str(head)})
        tables = ("mappings", "relations", "descriptions", "scores", "checks", "concentration")
        rows = {name: plain(atlas.table(name, head=found).to_pylist()) for name in tables}
        numbers = plain(atlas.table("heads", head=found).to_pylist())[0]
        name = str(HeadId(layer, head))
        return {"model": model, "name": name, **numbers, "mapping_hash": mapping_hash(atlas.mappings(found)), **rows}

    def relation(name: str, model: str) -> list[dict]:  # type: ignore[type-arg]
        """Every head of a model with its score on a relation and its suppression of it.

        Args:
            name: a relation that `model` lists, such as country_to_capital
            model: a name that `models` lists
        """
        atlas = services.atlas(model)
        if name not in reading.relations(atlas):
            raise MapsError(f"{model} was not scored on {name!r}; `model` lists its relations.")
        sides = {side: reading.relation_values(atlas, name, side) for side in (SCORE, SUPPRESSION)}
        return [
            {"layer": each.layer, "head": each.head, **{side: values[place] for side, values in sides.items()}}
            for place, each in enumerate(atlas.ids)
        ]

    return head, relation


def plain(rows: Rows) -> Rows:
    """Rows as JSON takes them: times as text."""
    return [
        {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
        for row in rows
    ]


def checked(tau: float | None, otherwise: float) -> float:
    """A threshold from outside."""
    if tau is None:
        return otherwise
    if not 0 < tau <= 1:
        raise MapsError("The threshold is no number above 0 and at most 1.")
    return tau
