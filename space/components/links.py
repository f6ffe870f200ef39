"""Builds the addresses of the app's pages, and reads the head from one."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from maps.types import HeadId


def link_to_search(words: str, model: str = "", kind: str = "", page: int = 1) -> str:
    """The address of a search; `kind` and `page` as in `space.search.search`."""
    query = {"q": words, "model": model, "kind": kind, "page": str(page) if page > 1 else ""}
    return "search?" + urlencode({name: value for name, value in query.items() if value or name == "q"})


def link_to_head(model: str, head: HeadId) -> str:
    return "head?" + urlencode({"model": model, "layer": head.layer, "head": head.head})


def link_to_try(source: str, target: str = "") -> str:
    """The address at which all heads are asked about a token or a pair; strings as in an atlas."""
    query = {"source": source.strip(), "target": target.strip()}
    return "try?" + urlencode({name: value for name, value in query.items() if value})


def link_to_ask(model: str, head: HeadId) -> str:
    """The address at which a visitor asks a language model about a head."""
    return link_to_head(model, head).replace("head?", "ask?", 1)


def link_to_describe(model: str, head: HeadId) -> str:
    """The address at which an organiser describes one head."""
    return "models?" + urlencode({"model": model, "head": str(head)})


def link_to_new_study(model: str, describer: str) -> str:
    """The address at which an organiser creates a study of a describer's descriptions."""
    return "organise?" + urlencode({"judge": f"{model} · {describer}"})


def link_to_model(model: str) -> str:
    """The address of a model's grid."""
    return "./?" + urlencode({"model": model})


def link_to_grid(model: str, relation: str) -> str:
    return "./?" + urlencode({"model": model, "colour": f"relation:{relation}"})


def link_to_relation(name: str, model: str | None = None, head: HeadId | None = None) -> str:
    """The address of a relation's page: for all models, for one model, or for one of its heads."""
    query = {"name": name}
    if model is not None:
        query["model"] = model
    if head is not None:
        query |= {"layer": str(head.layer), "head": str(head.head)}
    return "relation?" + urlencode(query)


def link_to_relations(model: str = "") -> str:
    """The address of the overview of all relations: of the first models, or of one."""
    return "relation" + (f"?{urlencode({'model': model})}" if model else "")


def link_to_compare(model: str, other: str, view: str = "", **more: str | int) -> str:
    """The address of two models side by side; `more` are further entries of its query, left out where empty."""
    query = {"model": model, "other": other, "view": view, **more}
    return "compare?" + urlencode({name: value for name, value in query.items() if value != ""})


def link_to_catalogue(**query: str) -> str:
    """The address of the catalogue of models; entries that are empty are left out."""
    return "catalogue?" + urlencode({name: value for name, value in query.items() if value})


def head_in_query(query: Mapping[str, str]) -> HeadId | None:
    """The head in the query of an address, even if the model has no such head; None without valid numbers."""
    layer, head = query.get("layer", ""), query.get("head", "")
    if not (layer.isdecimal() and head.isdecimal()) or len(layer + head) >= 12:
        return None
    return HeadId(int(layer), int(head))
