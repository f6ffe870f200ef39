"""Figures of the evidence: detection scores with their control, and how concentrated the targets of heads are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

import altair as alt

from maps.figures.style import BLUE, ORANGE, VERMILION, Figure, Rows, SharedRows, style_chart
from maps.scoring.accuracy import SCORE_COLUMNS, detection_sentences
from maps.scoring.comparison import PATTERN_LABEL, RANDOM_LABEL, UNCLEAR_LABEL, ConcentrationGroup
from maps.text import escape_invisible

VALUES_PER_UNIT = 20  # detection scores are multiples of 1/20: ten items match and ten do not
KIND_COLOURS = {PATTERN_LABEL: BLUE, UNCLEAR_LABEL: VERMILION, RANDOM_LABEL: "#6B7480"}
AXIS_TITLES = {"target_entropy": "Entropy of the targets (bits)", "target_kurtosis": "Target kurtosis (log scale)"}
# Kurtosis on a log scale, because a few heads are far above all others.
AXIS_SCALES = {"target_entropy": alt.Scale(zero=True), "target_kurtosis": alt.Scale(type="log")}


def detection_bars(scores: Sequence[dict[str, Any]], model: str) -> Figure:
    """How many heads have each detection score, for each describer: with their own description and with another head's.

    `scores` are rows of the atlas's table.
    """
    counts = Counter(
        (
            escape_invisible(f"{row['describer']}, scored by {row['scorer']} (seed {row['seed']})"),
            kind,
            round(row[column] * VALUES_PER_UNIT),
        )
        for row in scores
        for kind, column in SCORE_COLUMNS.items()
        if row[column] is not None
    )
    rows: Rows = [
        {"group": group, "shown": kind, "detection": value / VALUES_PER_UNIT, "heads": heads}
        for (group, kind, value), heads in sorted(counts.items())
    ]
    kinds = list(SCORE_COLUMNS)
    scale = alt.Scale(domain=[value / VALUES_PER_UNIT for value in range(VALUES_PER_UNIT + 1)])
    axis = alt.Axis(format=".2f", labelAngle=0, labelOverlap=True)
    bars = alt.Chart(SharedRows(values=rows), width=560, height=180).mark_bar()
    bars = bars.encode(
        x=alt.X("detection:O", title="Balanced accuracy (chance is 0.5)", scale=scale, axis=axis),
        xOffset=alt.XOffset("shown:N", scale=alt.Scale(domain=kinds)),
        y=alt.Y("heads:Q", title="Heads", axis=alt.Axis(tickMinStep=1, format="d")),
        color=alt.Color("shown:N", title="Description shown", scale=alt.Scale(domain=kinds, range=[BLUE, ORANGE])),
        row=alt.Row("group:N", title=None, header=alt.Header(labelAnchor="start", labelOrient="top")),
        tooltip=["group:N", "shown:N", alt.Tooltip("detection:Q", format=".2f"), "heads:Q"],
    )
    subtitle = ["Left bar: the head's own description is shown; right bar: another head's, as the control."]
    description = f"Bars. {subtitle[0]} {escape_invisible(' '.join(detection_sentences(scores)))}"
    return style_chart(bars, f"Detection scores in {escape_invisible(model)}", subtitle, description)


def concentration_ticks(groups: Iterable[ConcentrationGroup], model: str) -> Figure:
    """Entropy and kurtosis of the targets, one tick per head: with a pattern, described as unclear, and random."""
    rows: Rows = []
    in_words = []
    for describer, kind, heads in groups:
        label = escape_invisible(f"{describer}: {kind}") if describer else f"{kind} heads"
        entropies = [row["target_entropy"] for row in heads]
        in_words.append(f"{label} {len(heads):,}, median entropy {median(entropies):.2f} bits")
        rows += [
            {"group": label, "kind": kind, "place": len(in_words), **{name: row[name] for name in AXIS_TITLES}}
            for row in heads
        ]
    order = list(dict.fromkeys(row["group"] for row in rows))
    base = alt.Chart(SharedRows(values=rows), width=300, height=alt.Step(34))
    base = base.mark_tick(opacity=0.45, thickness=1.5, size=24, aria=False)
    colours = alt.Scale(domain=list(KIND_COLOURS), range=list(KIND_COLOURS.values()))
    panels = [
        base.transform_filter(f"datum.{name} !== null").encode(
            x=alt.X(f"{name}:Q", title=title, scale=AXIS_SCALES[name], axis=alt.Axis(tickCount=6)),
            y=alt.Y("group:N", title=None, sort=order, axis=alt.Axis(labelLimit=300) if left else None),
            color=alt.Color("kind:N", title="Heads", scale=colours, legend=None),
            tooltip=["group:N", alt.Tooltip(f"{name}:Q", format=".2f")],
        )
        for left, (name, title) in zip((True, False), AXIS_TITLES.items(), strict=True)
    ]
    subtitle = ["One tick per head. Low entropy and high kurtosis: the head promotes few strings, whatever it reads."]
    chart = alt.hconcat(*panels, spacing=24)
    title = f"How concentrated the targets are in {escape_invisible(model)}"
    return style_chart(chart, title, subtitle, f"{subtitle[0]} {'; '.join(in_words)}.")
