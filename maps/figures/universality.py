"""How a relation's scores are distributed over the heads of each model (paper, section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from maps.figures.style import BLUE, QUIET_COLOUR, Figure, Rows, SharedRows, style_chart
from maps.text import escape_invisible, relation_label


def scores_by_model(scores: Sequence[tuple[str, str, float | None]], relation: str, tau: float) -> Figure:
    """One line per model with one tick per head that has a hit; `scores` contains (model, head, score).

    The subtitle counts the heads without a hit; undefined scores are left out.
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
        x=alt.X("score:Q", title="Relation score", scale=alt.Scale(domain=[0, 1])),
        y=alt.Y("model:N", title=None, scale=alt.Scale(domain=models), axis=alt.Axis(labelLimit=220)),
        tooltip=["head:N", "model:N", alt.Tooltip("score:Q", format=".3f")],
    )
    rule = alt.Chart(SharedRows(values=[{"tau": tau}])).mark_rule(strokeDash=[4, 3], color=QUIET_COLOUR)
    subtitle = [f"{len(with_hit):,} of {len(rows):,} heads have a hit; the dashed line is the threshold of {tau:g}."]
    title = f"Scores on {relation_label(relation)} by model"
    return style_chart(alt.layer(ticks, rule.encode(x="tau:Q")), title, subtitle, f"One tick per head. {subtitle[0]}")
