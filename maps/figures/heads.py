"""Every head of a model: as a cell by category, and as a point by skewness and output space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import altair as alt
import pyarrow as pa

from maps.analysis.classification import CATEGORIES
from maps.figures.style import CATEGORY_COLOURS, OTHER_COLOUR, Figure, Rows, SharedRows, style_chart
from maps.text import escape_invisible, relation_label
from maps.types import HeadId

MAX_MAP_WIDTH, MIN_CELL_SIZE, MAX_CELL_SIZE = 900, 9, 22  # of the map, and of its cells, in pixels


def functionality_map(categories: pa.Table, model: str, layers: int, heads: int) -> Figure:
    """Every head as a cell, layers from left to right and heads from top to bottom, a band for each category.

    `categories` is `classification.categories`'s table; `layers` and `heads` are the model's, mapped or not.
    """
    rows = category_bands(categories)
    counts = Counter(row["category"] for row in rows)
    names = [*CATEGORY_COLOURS, *sorted(counts.keys() - CATEGORY_COLOURS.keys())]
    labels = {name: f"{name} ({counts[name]:,})" for name in names if counts[name] or name in CATEGORIES}
    for row in rows:
        row["label"] = labels[row["category"]]
    step = max(MIN_CELL_SIZE, min(MAX_CELL_SIZE, MAX_MAP_WIDTH // max(1, layers)))
    inner = 1 - min(1.5, step / 9) / step  # the cell without the gap to the next
    base = (
        alt.Chart(SharedRows(values=rows), width=layers * step, height=heads * step)
        .transform_calculate(
            right=f"datum.layer + {inner}",
            top=f"datum.head + datum.start * {inner}",
            foot=f"datum.head + datum.end * {inner}",
        )
        .encode(
            x=alt.X("layer:Q", title="Layer", scale=alt.Scale(domain=[0, layers], nice=False), axis=cell_axis(layers)),
            x2="right:Q",
            y=alt.Y("top:Q", title="Head", scale=alt.Scale(domain=[heads, 0], nice=False), axis=cell_axis(heads)),
            y2="foot:Q",
            color=alt.Color(
                "label:N",
                scale=alt.Scale(
                    domain=list(labels.values()), range=[CATEGORY_COLOURS.get(name, OTHER_COLOUR) for name in labels]
                ),
                legend=alt.Legend(title="Category (heads)", symbolType="square", symbolSize=160, labelLimit=300),
            ),
            tooltip=[alt.Tooltip(f"{name.lower()}:N", title=name) for name in ("Name", "Implements", "Suppresses")],
        )
    )
    quiet = base.transform_filter("datum.category === 'none'").mark_rect(aria=False)
    cells = base.transform_filter("datum.category !== 'none'").mark_rect().encode(description="words:N")
    some = sum(1 for row in categories.to_pylist() if row["relations"] or row["suppressed"])
    each = ", ".join(f"{name} {counts[name]:,}" for name in labels if name != "none")
    title = f"What the heads of {escape_invisible(model)} do"
    subtitle = [
        f"{some:,} of {len(categories):,} heads implement or suppress a relation; a head of several categories has a "
        "band for each."
    ]
    described = (
        f"A grid of {len(categories):,} heads, layers from left to right. {subtitle[0]} Heads by category: {each}."
    )
    return style_chart(alt.layer(quiet, cells), title, subtitle, described)


def category_bands(categories: pa.Table) -> Rows:
    """The bands of every head's cell, from `start` to `end` of its height; one of no category where it has none."""
    rows = []
    for row in categories.to_pylist():
        implements, suppresses = (
            ", ".join(map(relation_label, row[name] or [])) for name in ("relations", "suppressed")
        )
        own = ["own relation"] if implements or suppresses else ["none"]
        found = [escape_invisible(category) for category in row["categories"] or own]
        name = str(HeadId(row["layer"], row["head"]))
        does = [f"{verb} {what}" for verb, what in (("implements", implements), ("suppresses", suppresses)) if what]
        for place, category in enumerate(found):
            rows.append(
                {
                    "layer": row["layer"],
                    "head": row["head"],
                    "category": category,
                    "start": place / len(found),
                    "end": (place + 1) / len(found),
                    "name": name,
                    "implements": implements or "nothing",
                    "suppresses": suppresses or "nothing",
                    "words": f"{name} {'; '.join(does) or 'does no relation at the threshold'}",
                }
            )
    return rows


def cell_axis(count: int) -> alt.Axis:
    """An axis of cells: whole numbers in the middle of every cell, or of every fifth or tenth."""
    every = 1 if count <= 16 else 5 if count <= 40 else 10
    return alt.Axis(
        values=[place + 0.5 for place in range(0, count, every)],
        labelExpr="format(floor(datum.value), 'd')",
        grid=False,
        domain=False,
        ticks=False,
        labelOverlap=False,
    )


def skewness_by_output_space(heads: pa.Table, classified_heads: Sequence[HeadId], model: str) -> Figure | None:
    """Input skewness against the size of the output space, a point a head; None where neither was computed.

    `heads` is the atlas's table, `classified_heads` the heads that implement or suppress a relation.
    """
    known = set(classified_heads)
    rows = [
        row
        | {
            "name": str(HeadId(row["layer"], row["head"])),
            "kind": "classified" if (row["layer"], row["head"]) in known else "not classified",
        }
        for row in heads.select(["layer", "head", "input_skewness", "output_space"]).to_pylist()
        if row["output_space"] and row["input_skewness"] is not None
    ]
    if not rows:
        return None
    kinds = ["not classified", "classified"]
    points = (
        alt.Chart(SharedRows(values=rows), width=480, height=320)
        .mark_point(filled=True, size=36, opacity=0.75)
        .encode(
            x=alt.X(
                "output_space:Q",
                title="Output space (share of the vocabulary)",
                scale=alt.Scale(type="log"),
                axis=alt.Axis(format="~%", grid=False),
            ),
            y=alt.Y("input_skewness:Q", title="Input skewness", scale=alt.Scale(zero=False)),
            color=alt.Color("kind:N", title="Head", scale=alt.Scale(domain=kinds, range=["#8A94A0", "#0072B2"])),
            shape=alt.Shape("kind:N", title="Head", scale=alt.Scale(domain=kinds, range=["circle", "diamond"])),
            tooltip=[
                "name:N",
                alt.Tooltip("output_space:Q", format=".3%"),
                alt.Tooltip("input_skewness:Q", format=".2f"),
                "kind:N",
            ],
        )
    )
    subtitle = [f"{len(rows):,} heads; a small output space means that few tokens are promoted, whatever is read."]
    return style_chart(
        points, f"Input skewness and output space in {escape_invisible(model)}", subtitle, f"Points. {subtitle[0]}"
    )
