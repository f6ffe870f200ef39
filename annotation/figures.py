"""Tables → figures. Every figure has a title and a description, and says in words what it says in colour."""

from __future__ import annotations

from dataclasses import asdict

import altair as alt
import pandas as pd

from annotation.form import QUESTIONS
from annotation.summary import Report
from annotation.words import COEFFICIENTS

# Okabe and Ito; all four carry black text at 4.5 to 1 or better.
GREEN, SKY, ORANGE, VERMILION = "#009E73", "#56B4E9", "#E69F00", "#D55E00"
COLOURS = {
    "absent_none": SKY,
    "absent_described": ORANGE,
    "present_missed": VERMILION,
    "present_described": GREEN,
    "accurate": GREEN,
    "inaccurate": SKY,
    "partial": ORANGE,
    "poor": VERMILION,
    "semantic": ORANGE,
    "language": GREEN,
    "general": SKY,
    "unnatural": "#BBBBBB",
}
NO_MENU = {"embedOptions": {"actions": False}}  # its button has no name for screen readers
Figure = alt.LayerChart | alt.FacetChart
QUARTERS = ("first", "second", "third", "last")


def answers_by_quarter(table: pd.DataFrame, model: str, field: str) -> Figure:
    """Stacked bars of the answers to one question in each layer quarter of one model.

    `table` is `summary.by_layer_quarter`'s; counts stand in the bars, the words in the legend and tooltip.
    """
    question = next(each for each in QUESTIONS if each.field == field)
    rows = table[(table["model"] == model) & (table["question"] == field)].copy()
    rows["quarter"] = [QUARTERS[quarter] for quarter in rows["quarter"]]
    rows["order"] = [question.codes.index(code) for code in rows["answer"]]
    labels = [choice.label for choice in question.choices]
    base = alt.Chart(rows).encode(
        x=alt.X("quarter:N", sort=list(QUARTERS), title="Layer quarter", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("count:Q", stack="zero", title="Judgments", axis=alt.Axis(tickMinStep=1)),
        order=alt.Order("order:Q"),
        tooltip=[
            alt.Tooltip("label:N", title="Answer"),
            alt.Tooltip("quarter:N", title="Layer quarter"),
            alt.Tooltip("count:Q", title="Judgments"),
            alt.Tooltip("n:Q", title="Of"),
        ],
    )
    bars = base.mark_bar(stroke="white").encode(
        color=alt.Color(
            "label:N",
            title=None,
            scale=alt.Scale(domain=labels, range=[COLOURS[code] for code in question.codes]),
            legend=alt.Legend(orient="bottom", columns=1, labelLimit=400),
        )
    )
    numbers = (
        base.transform_filter("datum.count > 0")
        .mark_text(color="black", baseline="top", dy=3)
        .encode(text="count:Q", detail="label:N")
    )
    words = "; ".join(
        f"{row['quarter']} quarter, {row['label']}: {row['count']} of {row['n']}"
        for row in rows.to_dict("records")
        if row["count"]
    )
    return alt.layer(bars, numbers).properties(
        title=f"Answers to {question.short} by layer quarter, {model}",
        description=f"Stacked bars for {model}. {question.text} {words or 'No answers yet'}.",
        width="container",
        height=260,
        usermeta=NO_MENU,
    )


def coefficients(report: Report, field: str) -> Figure:
    """The coefficients of one question as points with their 95 % intervals; undefined ones are named as such."""
    question = next(each for each in QUESTIONS if each.field == field)
    found = report.questions[field].coefficients
    names = {"percent": "Share of agreeing pairs", **COEFFICIENTS}
    lines = [
        {
            "coefficient": names[key],
            "text": f"undefined: {each.reason}" if each.value is None else f"{each.value:.2f}",
            "at": each.value or 0.0,
            **asdict(each),
        }
        for key, each in found.items()
    ]
    rows = pd.DataFrame(lines).astype({"value": "float64", "low": "float64", "high": "float64"})
    base = alt.Chart(rows).encode(
        y=alt.Y("coefficient:N", sort=None, title=None, axis=alt.Axis(labelLimit=240)),
        tooltip=["coefficient:N", "text:N", "low:Q", "high:Q", alt.Tooltip("n:Q", title="Items")],
    )
    scale = alt.Scale(domain=[min(0.0, float(rows[["low", "at"]].min().min())), 1.0])
    intervals = base.mark_rule(strokeWidth=2, color="#0072B2").encode(
        x=alt.X("low:Q", scale=scale, title="Agreement (1 is perfect)"), x2="high:Q"
    )
    points = (
        base.transform_filter("isValid(datum.value)")
        .mark_point(filled=True, size=70, color="#0072B2")
        .encode(x=alt.X("value:Q", scale=scale))
    )
    labels = base.mark_text(align="left", dy=-10).encode(x=alt.X("at:Q", scale=scale), text="text:N")
    words = "; ".join(f"{line['coefficient']} {line['text']}" for line in lines)
    return alt.layer(intervals, points, labels).properties(
        title=f"Agreement on {question.short}",
        description=f"Points with 95 % intervals. {words}.",
        width="container",
        height=alt.Step(34),
    )
