"""Figures of the experiments: correlations by relation, accuracy as heads are removed, random heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt

from maps.figures.style import BLUE, QUIET_COLOUR, SERIES, VERMILION, Figure, Rows, SharedRows, layer_panel, style_chart
from maps.text import escape_invisible, pluralize, relation_label

PANELS_PER_ROW = 3


def correlation_points(
    rows: Rows, kinds: Mapping[str, str], published: Mapping[str, Mapping[str, Sequence[float]]], model: str
) -> Figure:
    """One line per relation with a mark for each kind of correlation; ticks are published values of other models.

    `rows` are the rows of the experiment's table, `kinds` its columns with a name in words, `published` the published
    values by column and relation.
    """
    names = [relation_label(row["relation"]) for row in rows]
    marks = [
        {"relation": relation_label(row["relation"]), "kind": label, "r": row[kind]}
        for row in rows
        for kind, label in kinds.items()
        if row[kind] is not None
    ]
    ticks = [
        {"relation": relation_label(row["relation"]), "kind": label, "published": value}
        for row in rows
        for kind, label in kinds.items()
        for value in published.get(kind, {}).get(row["relation"], ())
    ]
    colour, shape = colour_and_shape(list(kinds.values()))
    lowest = min([-0.2, *(mark["r"] for mark in marks)])
    x = alt.X("r:Q", title="Pearson's r over all heads", scale=alt.Scale(domain=[lowest, 1]))
    y = alt.Y("relation:N", title=None, scale=alt.Scale(domain=names), axis=alt.Axis(labelLimit=260))
    tooltip = ["relation:N", "kind:N", alt.Tooltip("r:Q", format=".3f")]
    points = (
        alt.Chart(SharedRows(values=marks), width=460, height=alt.Step(20))
        .mark_point(filled=True, size=70, opacity=1)
        .encode(x=x, y=y, color=colour, shape=shape, tooltip=tooltip)
    )
    others = (
        alt.Chart(SharedRows(values=ticks))
        .mark_tick(opacity=0.4, thickness=2)
        .encode(
            x=alt.X("published:Q", title="Pearson's r over all heads"),
            y=y,
            color=colour,
            tooltip=["relation:N", "kind:N", alt.Tooltip("published:Q", format=".3f")],
        )
    )
    pale = " Pale ticks are the published values of other models." if ticks else ""
    subtitle = [f"{pluralize(len(rows), 'relation')}.{pale}"]
    title = f"Correlation of static and dynamic scores in {escape_invisible(model)}"
    return style_chart(alt.layer(others, points), title, subtitle, f"Points by relation. {subtitle[0]}")


def colour_and_shape(kinds: list[str]) -> tuple[alt.Color, alt.Shape]:
    colours, shapes = list(SERIES[: len(kinds)]), ["circle", "diamond", "square", "triangle-up"]
    legend = alt.Legend(labelLimit=260)
    return (
        alt.Color("kind:N", title="Correlation", scale=alt.Scale(domain=kinds, range=colours), legend=legend),
        alt.Shape("kind:N", title="Correlation", scale=alt.Scale(domain=kinds, range=shapes[: len(kinds)])),
    )


def ablation_curves(curves: Mapping[str, Mapping[str, Sequence[Sequence[float]]]], model: str) -> Figure:
    """One panel per relation: accuracy as its own heads are removed, as random heads are, and in control tasks.

    `curves` contains accuracy curves by relation and kind, each starting with no head removed; the figure shows the
    mean of several curves of a kind.
    """
    kinds = {"relation heads": BLUE, "random heads": QUIET_COLOUR, "relation heads, control tasks": VERMILION}
    rows: Rows = [
        {"relation": relation_label(relation), "kind": kind, "removed": removed, "accuracy": sum(values) / len(values)}
        for relation, by_kind in curves.items()
        for kind, kind_curves in by_kind.items()
        for removed, values in enumerate(zip(*kind_curves, strict=False))
    ]
    present = [kind for kind in kinds if any(row["kind"] == kind for row in rows)]
    domain = alt.Scale(domain=present, range=[kinds[kind] for kind in present])
    dashes = alt.Scale(domain=present, range=[[1, 0], [2, 2], [6, 3]][: len(present)])
    lines = (
        alt.Chart(SharedRows(values=rows), width=220, height=130)
        .mark_line()
        .encode(
            x=alt.X("removed:Q", title="Heads removed", axis=alt.Axis(format="d", tickMinStep=1, grid=False)),
            y=alt.Y("accuracy:Q", title="Accuracy", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")),
            color=alt.Color("kind:N", title="Removed", scale=domain, legend=alt.Legend(labelLimit=260)),
            strokeDash=alt.StrokeDash("kind:N", title="Removed", scale=dashes),
            tooltip=["relation:N", "kind:N", "removed:Q", alt.Tooltip("accuracy:Q", format=".1%")],
        )
        .facet(
            facet=alt.Facet(
                "relation:N", title=None, sort=list(map(relation_label, curves)), header=alt.Header(labelFontSize=12)
            ),
            columns=PANELS_PER_ROW,
        )
        .resolve_scale(x="independent")
    )
    subtitle = [f"{pluralize(len(curves), 'task')}. The curves of random heads and of control tasks are means."]
    title = f"Accuracy of {escape_invisible(model)} as heads are removed"
    return style_chart(lines, title, subtitle, f"Curves by task. {subtitle[0]}")


def random_head_curves(rows: Rows, model: str) -> Figure:
    """How many trained and how many random heads pass each threshold."""
    kinds = {"trained_heads": "heads of the model", "random_heads": "random heads"}
    points: Rows = [
        {"tau": row["tau"], "kind": label, "heads": row[name]} for row in rows for name, label in kinds.items()
    ]
    names = list(kinds.values())
    chart = (
        alt.Chart(SharedRows(values=points), width=460, height=260)
        .mark_line(point=alt.OverlayMarkDef(size=60, filled=True))
        .encode(
            x=alt.X("tau:Q", title="Threshold τ"),
            y=alt.Y("heads:Q", title="Heads that pass it", scale=alt.Scale(type="symlog")),
            color=alt.Color("kind:N", title="Heads", scale=alt.Scale(domain=names, range=[BLUE, VERMILION])),
            shape=alt.Shape("kind:N", title="Heads", scale=alt.Scale(domain=names, range=["circle", "diamond"])),
            tooltip=["kind:N", alt.Tooltip("tau:Q", format=".2f"), "heads:Q"],
        )
    )
    subtitle = ["As many random heads as heads of the model, drawn with the mean and deviation of each layer."]
    title = f"Random heads compared with the heads of {escape_invisible(model)}"
    return style_chart(chart, title, subtitle, f"Lines. {subtitle[0]}")


def heads_by_layer(rows: Rows, field: str, title: str, model: str) -> Figure:
    points: Rows = [
        {"layer": row["layer"], "name": f"L{row['layer']}H{row['head']}", field: row[field]} for row in rows
    ]
    chart = (
        layer_panel(points, "", "", 460)
        .mark_point(filled=True, size=26, opacity=0.6, color=BLUE)
        .encode(y=alt.Y(f"{field}:Q", title=title), tooltip=["name:N", alt.Tooltip(f"{field}:Q", title=title)])
    )
    subtitle = [f"{title}. One point per head."]
    return style_chart(chart, f"{title} in {escape_invisible(model)}", subtitle, f"Points by layer. {subtitle[0]}")
