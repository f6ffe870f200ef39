"""The layer × head grid: what each cell shows, and the component that draws it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from maps.atlas import Atlas
from maps.classification import CATEGORIES, SCORE, SUPPRESSION, Implemented, categories_of, classify
from maps.types import HeadId
from space.markup import relation_words

HERE = Path(__file__).parent
BY_CATEGORY = "category"
BY_SALIENCY = "saliency"


def head_grid() -> gr.HTML:
    """Cells of heads, layers from left to right; a click or Enter opens the head's page. Its value is `cells`'s."""
    return gr.HTML(
        html_template='<div class="head-grid"></div>',
        js_on_load=(HERE / "grid.js").read_text(encoding="utf-8"),
        elem_id="grid",
    )


def colourings(atlas: Atlas) -> list[tuple[str, str]]:
    """What the grid of an atlas can be coloured by: (words, key)."""
    scored = dict.fromkeys(atlas.table("relations", ["relation"]).column("relation").to_pylist())
    named = [(f"Relation: {relation_words(name)}", f"relation:{name}") for name in scored]
    own = [("Category of relations", BY_CATEGORY)] if scored else []
    return [*own, ("Saliency (mean over the vocabulary)", BY_SALIENCY), *named]


def cells(atlas: Atlas, colour: str, side: str, link: Callable[[HeadId], str]) -> dict[str, Any]:
    """The grid's value for one colouring; `side` is `score` or `suppression`, for relations."""
    if colour == BY_CATEGORY:
        title, kind, by_head = categories(atlas)
    elif colour == BY_SALIENCY:
        title, kind, by_head = mean_saliency(atlas)
    else:
        title, kind, by_head = relation(atlas, colour.removeprefix("relation:"), side)
    return {
        "title": title,
        "kind": kind,
        "layers": atlas.info["layers"],
        "heads": atlas.info["heads"],
        "cells": [{"layer": i.layer, "head": i.head, "href": link(i), **by_head[i]} for i in atlas.ids],
    }


ByHead = dict[HeadId, dict[str, Any]]


def categories(atlas: Atlas) -> tuple[str, str, ByHead]:
    """Each head with a band for every category that it implements."""
    settings = atlas.info["settings"]
    tau = settings["tau"]
    found = classify(atlas.table("relations"), tau, settings["min_pairs"])
    by_head: ByHead = {}
    for head in atlas.ids:
        does = found.get(head, [])
        bands = categories_of(does) + ["own"] * any(not each.category for each in does)
        words = "; ".join(map(words_of, does)) or "no relation at the threshold"
        by_head[head] = {"bands": bands, "words": words}
    counts = Counter(band for cell in by_head.values() for band in cell["bands"])
    some = sum(bool(cell["bands"]) for cell in by_head.values())
    each = ", ".join(f"{name} {counts[name]}" for name in (*CATEGORIES, "own") if counts[name])
    what = f"{some} of {len(by_head)} heads implement or suppress a relation (score {tau:g} or more)"
    title = f"{what}: {each}; a head may count in several." if some else f"{what}."
    return title, "bands", by_head


def words_of(does: Implemented) -> str:
    """`suppresses country to capital 0.40`."""
    prefix = "suppresses " if does.side == SUPPRESSION else ""
    return f"{prefix}{relation_words(does.relation)} {does.value:.2f}"


def mean_saliency(atlas: Atlas) -> tuple[str, str, ByHead]:
    """Each head by its mean saliency, as a share of the model's highest."""
    rows = atlas.table("heads", ["layer", "head", "saliency_mean", "input_skewness"]).to_pylist()
    most = max((row["saliency_mean"] for row in rows), default=1.0) or 1.0
    by_head: ByHead = {}
    for row in rows:
        skewness = "undefined" if row["input_skewness"] is None else f"{row['input_skewness']:.2f}"
        words = f"mean saliency {row['saliency_mean']:.3g}, input skewness {skewness}"
        by_head[HeadId(row["layer"], row["head"])] = {"share": row["saliency_mean"] / most, "words": words}
    return f"Mean saliency of every head; the highest is {most:.3g}.", "scale", by_head


def relation(atlas: Atlas, name: str, side: str) -> tuple[str, str, ByHead]:
    """Each head by its score on one relation, or its suppression."""
    rows = [row for row in atlas.table("relations").to_pylist() if row["relation"] == name]
    by_head: ByHead = {}
    for row in rows:
        value = row[side]
        words = f"{relation_words(name)}: {side} {'undefined' if value is None else f'{value:.2f}'}"
        by_head[HeadId(row["layer"], row["head"])] = {"share": value, "words": words}
    tau, least = atlas.info["settings"]["tau"], atlas.info["settings"]["min_pairs"]
    reach = sum((row[side] or 0.0) >= tau for row in rows)
    pairs = rows[0]["pairs"] if rows else 0
    few = f" Fewer than {least} usable pairs: no head is classified by it." if pairs < least else ""
    verb = "implement" if side == SCORE else "suppress"
    title = f"{reach} of {len(rows)} heads {verb} {relation_words(name)} (score {tau:g} or more, {pairs} pairs).{few}"
    return title, f"scale {side}", by_head


def strongest(value: dict[str, Any], count: int = 10) -> list[dict[str, Any]]:
    """The cells with the highest shares, highest first; of the category map, those with most categories."""

    def rank(cell: dict[str, Any]) -> tuple[float, int, int]:
        size = len(cell["bands"]) if "bands" in cell else (cell["share"] or 0.0)
        return (-size, cell["layer"], cell["head"])

    return sorted(value["cells"], key=rank)[:count]
