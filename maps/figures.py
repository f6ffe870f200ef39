"""Tables → figures. Every figure has a title and a description, and says in words what it says in colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import altair as alt
import pyarrow as pa

from maps.classification import CATEGORIES
from maps.types import HeadId

# Okabe and Ito, who chose them to be told apart by colour-blind readers too; the app's purple for own relations.
COLOURS = {
    **dict(zip(CATEGORIES, ("#0072B2", "#E69F00", "#009E73", "#CC79A7"), strict=True)),
    "own relation": "#8C6BB1",
    "none": "#E4E8ED",
}
OTHER = "#56606E"
INK, QUIET, LINE = "#1B2430", "#55606E", "#D5DBE3"
WITHIN, BETWEEN = "share a value head", "do not"
SETS = {"sources": "Salient sources", "mappings": "Mappings", "relations": "Relations"}
WIDEST, SMALLEST, LARGEST = 900, 9, 22  # of the map, and of its cells, in pixels
Figure = alt.LayerChart | alt.HConcatChart | alt.Chart
Rows = list[dict[str, Any]]


def spec(figure: Figure) -> dict[str, Any]:
    """The figure as Vega-Lite, however many rows it has."""
    with alt.data_transformers.enable("default", max_rows=None):
        return dict(figure.to_dict())


def words(name: str) -> str:
    """`country_to_capital` as `country to capital`."""
    return name.replace("_", " ")


def functionality_map(categories: pa.Table, model: str, layers: int, heads: int) -> Figure:
    """Every head as a cell, layers from left to right and heads from top to bottom, a band for each category.

    `categories` is `classification.categories`'s table; `layers` and `heads` are the model's, mapped or not.
    """
    rows = bands(categories)
    counts = Counter(row["category"] for row in rows)
    shown = {name: f"{name} ({counts[name]:,})" for name in [*COLOURS, *sorted(counts.keys() - COLOURS.keys())]}
    shown = {name: label for name, label in shown.items() if counts[name] or name in CATEGORIES}
    for row in rows:
        row["label"] = shown[row["category"]]
    step = max(SMALLEST, min(LARGEST, WIDEST // max(1, layers)))
    gap = 1 / step
    cells = (
        alt.Chart(alt.InlineData(values=rows), width=layers * step, height=heads * step)
        .transform_calculate(right=f"datum.layer + 1 - {gap}", top="datum.head + datum.start", foot="datum.head + datum.end")
        .mark_rect()
        .encode(
            x=alt.X("layer:Q", title="Layer", scale=alt.Scale(domain=[0, layers], nice=False), axis=ticks(layers)),
            x2="right:Q",
            y=alt.Y("top:Q", title="Head", scale=alt.Scale(domain=[heads, 0], nice=False), axis=ticks(heads)),
            y2="foot:Q",
            color=alt.Color(
                "label:N",
                scale=alt.Scale(domain=list(shown.values()), range=[COLOURS.get(name, OTHER) for name in shown]),
                legend=alt.Legend(title="Category (heads)", symbolType="square", symbolSize=160, labelLimit=300),
            ),
            tooltip=[alt.Tooltip(f"{name.lower()}:N", title=name) for name in ("Name", "Implements", "Suppresses")],
            description="words:N",
        )
    )
    some = sum(1 for row in categories.to_pylist() if row["relations"] or row["suppressed"])
    each = ", ".join(f"{name} {counts[name]:,}" for name in shown if name != "none")
    title = f"What the heads of {model} do"
    subtitle = [
        f"{some:,} of {len(categories):,} heads implement or suppress a relation; a head of several categories has a "
        "band for each."
    ]
    described = f"A grid of {len(categories):,} heads, layers from left to right. {subtitle[0]} Heads by category: {each}."
    return finished(cells, title, subtitle, described)


def bands(categories: pa.Table) -> Rows:
    """The bands of every head's cell, from `start` to `end` of its height; one of no category where it has none."""
    rows = []
    for row in categories.to_pylist():
        implements, suppresses = (", ".join(map(words, row[name] or [])) for name in ("relations", "suppressed"))
        own = ["own relation"] if implements or suppresses else ["none"]
        found = row["categories"] or own
        name = str(HeadId(row["layer"], row["head"]))
        does = [f"{verb} {what}" for verb, what in (("implements", implements), ("suppresses", suppresses)) if what]
        for place, category in enumerate(found):
            rows.append(
                {
                    "layer": row["layer"],
                    "head": row["head"],
                    "category": category,
                    "start": place / len(found) * 0.94,
                    "end": (place + 1) / len(found) * 0.94,
                    "name": name,
                    "implements": implements or "nothing",
                    "suppresses": suppresses or "nothing",
                    "words": f"{name} {'; '.join(does) or 'does no relation at the threshold'}",
                }
            )
    return rows


def ticks(count: int) -> alt.Axis:
    """An axis of cells: whole numbers in the middle of every cell, or of every fifth or tenth."""
    every = 1 if count <= 16 else 5 if count <= 40 else 10
    return alt.Axis(
        values=[place + 0.5 for place in range(0, count, every)],
        labelExpr="format(floor(datum.value), 'd')",
        grid=False,
        domain=False,
        ticks=False,
        labelOverlap=False,
    )


def heads_per_relation(per_relation: pa.Table, model: str) -> Figure:
    """Bars: how many heads implement each relation, and beside it how many suppress it.

    `per_relation` is `classification.heads_per_relation`'s table; relations with too few pairs say so.
    """
    rows = [row | {"name": words(row["relation"]), "group": row["category"] or "own relation"} for row in per_relation.to_pylist()]
    most = max((row["either"] or 0 for row in rows), default=0) or 1
    for row in rows:
        row["few"] = "" if row["counted"] else f"too few pairs ({row['pairs']})"
    panels = [
        panel(rows, "heads", "Heads that implement it", ("best_head", "best_score"), most, named=True),
        panel(rows, "suppression_heads", "Heads that suppress it", ("best_suppression_head", "best_suppression"), most),
    ]
    counted = [row for row in rows if row["counted"]]
    each = "; ".join(f"{row['name']} {row['heads']} and {row['suppression_heads']}" for row in counted if row["either"])
    few = ", ".join(row["name"] for row in rows if not row["counted"])
    subtitle = [f"{sum(bool(row['either']) for row in counted)} of {len(rows)} relations have such a head."]
    described = f"Bars of how many heads implement each relation and how many suppress it: {each or 'none'}."
    described += f" Too few pairs to classify by: {few}." if few else ""
    chart = alt.hconcat(*panels, spacing=24).resolve_scale(color="shared")
    return finished(chart, f"Heads per relation in {model}", subtitle, described)


def panel(rows: Rows, field: str, title: str, best: tuple[str, str], most: int, named: bool = False) -> alt.LayerChart:
    """Half of the bars; `best` names the columns of the strongest head and its score."""
    head, value = best
    labels = alt.Axis(labelLimit=240, ticks=False, domain=False, labelPadding=8) if named else None
    present = list(dict.fromkeys(row["group"] for row in rows))
    base = alt.Chart(alt.InlineData(values=rows), width=270, height=alt.Step(19)).encode(
        y=alt.Y("name:N", sort=None, title=None, axis=labels),
        tooltip=[
            alt.Tooltip("name:N", title="Relation"),
            alt.Tooltip("group:N", title="Category"),
            alt.Tooltip(f"{field}:Q", title=title),
            alt.Tooltip(f"{head}:N", title="Strongest head"),
            alt.Tooltip(f"{value}:Q", title="Its score", format=".2f"),
            alt.Tooltip("pairs:Q", title="Usable pairs"),
        ],
    )
    x = alt.X(f"{field}:Q", title=title, scale=alt.Scale(domain=[0, most * 1.08], nice=False), axis=alt.Axis(tickMinStep=1, format="d"))
    colour = alt.Color(
        "group:N",
        scale=alt.Scale(domain=present, range=[COLOURS.get(name, OTHER) for name in present]),
        legend=alt.Legend(title="Category", symbolType="square", symbolSize=160),
    )
    bars = base.mark_bar(height=13).encode(x=x, color=colour)
    numbers = (
        base.transform_filter(f"datum.{field} !== null")
        .mark_text(align="left", dx=4, color=INK)
        .encode(x=x, text=f"{field}:Q")
    )
    few = base.transform_filter("datum.few !== ''").mark_text(align="left", dx=4, color=QUIET, fontStyle="italic")
    return alt.layer(bars, numbers, few.encode(x=alt.datum(0), text="few:N"))


def group_similarity(groups: pa.Table, model: str) -> Figure:
    """How alike heads of a layer are that share a value head, beside those that do not, by layer.

    `groups` is `groups.similarity`'s table. Undefined values are left out; the description says why.
    """
    every = {(row["sets"], row["heads"]): row for row in groups.to_pylist() if row["layer"] is None}
    rows = [
        row | {"of": SETS[row["sets"]], "side": WITHIN if row["heads"] == "within" else BETWEEN}
        for row in groups.to_pylist()
        if row["layer"] is not None and row["similarity"] is not None
    ]
    panels = [similarity_panel([row for row in rows if row["sets"] == name], title) for name, title in SETS.items()]
    each = "; ".join(
        f"{SETS[name].lower()} {overall(every[name, 'within'])} within and {overall(every[name, 'between'])} between groups"
        for name in SETS
    )
    chart = alt.hconcat(*panels, spacing=30).resolve_scale(color="shared", shape="shared")
    subtitle = ["Mean Jaccard similarity of two heads of a layer that share a value head, and of two that do not."]
    return finished(chart, f"Heads that share a value head in {model}", subtitle, f"{subtitle[0]} Over all layers: {each}.")


def overall(row: dict[str, Any]) -> str:
    """A similarity in words."""
    return f"undefined ({row['reason']})" if row["similarity"] is None else f"{row['similarity']:.3f}"


def similarity_panel(rows: Rows, title: str) -> alt.LayerChart:
    """One kind of set: points by layer, joined."""
    sides = [WITHIN, BETWEEN]
    base = alt.Chart(alt.InlineData(values=rows), width=250, height=200, title=title).encode(
        x=alt.X("layer:Q", title="Layer", axis=alt.Axis(tickMinStep=1, format="d", grid=False)),
        y=alt.Y("similarity:Q", title="Similarity", scale=alt.Scale(domainMin=0)),
        color=alt.Color("side:N", title="Two heads", scale=alt.Scale(domain=sides, range=["#0072B2", "#D55E00"])),
        tooltip=["layer:Q", alt.Tooltip("side:N", title="Two heads"), alt.Tooltip("similarity:Q", format=".3f"), "pairs:Q"],
    )
    shape = alt.Shape("side:N", title="Two heads", scale=alt.Scale(domain=sides, range=["circle", "diamond"]))
    return alt.layer(base.mark_line(opacity=0.35), base.mark_point(filled=True, size=40, opacity=1).encode(shape=shape))


def skewness_by_output_space(heads: pa.Table, classified: Sequence[HeadId], model: str) -> Figure | None:
    """Input skewness against the size of the output space, a point a head; None where neither was computed.

    `heads` is the atlas's table, `classified` the heads that implement or suppress a relation.
    """
    known = set(classified)
    rows = [
        row | {"name": str(HeadId(row["layer"], row["head"])), "kind": "classified" if (row["layer"], row["head"]) in known else "not classified"}
        for row in heads.select(["layer", "head", "input_skewness", "output_space"]).to_pylist()
        if row["output_space"] and row["input_skewness"] is not None
    ]
    if not rows:
        return None
    kinds = ["not classified", "classified"]
    points = (
        alt.Chart(alt.InlineData(values=rows), width=480, height=320)
        .mark_point(filled=True, size=36, opacity=0.75)
        .encode(
            x=alt.X("output_space:Q", title="Output space (share of the vocabulary)", scale=alt.Scale(type="log"), axis=alt.Axis(format="~%", grid=False)),
            y=alt.Y("input_skewness:Q", title="Input skewness", scale=alt.Scale(zero=False)),
            color=alt.Color("kind:N", title="Head", scale=alt.Scale(domain=kinds, range=["#8A94A0", "#0072B2"])),
            shape=alt.Shape("kind:N", title="Head", scale=alt.Scale(domain=kinds, range=["circle", "diamond"])),
            tooltip=["name:N", alt.Tooltip("output_space:Q", format=".3%"), alt.Tooltip("input_skewness:Q", format=".2f"), "kind:N"],
        )
    )
    subtitle = [f"{len(rows):,} heads; a small output space means that few tokens are promoted, whatever is read."]
    return finished(points, f"Input skewness and output space in {model}", subtitle, f"Points. {subtitle[0]}")


def finished(chart: Any, title: str, subtitle: list[str], description: str) -> Any:
    """Title, description and the house's look."""
    font = "Helvetica, Arial, sans-serif"
    return (
        chart.properties(
            title=alt.TitleParams(title, subtitle=subtitle, anchor="start", offset=14),
            description=description,
            background="white",
            padding=14,
            usermeta={"embedOptions": {"actions": False}},  # its button has no name for screen readers
        )
        .configure(font=font)
        .configure_view(stroke=None)
        .configure_title(fontSize=16, color=INK, subtitleFontSize=12, subtitleColor=QUIET, subtitlePadding=5)
        .configure_axis(labelColor=QUIET, titleColor=INK, titleFontWeight="normal", labelFontSize=11, titleFontSize=12, gridColor=LINE, domainColor=LINE, tickColor=LINE)
        .configure_legend(labelColor=INK, titleColor=INK, titleFontWeight="normal", labelFontSize=12, titleFontSize=12)
    )
