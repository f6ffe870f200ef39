"""How often each describer sees a pattern, by layer."""

from __future__ import annotations

import altair as alt
import pyarrow as pa

from maps.figures.style import BLUE, VERMILION, Figure, Rows, layer_panel, style_chart
from maps.text import escape_invisible

EXACT_LABEL, PAPER_LABEL = "exact reading", "the paper's reading"
READING_COLUMNS = {EXACT_LABEL: ("patterns", "rate"), PAPER_LABEL: ("patterns_paper", "rate_paper")}
PANELS_PER_ROW = 2


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


def rate_panel(rows: Rows, title: str, means: str) -> alt.LayerChart | alt.FacetChart:
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
