"""All heads of a model: as cells by category, and as points by skewness and output space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import altair as alt
import pyarrow as pa

from maps.analysis.classification import CATEGORIES
from maps.atlas.schema import head_of
from maps.figures.style import BLUE, CATEGORY_COLOURS, OTHER_COLOUR, Figure, Rows, SharedRows, style_chart, two_kinds
from maps.text import escape_invisible, relation_label
from maps.types import HeadId

MAX_MAP_WIDTH, MIN_CELL_SIZE, MAX_CELL_SIZE = 900, 9, 22  # of the map, and of its cells, in pixels


def functionality_map(categories: pa.Table, model: str, layers: int, heads: int) -> Figure:
    """Every head as a cell, layers from left to right and heads from top to bottom, with a band for each category.

    `categories` is the table of `maps.analysis.classification.categories_table`; `layers` and `heads` are the numbers
    of the whole model.
    """
    rows = category_bands(categories)
    counts = Counter(row["category"] for row in rows)
    names = [*CATEGORY_COLOURS, *sorted(counts.keys() - CATEGORY_COLOURS.keys())]
    labels = {name: f"{name} ({counts[name]:,})" for name in names if counts[name] or name in CATEGORIES}
    for row in rows:
        row["label"] = labels[row["category"]]
    step = max(MIN_CELL_SIZE, min(MAX_CELL_SIZE, MAX_MAP_WIDTH // max(1, layers)))
    inner = 1 - min(1.5, step / 9) / step  # the share of a step that the cell fills; the rest is the gap
    colours = [CATEGORY_COLOURS.get(name, OTHER_COLOUR) for name in labels]
    legend = alt.Legend(title="Category (heads)", symbolType="square", symbolSize=160, labelLimit=300)
    base = alt.Chart(SharedRows(values=rows), width=layers * step, height=heads * step)
    base = base.transform_calculate(
        right=f"datum.layer + {inner}",
        top=f"datum.head + datum.start * {inner}",
        foot=f"datum.head + datum.end * {inner}",
    ).encode(
        x=alt.X("layer:Q", title="Layer", scale=alt.Scale(domain=[0, layers], nice=False), axis=cell_axis(layers)),
        x2="right:Q",
        y=alt.Y("top:Q", title="Head", scale=alt.Scale(domain=[heads, 0], nice=False), axis=cell_axis(heads)),
        y2="foot:Q",
        color=alt.Color("label:N", scale=alt.Scale(domain=list(labels.values()), range=colours), legend=legend),
        tooltip=[alt.Tooltip(f"{name.lower()}:N", title=name) for name in ("Name", "Implements", "Suppresses")],
    )
    quiet = base.transform_filter("datum.category === 'none'").mark_rect(aria=False)
    cells = base.transform_filter("datum.category !== 'none'").mark_rect().encode(description="words:N")
    every, count = len(categories), sum(1 for row in categories.to_pylist() if row["relations"] or row["suppressed"])
    each = ", ".join(f"{name} {counts[name]:,}" for name in labels if name != "none")
    title = f"What the heads of {escape_invisible(model)} do"
    subtitle = f"{count:,} of {every:,} heads implement or suppress a relation; "
    subtitle += "a head of several categories has a band for each."
    described = f"A grid of {every:,} heads, layers from left to right. {subtitle} Heads by category: {each}."
    return style_chart(alt.layer(quiet, cells), title, [subtitle], described)


def category_bands(categories: pa.Table) -> Rows:
    """The bands of every head's cell, from `start` to `end` of its height; one band `none` without a category."""
    rows = []
    for row in categories.to_pylist():
        implements = ", ".join(map(relation_label, row["relations"] or []))
        suppresses = ", ".join(map(relation_label, row["suppressed"] or []))
        own = ["own relation"] if implements or suppresses else ["none"]
        bands = [escape_invisible(category) for category in row["categories"] or own]
        name = str(head_of(row))
        does = [f"{verb} {names}" for verb, names in (("implements", implements), ("suppresses", suppresses)) if names]
        for i, category in enumerate(bands):
            rows.append(
                {
                    "layer": row["layer"],
                    "head": row["head"],
                    "category": category,
                    "start": i / len(bands),
                    "end": (i + 1) / len(bands),
                    "name": name,
                    "implements": implements or "nothing",
                    "suppresses": suppresses or "nothing",
                    "words": f"{name} {'; '.join(does) or 'implements no relation at the threshold'}",
                }
            )
    return rows


def cell_axis(count: int) -> alt.Axis:
    """An axis with the number of every cell in its middle; of every fifth or tenth cell in large models."""
    every = 1
    if count > 16:
        every = 5 if count <= 40 else 10
    places = [i + 0.5 for i in range(0, count, every)]
    hidden: dict[str, Any] = dict.fromkeys(("grid", "domain", "ticks", "labelOverlap"), False)
    return alt.Axis(values=places, labelExpr="format(floor(datum.value), 'd')", **hidden)


def skewness_by_output_space(heads: pa.Table, classified_heads: Sequence[HeadId], model: str) -> Figure | None:
    """Input skewness against the size of the output space, one point per head; None when no head has both.

    `heads` is the atlas's table, `classified_heads` the heads that implement or suppress a relation.
    """
    known, kinds = set(classified_heads), ["not classified", "classified"]
    rows = [
        row | {"name": str(head), "kind": kinds[head in known]}
        for row in heads.select(["layer", "head", "input_skewness", "output_space"]).to_pylist()
        if row["output_space"] and row["input_skewness"] is not None
        for head in [head_of(row)]
    ]
    if not rows:
        return None
    axis_title, axis = "Output space (share of the vocabulary)", alt.Axis(format="~%", grid=False)
    space, skewness = alt.Tooltip("output_space:Q", format=".3%"), alt.Tooltip("input_skewness:Q", format=".2f")
    points = alt.Chart(SharedRows(values=rows), width=480, height=320)
    points = points.mark_point(filled=True, size=36, opacity=0.75).encode(
        x=alt.X("output_space:Q", title=axis_title, scale=alt.Scale(type="log"), axis=axis),
        y=alt.Y("input_skewness:Q", title="Input skewness", scale=alt.Scale(zero=False)),
        **two_kinds("kind:N", "Head", kinds, "#8A94A0", BLUE),
        tooltip=["name:N", space, skewness, "kind:N"],
    )
    subtitle = [f"{len(rows):,} heads; one with a small output space promotes few tokens, whatever it reads."]
    title = f"Input skewness and output space in {escape_invisible(model)}"
    return style_chart(points, title, subtitle, f"Points. {subtitle[0]}")
