"""How global or specific the heads of each layer are, with two reference heads."""

from __future__ import annotations

import altair as alt
import pyarrow as pa

from maps.analysis import breadth
from maps.analysis.breadth import OutputSpaceReferences
from maps.figures.style import BLUE, QUIET_COLOUR, Figure, Rows, SharedRows, layer_panel, style_chart
from maps.text import escape_invisible
from maps.types import HeadId

Panel = alt.LayerChart | alt.FacetChart


def breadth_by_layer(heads: pa.Table, model: str, references: OutputSpaceReferences) -> Figure:
    """The input skewness of every head by layer, and its output space if that was computed, with each layer's median.

    `heads` is the atlas's table. Dashed lines show the output space of a specific and a global head (paper, appendix).
    """
    layers = breadth.layer_breadth(heads)
    rows: Rows = heads.select(["layer", "head", *breadth.MEASURES]).to_pylist()
    for row in rows:
        row["name"] = str(HeadId(row["layer"], row["head"]))
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
