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


def test_every_rate_is_given_with_controls_and_the_paper(small: AgreementReport) -> None:
    found = rate_sentences(small.controls, load_paper())
    assert found[0] == (
        "The description is right about whether a pattern is visible: 5 of 5 judgments, 100.0 % (33.4 to 100.0 %); "
        "controls with another head's description: 2 of 2, 100.0 % (34.2 to 100.0 %); paper: 217 of 272, 79.8 %."
    )
    assert found[4] == (
        "A pattern is visible and one is described: 3 of 5 judgments, 60.0 % (16.4 to 92.0 %); controls with another "
        "head's description: 1 of 2, 50.0 % (9.5 to 90.5 %); paper: 126 of 272, 46.3 %."
    )
    assert found[6] == (
        "Where precision was judged, the description is accurate: 3 of 3 judgments, 100.0 % (31.9 to 100.0 %); "
        "controls with another head's description: 0 of 1, 0.0 %; paper: 83 of 125, 66.4 %."
    )
    assert found[-1].endswith("its rates are the level of chance.")


def test_the_other_sections_give_answers_quarters_annotators_and_labels(small: AgreementReport) -> None:
    answers, quarters, annotators, aggregated = section_paragraphs(small, load_paper())
    assert answers[1] == (
        "Of 3 answers to question two (precision): “Correct and accurate” 3 (100.0 %, in the paper 66.4 %); “Correct, "
        "but too general or too specific” 0 (0.0 %); “Correct to a degree, with incorrect parts” 0 (0.0 %); “Does not "
        "describe the pattern” 0 (0.0 %, in the paper 1.6 %)."
    )
    assert quarters[0].startswith(
        "smollm2, first layer quarter: 1 item, 3 judgments; right about whether a pattern is visible: 3 of 3, 100.0 %; "
        "agreement on question one (presence): 33 % of pairs over 1 item, Fleiss' kappa -0.50 (one item allows no "
        "interval), "
    )
    assert quarters[-1] == (
        "The paper, by layer quarter, right about whether a pattern is visible: first 83.8 %, second 72.9 %, third "
        "84.7 %, last 78.7 %."
    )
    assert annotators[0] == (
        "ada on question one (presence): agrees with the majority of the others on 0 % of 1 item, Cohen's kappa 0.00 "
        "(one item allows no interval); not compared: 1 on which the others tie."
    )
    assert aggregated[0] == (
        "Labels of 2 items on question one (presence): 1 “No pattern is visible and none was described”, 0 “No pattern "
        "is visible, but one was described”, 0 “A pattern is visible, but none was described”, 1 “A pattern is visible "
        "and one was described”, 0 tied; 1 decided by an organiser, the others by majority."
    )


def test_dawid_and_skenes_labels_are_compared_with_the_others(judge: Judge) -> None:
    table = select_counted_judgments(judgments_to_frame([judge("1"), judge("2", layer=1)]))
    first, second = table.rows["key"]
    given = {first: ("absent_none", 0.9), second: ("present_described", 0.8)}
    found = compute_labels(table, {"presence": given, "precision": {}, "category": {}})
    assert " in 1 of 2 cases" in dawid_skene_sentence(found)


def test_evidence_has_its_scorer_and_n() -> None:
    sentences = evidence_sentences(
        [
            MeasureCorrelation("detection", "gpt\x1b", BootstrapEstimate(0.41, 0.1, 0.66, 40, 1000, None)),
            MeasureCorrelation(
                "support", None, BootstrapEstimate(None, None, None, 1, 0, "fewer than three descriptions")
            ),
        ]
    )
    assert sentences == [
        "Spearman's rank correlation of the detection score by gpt\\u001B with the precision that annotators gave: "
        "0.41 (0.10 to 0.66) over 40 descriptions.",
        "Spearman's rank correlation of the support (the number of mappings that fit the description) with the "
        "precision that annotators gave: undefined (fewer than three descriptions).",
    ]


def test_a_table_without_models_has_its_sentence() -> None:
    rows = [("1", "ada", "absent_none", "", "")]
    table = pd.DataFrame(rows, columns=["item", "annotator", "presence", "precision", "category"])
    sentences = [
        sentence
        for part in section_paragraphs(summarise_judgments(select_counted_judgments(table)), load_paper())
        for sentence in part
    ]
    assert "There are no results by model, because the table has no column model." in sentences
    assert (
        "There are no results by layer quarter, because the table has no column model or no column layer." in sentences
    )
