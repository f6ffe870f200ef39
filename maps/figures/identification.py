"""How often describers see a pattern, by layer."""

from __future__ import annotations

import altair as alt
import pyarrow as pa

from maps.figures.style import Figure, Rows, by_layer, finished
from maps.text import shown

EXACT, PAPER = "exact reading", "the paper's reading"
READINGS = {EXACT: ("patterns", "rate"), PAPER: ("patterns_paper", "rate_paper")}
ABREAST = 2  # panels in a row


def identification_rate(identification: pa.Table, model: str) -> Figure:
    """The share of heads with a described pattern by layer, a panel for each describer.

    `identification` is `identification.identification`'s table. Layers without a described head are left out.
    """
    every = identification.to_pylist()
    rows: Rows = [
        {"describer": shown(row["describer"]), "layer": row["layer"], "described": row["described"]}
        | {"reading": reading, "patterns": row[count], "rate": row[rate]}
        for row in every
        if row["layer"] is not None and row["described"]
        for reading, (count, rate) in READINGS.items()
    ]
    means = {shown(row["describer"]): row for row in every if row["layer"] is None}
    panels = [panel([r for r in rows if r["describer"] == name], name, said(means[name])) for name in means]
    chart = alt.concat(*panels, columns=ABREAST, spacing=30).resolve_scale(color="shared", shape="shared")
    subtitle = ["Share of described heads of a layer in which the describer sees a pattern."]
    each = "; ".join(f"{name}: {said(row)}" for name, row in means.items())
    title = f"Heads with a described pattern in {shown(model)}"
    return finished(chart, title, subtitle, f"{subtitle[0]} Over all layers: {each}.")


def said(row: dict[str, float | None]) -> str:
    """Both rates over all layers, in words."""
    exact, paper = row["rate"], row["rate_paper"]
    if exact is None or paper is None:
        return "no head described"
    return f"{100 * exact:.1f} % of {row['described']:,} heads, {100 * paper:.1f} % by the paper's reading"


def panel(rows: Rows, title: str, means: str) -> alt.LayerChart | alt.FacetChart:
    """One describer: points by layer, joined, for both readings; the rates over all layers stand above."""
    readings = list(READINGS)
    base = by_layer(rows, title, means, 380).encode(
        y=alt.Y("rate:Q", title="Heads with a pattern", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")),
        color=alt.Color(
            "reading:N",
            scale=alt.Scale(domain=readings, range=["#0072B2", "#D55E00"]),
            legend=alt.Legend(title="Reading", symbolOpacity=1),
        ),
        tooltip=["layer:Q", "reading:N", alt.Tooltip("rate:Q", format=".1%"), "patterns:Q", "described:Q"],
    )
    points = base.mark_point(filled=True, opacity=1).encode(
        shape=alt.Shape("reading:N", title="Reading", scale=alt.Scale(domain=readings, range=["circle", "diamond"])),
        size=alt.Size("reading:N", scale=alt.Scale(domain=readings, range=[110, 30]), legend=None),
    )
    return alt.layer(base.mark_line(opacity=0.35), points)
