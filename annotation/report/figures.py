"""Tables → figures. Every figure has a title and a description, and says in words what it says in colour."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import altair as alt
import pandas as pd

from annotation.form import PRECISION, QUESTIONS
from annotation.report.paper import NOT_ACCURATE, TOGETHER
from annotation.report.phrases import COEFFICIENTS
from annotation.statistics.answer_counts import PARTS
from annotation.statistics.summary import Report

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
FITTED = alt.AutoSizeParams(type="fit-x", contains="padding")  # labels and title stay inside the frame
ROOM = {"left": 5, "top": 5, "right": 24, "bottom": 5}
INK, ACCENT = "currentColor", "var(--accent, #0072B2)"  # the page's own
EMBEDDED = {"embedOptions": {"actions": False, "renderer": "svg"}}  # the menu's button has no name; svg knows INK
HERE, PAPER = "here", "paper"
GREY = {TOGETHER: "#DDDDDD", NOT_ACCURATE: "#BBBBBB"}  # what the paper does not tell apart
Figure = alt.LayerChart | alt.FacetChart


def beside_paper(own: pd.DataFrame, published: pd.DataFrame, field: str) -> Figure:
    """Shares of the answers to one question, all and by layer quarter, here beside the paper's, as stacked bars.

    `own` is `tallies.answers`'s, `published` `paper.published_answers`'s table.
    """
    question = next(each for each in QUESTIONS if each.field == field)
    both = pd.concat([own.assign(study=HERE), published.assign(study=PAPER)], ignore_index=True)
    rows = both[(both["question"] == field) & (both["n"] > 0)].copy()
    rows["share"] = rows["count"] / rows["n"]
    colours = {code: COLOURS[code] for code in question.codes} | (GREY if question is PRECISION else {})
    rows["order"] = [list(colours).index(code) for code in rows["answer"]]
    chart = alt.layer(_bars(rows, colours), _shares(rows), _names(rows))
    return _looking(
        chart,
        title=_title(f"Answers to {question.short},", "here and in the paper, in per cent"),
        description=f"Stacked bars. {question.text} {_told(rows) or 'No answers yet'}.",
        width="container",
        height=300,
    )


def _looking(chart: Any, **said: Any) -> Any:
    """The chart over the page's background, in its ink."""
    ink = {f"{part}Color": INK for part in ("label", "title", "domain", "tick", "grid")}
    return (
        chart.properties(autosize=FITTED, padding=ROOM, usermeta=EMBEDDED, background="transparent", **said)
        .configure_axis(**ink, gridOpacity=0.2, domainOpacity=0.5, tickOpacity=0.5)
        .configure_legend(labelColor=INK)
        .configure_title(color=INK)
        .configure_view(stroke=None)
    )


def _title(*lines: str) -> alt.TitleParams:
    """A title that begins at the left edge, so that a narrow screen shows it whole."""
    return alt.TitleParams(list(lines), anchor="start", frame="bounds")


def _placed(rows: pd.DataFrame) -> alt.Chart:
    return alt.Chart(rows).encode(
        x=alt.X("part:N", sort=list(PARTS), title="Layer quarter", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("study:N", sort=[HERE, PAPER]),
    )


def _bars(rows: pd.DataFrame, colours: dict[str, str]) -> alt.Chart:
    """The stacked bars; a label of the legend for every answer that occurs."""
    labels = dict(zip(rows["answer"], rows["label"], strict=True))
    shown = [code for code in colours if code in labels]
    scale = alt.Scale(domain=[labels[code] for code in shown], range=[colours[code] for code in shown])
    share = alt.Y("share:Q", stack="zero", axis=None)
    return (
        _placed(rows)
        .mark_bar(stroke="white")
        .encode(
            y=share,
            order=alt.Order("order:Q"),
            color=alt.Color(
                "label:N", title=None, scale=scale, legend=alt.Legend(orient="bottom", columns=1, labelLimit=400)
            ),
            tooltip=[
                alt.Tooltip("study:N", title="Study"),
                alt.Tooltip("part:N", title="Layer quarter"),
                alt.Tooltip("label:N", title="Answer"),
                alt.Tooltip("count:Q", title="Judgments"),
                alt.Tooltip("n:Q", title="Of"),
            ],
        )
    )


def _shares(rows: pd.DataFrame) -> alt.Chart:
    """The shares in per cent in the bars that are high enough to hold them."""
    return (
        _placed(rows)
        .transform_calculate(percent="round(100 * datum.share)")
        .mark_text(color="black", baseline="top", dy=3, fontSize=10)
        .encode(
            y=alt.Y("share:Q", stack="zero"),
            order=alt.Order("order:Q"),
            detail="label:N",
            text="percent:Q",
            opacity=alt.condition("datum.share >= 0.06", alt.value(1), alt.value(0)),
        )
    )


def _names(rows: pd.DataFrame) -> alt.Chart:
    """Above each bar whose it is."""
    bars = rows.drop_duplicates(["part", "study"])
    return (
        _placed(bars).mark_text(baseline="bottom", dy=-3, fontSize=8, color=INK).encode(y=alt.datum(1), text="study:N")
    )


def _told(rows: pd.DataFrame) -> str:
    """The figure in words, part by part."""
    return "; ".join(
        f"{'all layers' if row['part'] == 'all' else row['part'] + ' quarter'}, {row['study']}, {row['label']}: "
        f"{row['count']} of {row['n']}"
        for row in rows.to_dict("records")
        if row["count"]
    )


def coefficients(report: Report, field: str) -> Figure:
    """The coefficients of one question as points with their 95 % intervals; undefined ones are named as such."""
    question = next(each for each in QUESTIONS if each.field == field)
    found = report.questions[field].coefficients
    names = {"percent": "Share of agreeing pairs", **COEFFICIENTS}
    lines = [
        {
            "coefficient": names[key],
            "text": "undefined" if each.value is None else f"{each.value:.2f}",
            "told": f"undefined: {each.reason}" if each.value is None else f"{each.value:.2f}",
            "at": each.value or 0.0,
            **asdict(each),
        }
        for key, each in found.items()
    ]
    rows = pd.DataFrame(lines).astype({"value": "float64", "low": "float64", "high": "float64"})
    base = alt.Chart(rows).encode(
        y=alt.Y("coefficient:N", sort=None, title=None, axis=alt.Axis(labelLimit=240)),
        tooltip=[
            "coefficient:N",
            alt.Tooltip("told:N", title="Value"),
            "low:Q",
            "high:Q",
            alt.Tooltip("n:Q", title="Items"),
        ],
    )
    scale = alt.Scale(domain=[min(0.0, float(rows[["low", "at"]].min().min())), 1.0])
    intervals = base.mark_rule(strokeWidth=2, color=ACCENT).encode(
        x=alt.X("low:Q", scale=scale, title="Agreement (1 is perfect)"), x2="high:Q"
    )
    points = (
        base.transform_filter("isValid(datum.value)")
        .mark_point(filled=True, size=70, color=ACCENT)
        .encode(x=alt.X("value:Q", scale=scale))
    )
    labels = base.mark_text(align="left", dy=-10, color=INK).encode(x=alt.X("at:Q", scale=scale), text="text:N")
    words = "; ".join(f"{line['coefficient']} {line['told']}" for line in lines)
    return _looking(
        alt.layer(intervals, points, labels),
        title=_title(f"Agreement on {question.short}"),
        description=f"Points with 95 % intervals. {words}.",
        width="container",
        height=alt.Step(34),
    )
