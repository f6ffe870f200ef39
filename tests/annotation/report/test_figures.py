"""Figures: valid, titled, described, with the numbers in words as well as in colour."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from annotation.form import QUESTIONS
from annotation.report import figures
from annotation.report.paper import tabulate_paper_answers
from annotation.report.paper_file import load_paper
from annotation.statistics import summary
from annotation.statistics.answer_counts import answer_counts_by_quarter
from annotation.statistics.judgments_table import judgments_to_frame, select_counted_judgments
from annotation.types import Judgment

Judge = Callable[..., Judgment]


def test_the_bars_carry_the_shares_in_words(judge: Judge) -> None:
    rows = [judge("1", layer=0), judge("2", layer=1, precision="poor"), judge("3", layer=29)]
    own = answer_counts_by_quarter(select_counted_judgments(judgments_to_frame(rows)).rows, {"smollm2": 30})
    chart = figures.build_answers_figure(own, tabulate_paper_answers(load_paper()), "precision").to_dict()
    assert chart["title"]["text"] == ["Answers to question two (precision),", "here and in the paper, in per cent"]
    told = chart["description"].split("; ")
    assert told[0] == ("Stacked bars. How precise is the description? all layers, here, Correct and accurate: 2 of 3")
    assert "first quarter, here, Does not describe the pattern: 1 of 2" in told
    assert "all layers, paper, Too general, too specific or partly incorrect: 40 of 125" in told
    assert told[-1] == "last quarter, paper, Not accurate (the paper says no more): 7 of 37."
    values = next(part for part in chart["datasets"].values() if len(part) > 10)
    shares = {(row["part"], row["study"], row["answer"]): row["share"] for row in values if row["count"]}
    assert shares["first", "here", "accurate"] == 0.5
    assert shares["all", "paper", "accurate"] == 83 / 125
    assert sum(share for (part, study, _), share in shares.items() if (part, study) == ("third", "paper")) == 1.0


@pytest.mark.parametrize("field", [question.field for question in QUESTIONS])
def test_every_figure_is_valid_without_a_judgment(field: str) -> None:
    nothing = select_counted_judgments(judgments_to_frame([]))
    bars = figures.build_answers_figure(
        answer_counts_by_quarter(nothing.rows, {}), answer_counts_by_quarter(nothing.rows, {}), field
    ).to_dict()
    assert bars["description"].endswith("No answers yet.")
    points = figures.build_coefficients_figure(summary.summarise_judgments(nothing), field).to_dict()
    assert points["description"].count("undefined: no item has two or more answers") == len(
        summary.summarise_judgments(nothing).questions[field].coefficients
    )


def test_coefficients_are_shown_with_their_values(judge: Judge) -> None:
    rows = [
        judge(f"{a}{i}", annotator=f"a-{a}", layer=i, precision=("poor", "partial")[(i + a) % 2 if i else 0])
        for a in (1, 2)
        for i in range(3)
    ]
    chart = figures.build_coefficients_figure(
        summary.summarise_judgments(select_counted_judgments(judgments_to_frame(rows))), "precision"
    ).to_dict()
    (values,) = chart["datasets"].values()
    assert [row["coefficient"] for row in values] == [
        *("Share of agreeing pairs", "Fleiss' kappa", "Krippendorff's alpha", "Gwet's AC1", "Gwet's AC2")
    ]
    assert values[0]["text"] == "0.33"
    assert chart["description"].startswith("Points with 95 % intervals. Share of agreeing pairs 0.33; ")


def test_no_two_answers_to_a_question_share_a_colour() -> None:
    for question in QUESTIONS:
        assert len({figures.ANSWER_COLOURS[code] for code in question.codes}) == len(question.codes)
