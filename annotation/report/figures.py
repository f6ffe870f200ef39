"""The figures of the agreement page. Each has a title and a description that gives its numbers in words."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import altair as alt
import pandas as pd

from annotation.form import PRECISION, QUESTIONS
from annotation.report.paper import INACCURATE_OR_PARTIAL, NOT_ACCURATE
from annotation.report.phrases import COEFFICIENT_NAMES
from annotation.statistics.answer_counts import PART_NAMES
from annotation.statistics.summary import AgreementReport
from maps.figures.style import BLUE, GREEN, ORANGE, SKY, VERMILION

# Black text has a contrast of 4.5 to 1 or better on all of them.
ANSWER_COLOURS = {
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
AUTOSIZE = alt.AutoSizeParams(type="fit-x", contains="padding")  # labels and title stay inside the frame
PADDING = {"left": 5, "top": 5, "right": 24, "bottom": 5}
TEXT_COLOUR, ACCENT_COLOUR = "currentColor", f"var(--accent, {BLUE})"  # the page's own
EMBED_OPTIONS = {"embedOptions": {"actions": False, "renderer": "svg"}}  # the menu's button has no name; svg knows INK
OWN_STUDY, PAPER_STUDY = "here", "paper"
PAPER_ONLY_COLOURS = {INACCURATE_OR_PARTIAL: "#DDDDDD", NOT_ACCURATE: "#BBBBBB"}  # what the paper does not tell apart
Figure = alt.LayerChart | alt.FacetChart


def build_answers_figure(own: pd.DataFrame, paper_answers: pd.DataFrame, field: str) -> Figure:
    """Stacked bars: the shares of the answers to one question, in all and by layer quarter, here and in the paper.

    `own` is the table of `answer_counts_by_quarter`, `paper_answers` that of `tabulate_paper_answers`.
    """
    question = next(each for each in QUESTIONS if each.field == field)
    both = pd.concat([own.assign(study=OWN_STUDY), paper_answers.assign(study=PAPER_STUDY)], ignore_index=True)
    rows = both[(both["question"] == field) & (both["n"] > 0)].copy()
    rows["share"] = rows["count"] / rows["n"]
    colours = {code: ANSWER_COLOURS[code] for code in question.codes}
    colours |= PAPER_ONLY_COLOURS if question is PRECISION else {}
    rows["order"] = [list(colours).index(code) for code in rows["answer"]]
    chart = alt.layer(_bar_layer(rows, colours), _share_labels(rows), _study_labels(rows))
    return _apply_theme(
        chart,
        title=_title(f"Answers to {question.short_name},", "here and in the paper, in per cent"),
        description=f"Stacked bars. {question.text} {_figure_in_words(rows) or 'No answers yet'}.",
        width="container",
        height=300,
    )


def _apply_theme(chart: Any, **more: Any) -> Any:
    ink = {f"{part}Color": TEXT_COLOUR for part in ("label", "title", "domain", "tick", "grid")}
    return (
        chart.properties(autosize=AUTOSIZE, padding=PADDING, usermeta=EMBED_OPTIONS, background="transparent", **more)
        .configure_axis(**ink, gridOpacity=0.2, domainOpacity=0.5, tickOpacity=0.5)
        .configure_legend(labelColor=TEXT_COLOUR)
        .configure_title(color=TEXT_COLOUR)
        .configure_view(stroke=None)
    )


def _title(*lines: str) -> alt.TitleParams:
    """A title from the left edge on, so that a narrow screen shows all of it."""
    return alt.TitleParams(list(lines), anchor="start", frame="bounds")


def _base_chart(rows: pd.DataFrame) -> alt.Chart:
    return alt.Chart(rows).encode(
        x=alt.X("part:N", sort=list(PART_NAMES), title="Layer quarter", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("study:N", sort=[OWN_STUDY, PAPER_STUDY]),
    )


def _bar_layer(rows: pd.DataFrame, colours: dict[str, str]) -> alt.Chart:
    """The stacked bars; the legend has every answer that occurs."""
    labels = dict(zip(rows["answer"], rows["label"], strict=True))
    shown = [code for code in colours if code in labels]
    scale = alt.Scale(domain=[labels[code] for code in shown], range=[colours[code] for code in shown])
    legend = alt.Legend(orient="bottom", columns=1, labelLimit=400)
    return (
        _base_chart(rows)
        .mark_bar(stroke="white")
        .encode(
            y=alt.Y("share:Q", stack="zero", axis=None),
            order=alt.Order("order:Q"),
            color=alt.Color("label:N", title=None, scale=scale, legend=legend),
            tooltip=[
                alt.Tooltip("study:N", title="Study"),
                alt.Tooltip("part:N", title="Layer quarter"),
                alt.Tooltip("label:N", title="Answer"),
                alt.Tooltip("count:Q", title="Judgments"),
                alt.Tooltip("n:Q", title="Of"),
            ],
        )
    )


def _share_labels(rows: pd.DataFrame) -> alt.Chart:
    """The shares in per cent, in bars that are high enough for a number."""
    return (
        _base_chart(rows)
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


def _study_labels(rows: pd.DataFrame) -> alt.Chart:
    """Labels each bar `here` or `paper`."""
    bars = rows.drop_duplicates(["part", "study"])
    return (
        _base_chart(bars)
        .mark_text(baseline="bottom", dy=-3, fontSize=8, color=TEXT_COLOUR)
        .encode(y=alt.datum(1), text="study:N")
    )


def _figure_in_words(rows: pd.DataFrame) -> str:
    return "; ".join(
        f"{'all layers' if row['part'] == 'all' else row['part'] + ' quarter'}, {row['study']}, {row['label']}: "
        f"{row['count']} of {row['n']}"
        for row in rows.to_dict("records")
        if row["count"]
    )


def build_coefficients_figure(report: AgreementReport, field: str) -> Figure:
    """The coefficients of one question as points with 95 % intervals; undefined ones are labelled `undefined`."""
    question = next(each for each in QUESTIONS if each.field == field)
    found = report.questions[field].coefficients
    names = {"percent": "Share of agreeing pairs", **COEFFICIENT_NAMES}
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
    intervals = base.mark_rule(strokeWidth=2, color=ACCENT_COLOUR).encode(
        x=alt.X("low:Q", scale=scale, title="Agreement (1 is perfect)"), x2="high:Q"
    )
    points = (
        base.transform_filter("isValid(datum.value)")
        .mark_point(filled=True, size=70, color=ACCENT_COLOUR)
        .encode(x=alt.X("value:Q", scale=scale))
    )
    labels = base.mark_text(align="left", dy=-10, color=TEXT_COLOUR).encode(x=alt.X("at:Q", scale=scale), text="text:N")
    words = "; ".join(f"{line['coefficient']} {line['told']}" for line in lines)
    return _apply_theme(
        alt.layer(intervals, points, labels),
        title=_title(f"Agreement on {question.short_name}"),
        description=f"Points with 95 % intervals. {words}.",
        width="container",
        height=alt.Step(34),
    )
