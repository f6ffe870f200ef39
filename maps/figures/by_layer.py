"""Figures by layer: similarity of heads that share a value head, patterns seen, how global or specific heads are."""

from __future__ import annotations

from typing import Any

import altair as alt
import pyarrow as pa

from maps.analysis import breadth
from maps.analysis.breadth import OutputSpaceReferences
from maps.analysis.value_groups import BETWEEN, SETS, WITHIN
from maps.atlas.schema import head_of
from maps.figures.style import BLUE, QUIET_COLOUR, VERMILION, Figure, Rows, SharedRows, layer_panel, style_chart
from maps.text import escape_invisible, three_decimals

SET_TITLES = dict(zip(SETS, ("Salient sources", "Mappings", "Relations"), strict=True))
SHARED_LABEL, APART_LABEL = "share a value head", "do not share one"
EXACT_LABEL, PAPER_LABEL = "exact reading", "the paper's reading"
READING_COLUMNS = {EXACT_LABEL: ("patterns", "rate"), PAPER_LABEL: ("patterns_paper", "rate_paper")}
PANELS_PER_ROW = 2
Panel = alt.LayerChart | alt.FacetChart


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


def similarity_panel(rows: Rows, title: str, means: str) -> Panel:
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


def identification_rate(identification: pa.Table, model: str) -> Figure:
    """The share of heads with a described pattern by layer, a panel for each describer.

    `identification` is the table of `maps.analysis.identification`. Layers without a described head are left out.
    """
    every = identification.to_pylist()
    rows: Rows = [
        {"describer": escape_invisible(row["describer"]), "layer": row["layer"], "described": row["described"]}
        | {"reading": reading, "patterns": row[count], "rate": row[rate]}
        for row in every
        if row["layer"] is not None and row["described"]
        for reading, (count, rate) in READING_COLUMNS.items()
    ]
    means = {escape_invisible(row["describer"]): row for row in every if row["layer"] is None}
    panels = [rate_panel([r for r in rows if r["describer"] == name], name, rates_text(means[name])) for name in means]
    chart = alt.concat(*panels, columns=PANELS_PER_ROW, spacing=30).resolve_scale(color="shared", shape="shared")
    subtitle = ["Share of each layer's described heads in which the describer sees a pattern."]
    each = "; ".join(f"{name}: {rates_text(row)}" for name, row in means.items())
    title = f"Heads with a described pattern in {escape_invisible(model)}"
    return style_chart(chart, title, subtitle, f"{subtitle[0]} Over all layers: {each}.")


def rates_text(row: dict[str, float | None]) -> str:
    exact, paper = row["rate"], row["rate_paper"]
    if exact is None or paper is None:
        return "no head described"
    return f"{100 * exact:.1f} % of {row['described']:,} heads, {100 * paper:.1f} % by the paper's reading"


def rate_panel(rows: Rows, title: str, means: str) -> Panel:
    """One describer: points by layer, joined by a line, for both readings; `means` is the subtitle."""
    readings = list(READING_COLUMNS)
    colours = alt.Scale(domain=readings, range=[BLUE, VERMILION])
    base = layer_panel(rows, title, means, 380).encode(
        y=alt.Y("rate:Q", title="Heads with a pattern", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")),
        color=alt.Color("reading:N", scale=colours, legend=alt.Legend(title="Reading", symbolOpacity=1)),
        tooltip=["layer:Q", "reading:N", alt.Tooltip("rate:Q", format=".1%"), "patterns:Q", "described:Q"],
    )
    points = base.mark_point(filled=True, opacity=1).encode(
        shape=alt.Shape("reading:N", title="Reading", scale=alt.Scale(domain=readings, range=["circle", "diamond"])),
        size=alt.Size("reading:N", scale=alt.Scale(domain=readings, range=[110, 30]), legend=None),
    )
    return alt.layer(base.mark_line(opacity=0.35), points)


def breadth_by_layer(heads: pa.Table, model: str, references: OutputSpaceReferences) -> Figure:
    """The input skewness of every head by layer, and its output space if that was computed, with each layer's median.

    `heads` is the atlas's table. Dashed lines show the output space of a specific and a global head (paper, appendix).
    """
    layers = breadth.layer_breadth(heads)
    rows: Rows = heads.select(["layer", "head", *breadth.MEASURES]).to_pylist()
    for row in rows:
        row["name"] = str(head_of(row))
    medians: Rows = layers.to_pylist()
    panels = [measure_panel(rows, medians, "input_skewness", "Input skewness")]
    if any(row["output_space"] for row in rows):
        panels.append(output_space_panel(rows, medians, references))
    sentences = " ".join(breadth.breadth_sentences(layers, references))
    subtitle = ["One point per head; the line is the median of each layer. Lower skewness means a larger input space."]
    chart = alt.hconcat(*panels, spacing=30)
    title = f"Global and specific heads of {escape_invisible(model)}"
    return style_chart(chart, title, subtitle, f"Points by layer. {subtitle[0]} {sentences}")


def measure_panel(rows: Rows, medians: Rows, name: str, title: str) -> Panel:
    percent = name == "output_space"
    scale = alt.Scale(type="log" if percent else "linear", zero=False)
    axis = alt.Axis(format="~%" if percent else "~g", grid=not percent)
    y = alt.Y(f"{name}:Q", title="Share of the vocabulary" if percent else title, scale=scale, axis=axis)
    tooltip = ["name:N", alt.Tooltip(f"{name}:Q", title=title, format=".3%" if percent else ".2f")]
    known = [row for row in rows if row[name] is not None]
    line = [row for row in medians if row[name] is not None]
    points = layer_panel(known, title, "", 360).mark_point(filled=True, size=18, opacity=0.45, color=QUIET_COLOUR)
    joined = layer_panel(line, title, "", 360).mark_line(color=BLUE)
    return alt.layer(points.encode(y=y, tooltip=tooltip), joined.encode(y=y))


def output_space_panel(rows: Rows, medians: Rows, references: OutputSpaceReferences) -> Panel:
    values = {"specific head": references.one_token_share, "global head": references.capitalised_share}
    lines: Rows = [{"kind": kind, "share": value} for kind, value in values.items()]
    last = max((row["layer"] for row in rows), default=0)
    rules = alt.Chart(SharedRows(values=[{**line, "layer": last} for line in lines]))
    y = alt.Y("share:Q", scale=alt.Scale(type="log", zero=False))
    return alt.layer(
        measure_panel(rows, medians, "output_space", "Output space"),
        rules.mark_rule(strokeDash=[4, 3], color=QUIET_COLOUR).encode(y=y, tooltip=["kind:N", "share:Q"]),
        rules.mark_text(align="right", dy=-6, color=QUIET_COLOUR).encode(x="layer:Q", y=y, text="kind:N"),
    )
