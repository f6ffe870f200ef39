"""How similar heads are that share a value head, by layer."""

from __future__ import annotations

from typing import Any

import altair as alt
import pyarrow as pa

from maps.analysis.value_groups import BETWEEN, SETS, WITHIN
from maps.figures.style import BLUE, VERMILION, Figure, Rows, layer_panel, style_chart
from maps.text import escape_invisible, three_decimals

SET_TITLES = dict(zip(SETS, ("Salient sources", "Mappings", "Relations"), strict=True))
SHARED_LABEL, APART_LABEL = "share a value head", "do not share one"


def group_similarity(groups: pa.Table, model: str) -> Figure:
    """How similar two heads of a layer are that share a value head, compared with two that do not, by layer.

    `groups` is the table of `value_group_similarity`. Undefined values are left out.
    """
    every = {(row["sets"], row["heads"]): row for row in groups.to_pylist() if row["layer"] is None}
    labels = {WITHIN: SHARED_LABEL, BETWEEN: APART_LABEL}
    rows = [row | {"side": labels[row["heads"]]} for row in groups.to_pylist() if row["layer"] is not None]
    means = {
        name: f"{similarity_text(every[name, WITHIN])} within, {similarity_text(every[name, BETWEEN])} between"
        for name in SETS
    }
    panels = [
        similarity_panel([row for row in rows if row["sets"] == name], title, means[name])
        for name, title in SET_TITLES.items()
    ]
    chart = alt.hconcat(*panels, spacing=30).resolve_scale(color="shared", shape="shared")
    subtitle = "Mean Jaccard similarity of two heads of a layer that share a value head (within a group), "
    subtitle += "and of two that do not (between)."
    each = "; ".join(f"{SET_TITLES[name].lower()} {means[name]}" for name in SETS)
    title = f"Heads that share a value head in {escape_invisible(model)}"
    return style_chart(chart, title, [subtitle], f"{subtitle} Over all layers: {each}.")


def similarity_text(row: dict[str, Any]) -> str:
    return "undefined" if row["similarity"] is None else three_decimals(row["similarity"])


def similarity_panel(rows: Rows, title: str, means: str) -> alt.LayerChart | alt.FacetChart:
    """One kind of set: points by layer, joined by a line; `means` is the subtitle."""
    sides = [SHARED_LABEL, APART_LABEL]
    highest = max((row["similarity"] or 0.0 for row in rows), default=0.0) or 1.0
    colours = alt.Scale(domain=sides, range=[BLUE, VERMILION])
    legend = alt.Legend(title="Two heads that", symbolOpacity=1)
    side, similarity = alt.Tooltip("side:N", title="Two heads"), alt.Tooltip("similarity:Q", format=".3f")
    base = layer_panel(rows, title, means, 250).encode(
        y=alt.Y("similarity:Q", title="Similarity", scale=alt.Scale(domain=[0, highest * 1.05], nice=False)),
        color=alt.Color("side:N", scale=colours, legend=legend),
        tooltip=["layer:Q", side, similarity, "pairs:Q"],
    )
    shape = alt.Shape("side:N", title="Two heads that", scale=alt.Scale(domain=sides, range=["circle", "diamond"]))
    points = base.transform_filter("datum.similarity !== null").mark_point(filled=True, size=40, opacity=1)
    return alt.layer(base.mark_line(opacity=0.35), points.encode(shape=shape))
