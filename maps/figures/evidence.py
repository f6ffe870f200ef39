"""Detection scores beside their control, and how concentrated the targets of heads are beside random heads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

import altair as alt

from maps.figures.style import Figure, Inline, Rows, finished
from maps.scoring.comparison import PATTERN, RANDOM, UNCLEAR, Group
from maps.scoring.summary import SHOWN, detection_sentences
from maps.text import shown

STEP = 20  # values a unit of detection: of ten and ten items all are twentieths
KINDS = {PATTERN: "#0072B2", UNCLEAR: "#D55E00", RANDOM: "#6B7480"}
AXES = {"target_entropy": "Entropy of the targets (bits)", "target_kurtosis": "Target kurtosis (log scale)"}


def detection(scores: Sequence[dict[str, Any]], model: str) -> Figure:
    """How many heads have which detection, with their own description and with another head's, by describer.

    `scores` are rows of the atlas's table.
    """
    counts = Counter(
        (shown(f"{row['describer']}, scored by {row['scorer']} (seed {row['seed']})"), kind, round(row[column] * STEP))
        for row in scores
        for kind, column in SHOWN.items()
        if row[column] is not None
    )
    rows: Rows = [
        {"group": group, "shown": kind, "detection": value / STEP, "heads": heads}
        for (group, kind, value), heads in sorted(counts.items())
    ]
    kinds = list(SHOWN)
    bars = (
        alt.Chart(Inline(values=rows), width=560, height=180)
        .mark_bar()
        .encode(
            x=alt.X(
                "detection:O",
                title="Balanced accuracy (chance is 0.5)",
                scale=alt.Scale(domain=[value / STEP for value in range(STEP + 1)]),
                axis=alt.Axis(format=".2f", labelAngle=0, labelOverlap=True),
            ),
            xOffset=alt.XOffset("shown:N", scale=alt.Scale(domain=kinds)),
            y=alt.Y("heads:Q", title="Heads", axis=alt.Axis(tickMinStep=1, format="d")),
            color=alt.Color(
                "shown:N", title="Description shown", scale=alt.Scale(domain=kinds, range=["#0072B2", "#E69F00"])
            ),
            row=alt.Row("group:N", title=None, header=alt.Header(labelAnchor="start", labelOrient="top")),
            tooltip=["group:N", "shown:N", alt.Tooltip("detection:Q", format=".2f"), "heads:Q"],
        )
    )
    subtitle = ["Left bar: the head's own description is shown; right bar: another head's, as the control."]
    said = " ".join(detection_sentences(scores))
    return finished(bars, f"Detection scores in {shown(model)}", subtitle, f"Bars. {subtitle[0]} {shown(said)}")


def concentration(groups: Iterable[Group], model: str) -> Figure:
    """Entropy and kurtosis of the targets, a tick a head: with a pattern, said to be unclear, and random."""
    rows: Rows = []
    said = []
    for describer, kind, heads in groups:
        label = shown(f"{describer}: {kind}") if describer else f"{kind} heads"
        entropies = [row["target_entropy"] for row in heads]
        said.append(f"{label} {len(heads):,}, median entropy {median(entropies):.2f} bits")
        rows += [
            {"group": label, "kind": kind, "place": len(said), **{name: row[name] for name in AXES}} for row in heads
        ]
    order = list(dict.fromkeys(row["group"] for row in rows))
    base = alt.Chart(Inline(values=rows), width=300, height=alt.Step(34)).mark_tick(
        opacity=0.45, thickness=1.5, size=24, aria=False
    )
    panels = [
        base.transform_filter(f"datum.{name} !== null").encode(
            x=alt.X(f"{name}:Q", title=title, scale=scale_of(name), axis=alt.Axis(tickCount=6)),
            y=alt.Y("group:N", title=None, sort=order, axis=alt.Axis(labelLimit=300) if left else None),
            color=alt.Color(
                "kind:N", title="Heads", scale=alt.Scale(domain=list(KINDS), range=list(KINDS.values())), legend=None
            ),
            tooltip=["group:N", alt.Tooltip(f"{name}:Q", format=".2f")],
        )
        for left, (name, title) in zip((True, False), AXES.items(), strict=True)
    ]
    subtitle = ["A tick a head. Low entropy and high kurtosis: the head promotes few strings, whatever it reads."]
    chart = alt.hconcat(*panels, spacing=24)
    title = f"How concentrated the targets are in {shown(model)}"
    return finished(chart, title, subtitle, f"{subtitle[0]} {'; '.join(said)}.")


def scale_of(name: str) -> alt.Scale:
    """Entropy from 0, kurtosis on a log scale, where a few heads are far from all others."""
    return alt.Scale(zero=True) if name == "target_entropy" else alt.Scale(type="log")
