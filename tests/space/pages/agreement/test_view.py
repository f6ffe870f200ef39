"""The results as HTML: escaped, sentences first, undefined in words."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from annotation.form import PRECISION, PRESENCE, QUESTIONS
from annotation.report.paper_file import load_paper
from annotation.statistics.judgments_table import select_counted_judgments
from annotation.statistics.summary import AgreementReport, summarise_judgments
from space.pages.agreement import view

COLUMNS = ["model", "layer", "head", "item_kind", "annotator", "presence", "precision", "category"]
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def found() -> AgreementReport:
    """Two annotators of hostile names on two heads of a model of hostile name, and a control."""
    rows = [
        (EVIL, layer, 0, "head", who, "present_described", "accurate", "general")
        for layer in (0, 7)
        for who in (EVIL, "b\u202e")
    ]
    rows.append((EVIL, 3, 0, "swapped", EVIL, "absent_described", "", ""))
    return summarise_judgments(select_counted_judgments(pd.DataFrame(rows, columns=COLUMNS)), layers={EVIL: 8})


def cells(html: str) -> list[list[str]]:
    return [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", html)]


def test_no_name_from_a_file_becomes_html(found: AgreementReport) -> None:
    parts = [view.overview(found), view.remaining_sections(found, load_paper())]
    for question in QUESTIONS:
        parts += [view.question_summary(found, question, load_paper()), view.question_tables(found, question)]
    html = "".join(parts)
    assert "<img" not in html
    assert "&lt;img" in html
    assert "\u202e" not in html


def test_the_page_begins_with_size_and_agreement_in_words(found: AgreementReport) -> None:
    assert view.overview(found) == (
        "<p>2 annotators, 2 items, 4 judgments. Intervals in brackets are 95 % bootstrap intervals over items. Left "
        "out: 1 judgment of control items.</p><p>Annotators agreed on question one (presence) in 100 % (100 to 100 %) "
        "of pairs, averaged over 2 items. Annotators agreed on question two (precision) in 100 % (100 to 100 %) of "
        "pairs, averaged over 2 items. Annotators agreed on question three (category) in 100 % (100 to 100 %) of "
        "pairs, averaged over 2 items.</p>"
    )


def test_undefined_coefficients_say_why_in_their_cell(found: AgreementReport) -> None:
    html = view.question_tables(found, PRESENCE)
    assert html.count("<details>") == 3
    rows = {row[0]: row[1:] for row in cells(html) if row}
    reason = "every answer is the same, so there is nothing to compare with chance"
    assert rows["Fleiss&#39; kappa"] == ["undefined", reason, "2"]
    assert rows["Share of agreeing pairs"] == ["1.000", "1.000 to 1.000", "2"]
    assert rows["b\\u202E"] == ["100 % (100 to 100 %)", f"undefined ({reason})", "2", "0", "0"]


def test_the_page_shows_the_lowest_pairs_of_many_annotators_and_a_summary_of_all() -> None:
    codes = PRESENCE.codes
    rows = [
        ("m", layer, 0, "head", f"{EVIL}{n:02}", codes[(layer * n) % 4], "", "")
        for layer in range(12)
        for n in range(30)
    ]
    report = summarise_judgments(select_counted_judgments(pd.DataFrame(rows, columns=COLUMNS)))
    tables = view.question_tables(report, PRESENCE)
    assert "Lowest Cohen&#39;s kappa by pair on question one (presence)" in tables
    assert len(cells(tables)) == (1 + 4) + (1 + 5) + (1 + 30)  # coefficients, pairs, annotators
    summary = view.question_summary(report, PRESENCE, load_paper())
    assert re.search(r"Cohen&#39;s kappa of \d+ pairs of annotators: median ", summary)
    assert "<img" not in tables + summary
    assert len(summary) < 4000


def test_a_question_stands_with_its_answers_beside_the_papers(found: AgreementReport) -> None:
    html = view.question_summary(found, PRECISION, load_paper())
    assert html.startswith("<h2>Question two (precision)</h2><p>How precise is the description?</p>")
    assert "“Correct and accurate” 4 (100.0 %, in the paper 66.4 %)" in html


def test_every_rate_has_a_row_with_controls_and_the_paper(found: AgreementReport) -> None:
    rows = [row for row in cells(view.rates_section(found, load_paper())) if row]
    assert len(rows) == 7
    assert rows[0][1:] == ["100.0 % (34.2 to 100.0 %) of 4", "0.0 % of 1", "79.8 % of 272"]
    assert rows[3][2] == "undefined, because there are no judgments of precision"


def test_layer_quarters_have_a_row_each(found: AgreementReport) -> None:
    rows = [row for row in cells(view.groups_section(found, load_paper())) if row]
    assert [row[1:4] for row in rows] == [["1", "100.0 %", "100 %, α undefined, n 1"]] * 2
    assert rows[1][0].endswith(", last quarter")
