"""The sections of a report in sentences."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from annotation.report.paper_file import load_paper
from annotation.report.sections import dawid_skene_sentence, evidence_sentences, rate_sentences, section_paragraphs
from annotation.statistics.bootstrap import BootstrapEstimate
from annotation.statistics.evidence import MeasureCorrelation
from annotation.statistics.judgments_table import judgments_to_frame, select_counted_judgments
from annotation.statistics.labels import compute_labels
from annotation.statistics.summary import AgreementReport, summarise_judgments
from annotation.types import Judgment

Judge = Callable[..., Judgment]
ABSENT = {"presence": "absent_none", "precision": None, "category": None}


@pytest.fixture
def small(judge: Judge) -> AgreementReport:
    """Three annotators on two heads, one tie by adjudication, two controls."""
    rows = [
        judge("1", annotator="ada", layer=0),
        judge("2", annotator="bob", layer=0),
        judge("3", annotator="cy", layer=0, **ABSENT),
        judge("4", annotator="ada", layer=29),
        judge("5", annotator="bob", layer=29, **ABSENT),
        judge("6", annotator="org", layer=29, item_kind="adjudication", **ABSENT),
        judge("7", annotator="ada", item_kind="swapped", **ABSENT),
        judge("8", annotator="ada", item_kind="swapped", layer=1, precision="poor"),
    ]
    return summarise_judgments(select_counted_judgments(judgments_to_frame(rows)), layers={"smollm2": 30})


def test_every_rate_stands_beside_controls_and_the_paper(small: AgreementReport) -> None:
    found = rate_sentences(small.controls, load_paper())
    assert found[0] == (
        "Presence or absence of a pattern was recognised correctly in 100.0 % (100.0 to 100.0 %) of 5 judgments (5); "
        "with another head's description 100.0 % (100.0 to 100.0 %) of 2; in the paper 79.8 % of 272."
    )
    assert found[4] == (
        "A pattern was found to be both visible and described in 60.0 % (50.0 to 66.7 %) of 5 judgments (3); "
        "with another head's description 50.0 % (0.0 to 100.0 %) of 2; in the paper 46.3 % of 272."
    )
    assert found[6] == (
        "The description was called accurate in 100.0 % (100.0 to 100.0 %) of 3 judgments of precision (3); "
        "with another head's description 0.0 % of 1; in the paper 66.4 % of 125."
    )
    assert found[-1] == "What is accepted on controls is the level of chance."


def test_the_other_sections_tell_answers_quarters_annotators_and_labels(small: AgreementReport) -> None:
    answers, quarters, annotators, aggregated = section_paragraphs(small, load_paper())
    assert answers[1] == (
        "Of 3 answers to question two (precision): Correct and accurate 100.0 % (3, in the paper 66.4 %); Correct but "
        "too general or too specific 0.0 % (0); Correct to a degree with incorrect parts 0.0 % (0); Does not describe "
        "the pattern 0.0 % (0, in the paper 1.6 %)."
    )
    assert quarters[0].startswith(
        "smollm2, first layer quarter: 1 item, 3 judgments, 100.0 % of question one recognised correctly; agreement on "
        "question one (presence) 33 % of 1 item, Fleiss' kappa -0.50 (one item allows no interval), "
    )
    assert quarters[-1] == (
        "In the paper question one was recognised correctly by layer quarter in: first 83.8 %, second 72.9 %, third "
        "84.7 %, last 78.7 %."
    )
    assert annotators[0] == (
        "ada and the majority of the others on question one (presence): the same for 0 % of 1 item, Cohen's kappa "
        "0.00 (one item allows no interval); without 1 where the others are tied."
    )
    assert aggregated[0] == (
        "Labels of 2 items on question one (presence), by majority: 1 absent_none, 0 absent_described, 0 "
        "present_missed, 1 present_described; none tied; 1 decided by adjudication instead."
    )


def test_dawid_and_skenes_labels_are_compared_with_the_others(judge: Judge) -> None:
    table = select_counted_judgments(judgments_to_frame([judge("1"), judge("2", layer=1)]))
    first, second = table.rows["key"]
    given = {first: ("absent_none", 0.9), second: ("present_described", 0.8)}
    found = compute_labels(table, {"presence": given, "precision": {}, "category": {}})
    assert dawid_skene_sentence(found) == ("Dawid and Skene's model gives another label to 1 of the 2 that both label.")


def test_evidence_is_told_with_its_scorer_and_n() -> None:
    told = evidence_sentences(
        [
            MeasureCorrelation("detection", "gpt\x1b", BootstrapEstimate(0.41, 0.1, 0.66, 40, 1000, None)),
            MeasureCorrelation("support", None, BootstrapEstimate(None, None, None, 1, 0, "fewer than three items")),
        ]
    )
    assert told == [
        "Spearman's correlation of the detection score by gpt\\x1b with the precision that people gave: 0.41 (0.10 to "
        "0.66) over 40 items.",
        "Spearman's correlation of the number of mappings that bear a description out with the precision that people "
        "gave: undefined (fewer than three items).",
    ]


def test_a_table_without_models_has_its_sentence() -> None:
    rows = [("1", "ada", "absent_none", "", "")]
    table = pd.DataFrame(rows, columns=["item", "annotator", "presence", "precision", "category"])
    told = [
        sentence
        for part in section_paragraphs(summarise_judgments(select_counted_judgments(table)), None)
        for sentence in part
    ]
    assert "There are no results by model, because the table has no column model." in told
    assert "There are no results by layer quarter, because the table has no column model or no column layer." in told
