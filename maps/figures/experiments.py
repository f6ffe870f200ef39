"""Figures of the experiments: correlations, accuracy as heads are removed, random heads, scores of several models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt

from maps.figures import style
from maps.figures.style import BLUE, QUIET_COLOUR, VERMILION, Figure, Rows, SharedRows, style_chart
from maps.text import escape_invisible, pluralize, relation_label

PANELS_PER_ROW = 3
SHAPES = ("circle", "diamond", "square", "triangle-up")  # of several series in one figure


def correlation_points(
    rows: Rows, kinds: Mapping[str, str], published: Mapping[str, Mapping[str, Sequence[float]]], model: str
) -> Figure:
    """One line per relation with a mark for each kind of correlation; ticks are published values of other models.

    `rows` are the rows of the experiment's table, `kinds` its columns with a name in words, `published` the published
    values by column and relation.
    """
    names = {row["relation"]: relation_label(row["relation"]) for row in rows}
    marks = [
        {"relation": names[row["relation"]], "kind": label, "r": row[kind]}
        for row in rows
        for kind, label in kinds.items()
        if row[kind] is not None
    ]
    ticks = [
        {"relation": label, "kind": kind_label, "published": value}
        for relation, label in names.items()
        for kind, kind_label in kinds.items()
        for value in published.get(kind, {}).get(relation, ())
    ]
    axis_title = "Pearson's r over all heads"
    lowest = min([-0.2, *(mark["r"] for mark in marks)])
    x = alt.X("r:Q", title=axis_title, scale=alt.Scale(domain=[lowest, 1]))
    y = alt.Y("relation:N", title=None, scale=alt.Scale(domain=list(names.values())), axis=alt.Axis(labelLimit=260))
    labels, count = list(kinds.values()), len(kinds)
    colours = alt.Scale(domain=labels, range=list(style.SERIES[:count]))
    shapes = alt.Scale(domain=labels, range=list(SHAPES[:count]))
    colour = alt.Color("kind:N", title="Correlation", scale=colours, legend=alt.Legend(labelLimit=260))
    shape = alt.Shape("kind:N", title="Correlation", scale=shapes)

    def tooltip(field: str) -> list[str | alt.Tooltip]:
        return ["relation:N", "kind:N", alt.Tooltip(f"{field}:Q", format=".3f")]

    points = alt.Chart(SharedRows(values=marks), width=460, height=alt.Step(20))
    points = points.mark_point(filled=True, size=70, opacity=1).encode(x, y, colour, shape, tooltip=tooltip("r"))
    others = alt.Chart(SharedRows(values=ticks)).mark_tick(opacity=0.4, thickness=2)
    others = others.encode(alt.X("published:Q", title=axis_title), y, colour, tooltip=tooltip("published"))
    pale = " Pale ticks are the published values of other models." if ticks else ""
    subtitle = [f"{pluralize(len(rows), 'relation')}.{pale}"]
    title = f"Correlation of static and dynamic scores in {escape_invisible(model)}"
    return style_chart(alt.layer(others, points), title, subtitle, f"Points by relation. {subtitle[0]}")


def ablation_curves(curves: Mapping[str, Mapping[str, Sequence[Sequence[float]]]], model: str) -> Figure:
    """One panel per relation: accuracy as its own heads are removed, as random heads are, and in control tasks.

    `curves` contains accuracy curves by relation and kind, each starting with no head removed; the figure shows the
    mean of several curves of a kind.
    """
    kinds = {"relation heads": BLUE, "random heads": style.QUIET_COLOUR, "relation heads, control tasks": VERMILION}
    rows: Rows = [
        {"relation": relation_label(relation), "kind": kind, "removed": removed, "accuracy": sum(values) / len(values)}
        for relation, by_kind in curves.items()
        for kind, kind_curves in by_kind.items()
        for removed, values in enumerate(zip(*kind_curves, strict=False))
    ]
    present = [kind for kind in kinds if any(row["kind"] == kind for row in rows)]
    domain = alt.Scale(domain=present, range=[kinds[kind] for kind in present])
    dashes = alt.Scale(domain=present, range=[[1, 0], [2, 2], [6, 3]][: len(present)])
    lines = alt.Chart(SharedRows(values=rows), width=220, height=130).mark_line()
    lines = lines.encode(
        x=alt.X("removed:Q", title="Heads removed", axis=alt.Axis(format="d", tickMinStep=1, grid=False)),
        y=alt.Y("accuracy:Q", title="Accuracy", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")),
        color=alt.Color("kind:N", title="Removed", scale=domain, legend=alt.Legend(labelLimit=260)),
        strokeDash=alt.StrokeDash("kind:N", title="Removed", scale=dashes),
        tooltip=["relation:N", "kind:N", "removed:Q", alt.Tooltip("accuracy:Q", format=".1%")],
    )
    labels = list(map(relation_label, curves))
    panels = alt.Facet("relation:N", title=None, sort=labels, header=alt.Header(labelFontSize=12))
    chart = lines.facet(facet=panels, columns=PANELS_PER_ROW).resolve_scale(x="independent")
    subtitle = [f"{pluralize(len(curves), 'task')}. The curves of random heads and of control tasks are means."]
    title = f"Accuracy of {escape_invisible(model)} as heads are removed"
    return style_chart(chart, title, subtitle, f"Curves by task. {subtitle[0]}")


def random_head_curves(rows: Rows, model: str) -> Figure:
    """How many trained and how many random heads pass each threshold."""
    kinds = {"trained_heads": "heads of the model", "random_heads": "random heads"}
    points = [{"tau": row["tau"], "kind": label, "heads": row[name]} for row in rows for name, label in kinds.items()]
    chart = alt.Chart(SharedRows(values=points), width=460, height=260)
    chart = chart.mark_line(point=alt.OverlayMarkDef(size=60, filled=True)).encode(
        x=alt.X("tau:Q", title="Threshold τ"),
        y=alt.Y("heads:Q", title="Heads that pass it", scale=alt.Scale(type="symlog")),
        **style.two_kinds("kind:N", "Heads", list(kinds.values()), BLUE, VERMILION),
        tooltip=["kind:N", alt.Tooltip("tau:Q", format=".2f"), "heads:Q"],
    )
    subtitle = ["As many random heads as heads of the model, drawn with the mean and deviation of each layer."]
    title = f"Random heads compared with the heads of {escape_invisible(model)}"
    return style_chart(chart, title, subtitle, f"Lines. {subtitle[0]}")


def reading_curves(rows: Rows, measures: Mapping[str, str], readings: Sequence[str], model: str) -> Figure:
    """One panel for each measure: its mean in every layer, one line per reading.

    `rows` are those of `evaluate readings`, `measures` its columns with a title each; at most four readings.
    """
    shown = [row for row in rows if row["reading"] in readings]
    colours = alt.Scale(domain=list(readings), range=list(style.SERIES[: len(readings)]))
    dashes = alt.Scale(domain=list(readings), range=[[1, 0], [6, 3], [2, 2], [8, 3, 2, 3]][: len(readings)])
    panels = []
    for measure, title in measures.items():
        marks: Rows = [{name: row[name] for name in ("reading", "layer", measure)} for row in shown]
        panel = style.layer_panel(marks, title, "", 300).mark_line()
        panels.append(
            panel.encode(
                y=alt.Y(f"{measure}:Q", title=None),
                color=alt.Color(
                    "reading:N", title="Reading", scale=colours, legend=alt.Legend(labelLimit=400, orient="bottom")
                ),
                strokeDash=alt.StrokeDash("reading:N", title="Reading", scale=dashes),
                tooltip=["reading:N", "layer:Q", alt.Tooltip(f"{measure}:Q", format=".2f")],
            )
        )
    subtitle = ["Means over the heads of a layer and over words that no calibration saw."]
    chart = alt.hconcat(*panels, spacing=30).resolve_scale(color="shared", strokeDash="shared")
    title = f"How well readings predict the heads of {escape_invisible(model)}"
    return style_chart(chart, title, subtitle, f"Lines by layer, one for each reading. {subtitle[0]}")


def heads_by_layer(rows: Rows, field: str, title: str, model: str) -> Figure:
    marks: Rows = [{"layer": row["layer"], "name": f"L{row['layer']}H{row['head']}", field: row[field]} for row in rows]
    chart = style.layer_panel(marks, "", "", 460).mark_point(filled=True, size=26, opacity=0.6, color=BLUE)
    tooltip = ["name:N", alt.Tooltip(f"{field}:Q", title=title)]
    chart = chart.encode(y=alt.Y(f"{field}:Q", title=title), tooltip=tooltip)
    subtitle = [f"{title}. One point per head."]
    return style_chart(chart, f"{title} in {escape_invisible(model)}", subtitle, f"Points by layer. {subtitle[0]}")


def scores_by_model(
    scores: Sequence[tuple[str, str, float | None]], relation: str, tau: float, label: str = "Relation score"
) -> Figure:
    """One line per model with one tick per head that has a hit; `scores` contains (model, head, score).

    `label` names the scores. The subtitle counts the heads without a hit; undefined scores are left out.
    """
    rows: Rows = [
        {"model": escape_invisible(model), "head": head, "score": value}
        for model, head, value in scores
        if value is not None
    ]
    with_hit = [row for row in rows if row["score"] > 0]
    models = list(dict.fromkeys(row["model"] for row in rows))
    ticks = alt.Chart(SharedRows(values=with_hit), width=560, height=40 * max(1, len(models)))
    ticks = ticks.mark_tick(thickness=2, size=22, color=BLUE, opacity=0.7).encode(
        x=alt.X("score:Q", title=label, scale=alt.Scale(domain=[0, 1])),
        y=alt.Y("model:N", title=None, scale=alt.Scale(domain=models), axis=alt.Axis(labelLimit=220)),
        tooltip=["head:N", "model:N", alt.Tooltip("score:Q", format=".3f")],
    )
    rule = alt.Chart(SharedRows(values=[{"tau": tau}])).mark_rule(strokeDash=[4, 3], color=QUIET_COLOUR)
    subtitle = [
        f"{label}: {len(with_hit):,} of {len(rows):,} heads have a hit; the dashed line is the threshold of {tau:g}."
    ]
    title = f"Scores on {relation_label(relation)} by model"
    return style_chart(alt.layer(ticks, rule.encode(x="tau:Q")), title, subtitle, f"One tick per head. {subtitle[0]}")
