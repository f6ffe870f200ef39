"""How many heads implement and suppress each relation, as bars."""

from __future__ import annotations

import json

import altair as alt
import pyarrow as pa

from maps.figures import style
from maps.figures.style import Figure, Rows, SharedRows
from maps.text import escape_invisible, relation_label


def heads_per_relation(per_relation: pa.Table, model: str) -> Figure:
    """Bars: how many heads implement each relation, and how many suppress it.

    `per_relation` is the table of `maps.analysis.classification.heads_per_relation`. Relations with too few pairs are
    labelled.
    """
    rows = [
        row
        | {
            "place": i,
            "name": relation_label(row["relation"]),
            "group": row["category"] or "own relation",
            "few": "" if row["counted"] else f"too few pairs ({row['pairs']})",
        }
        for i, row in enumerate(per_relation.to_pylist())
    ]
    most = max((max(row["heads"] or 0, row["suppression_heads"] or 0) for row in rows), default=0) or 1
    names = [row["name"] for row in rows]  # bars are placed by number: names may be equal or empty
    label = f"{json.dumps(names)}[datum.value]"
    named = alt.Axis(labelExpr=label, labelLimit=240, ticks=False, domain=False, labelPadding=8)
    suppression = ("best_suppression_head", "best_suppression")
    panels = [
        relation_bars(rows, "heads", "Heads that implement it", ("best_head", "best_score"), most, named),
        relation_bars(rows, "suppression_heads", "Heads that suppress it", suppression, most, None),
    ]
    counted = [row for row in rows if row["counted"]]
    each = "; ".join(f"{row['name']} {row['heads']} and {row['suppression_heads']}" for row in counted if row["either"])
    few = ", ".join(row["name"] for row in rows if not row["counted"])
    with_head = sum(bool(row["either"]) for row in counted)
    subtitle = [f"{with_head} of {len(rows)} relations have a head that implements or suppresses them."]
    described = f"Bars of how many heads implement each relation and how many suppress it: {each or 'none'}."
    described += f" Too few pairs to classify by: {few}." if few else ""
    chart = alt.hconcat(*panels, spacing=24).resolve_scale(color="shared")
    return style.style_chart(chart, f"Heads per relation in {escape_invisible(model)}", subtitle, described)


def relation_bars(
    rows: Rows, field: str, title: str, best: tuple[str, str], most: int, labels: alt.Axis | None
) -> alt.LayerChart | alt.FacetChart:
    """One panel of bars. `best` names the columns with the strongest head and its score; `labels` names the bars."""
    head, value = best
    present = list(dict.fromkeys(row["group"] for row in rows))
    base = alt.Chart(SharedRows(values=rows), width=270, height=alt.Step(19)).encode(
        y=alt.Y("place:O", title=None, axis=labels),
        tooltip=[
            alt.Tooltip("name:N", title="Relation"),
            alt.Tooltip("group:N", title="Category"),
            alt.Tooltip(f"{field}:Q", title=title),
            alt.Tooltip(f"{head}:N", title="Strongest head"),
            alt.Tooltip(f"{value}:Q", title="Its score", format=".2f"),
            alt.Tooltip("pairs:Q", title="Usable pairs"),
        ],
    )
    scale, axis = alt.Scale(domain=[0, most * 1.08], nice=False), alt.Axis(tickMinStep=1, tickCount=5, format="d")
    x = alt.X(f"{field}:Q", title=title, scale=scale, axis=axis)
    colours = [style.CATEGORY_COLOURS.get(name, style.OTHER_COLOUR) for name in present]
    legend = alt.Legend(title="Category", symbolType="square", symbolSize=160)
    colour = alt.Color("group:N", scale=alt.Scale(domain=present, range=colours), legend=legend)
    has_bars = any(row[field] is not None for row in rows)  # an empty group of them has no name for a screen reader
    bars = base.mark_bar(height=13, aria=has_bars).encode(x=x, color=colour)
    ink, quiet = alt.value(style.INK_COLOUR), alt.value(style.QUIET_COLOUR)
    numbers = base.transform_filter(f"datum.{field} !== null").mark_text(align="left", dx=4)
    numbers = numbers.encode(x=x, text=f"{field}:Q", color=alt.condition(f"datum.{field} > 0", ink, quiet))
    few = base.transform_filter("datum.few !== ''")
    few = few.mark_text(align="left", dx=4, color=style.QUIET_COLOUR, fontStyle="italic")
    return alt.layer(bars, numbers, few.encode(x=alt.datum(0), text="few:N"))
