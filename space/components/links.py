"""Addresses of the app's pages, and the head that an address names."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from maps.types import HeadId


def link_to_search(words: str, model: str = "", kind: str = "", page: int = 1) -> str:
    """The address of a search; `kind` and `page` as in `space.search.search`."""
    given = {"q": words, "model": model, "kind": kind, "page": str(page) if page > 1 else ""}
    return "search?" + urlencode({name: value for name, value in given.items() if value or name == "q"})


def link_to_head(model: str, head: HeadId) -> str:
    """The address of a head's page."""
    return "head?" + urlencode({"model": model, "layer": head.layer, "head": head.head})


def link_to_model(model: str) -> str:
    """The address of a model's grid."""
    return "./?" + urlencode({"model": model})


def link_to_grid(model: str, relation: str) -> str:
    """The address of a model's grid coloured by a relation."""
    return "./?" + urlencode({"model": model, "colour": f"relation:{relation}"})


def link_to_relation(name: str, model: str | None = None, head: HeadId | None = None) -> str:
    """The address of a relation's page, for one model or for one of its heads."""
    chosen = {"name": name} | ({} if model is None else {"model": model})
    chosen |= {} if head is None else {"layer": str(head.layer), "head": str(head.head)}
    return "relation?" + urlencode(chosen)


def head_in_query(query: Mapping[str, str]) -> HeadId | None:
    """The head that an address's query names, whether there is one or not; None where it names none."""
    layer, head = query.get("layer", ""), query.get("head", "")
    numbers = layer.isdecimal() and head.isdecimal() and len(layer + head) < 12
    return HeadId(int(layer), int(head)) if numbers else None
