"""A report in sentences."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from annotation.report import sentences
from annotation.statistics import summary
from annotation.statistics.judgments_table import select_counted_judgments

COLUMNS = ["item", "annotator", "presence", "precision", "category"]


def report_of(rows: Sequence[tuple[str, ...]]) -> summary.AgreementReport:
    return summary.summarise_judgments(select_counted_judgments(pd.DataFrame(rows, columns=COLUMNS)))


def test_a_report_reads_as_plain_sentences() -> None:
    rows = [("1", a, "absent_none", "", "") for a in ("ada", "bob\x1b")]
    assert sentences.report_paragraphs(report_of(rows))[:5] == [
        ["2 annotators, 1 item, 2 judgments; intervals are 95 % bootstraps over items."],
        [
            "Presence or absence of a pattern was recognised correctly in 100.0 % of 2 judgments (2).",
            "A pattern that is not visible was described in: undefined, since there are no failures.",
            "A visible pattern was described in: undefined, since there are no judgments that see one.",
            "The description was called poor in: undefined, since there are no judgments of precision.",
            "A pattern was found to be both visible and described in 0.0 % of 2 judgments (0).",
            "A described pattern was found to be visible in: undefined, since there are no judgments that find a "
            "pattern described.",
            "The description was called accurate in: undefined, since there are no judgments of precision.",
            "No control was judged, so the level of chance is not known.",
        ],
        [
            "Annotators agreed on question one (presence) for 100 % of 1 item.",
            "Fleiss' kappa undefined (every answer is the same, so there is nothing to compare with chance); "
            "Krippendorff's alpha undefined (every answer is the same, so there is nothing to compare with chance); "
            "Gwet's AC1 1.00 (one item allows no interval).",
            "Cohen's kappa by pair: ada and bob\\x1b: undefined (every answer is the same, so there is nothing to "
            "compare with chance).",
        ],
        [
            "Agreement on question two (precision) is undefined: no item has two or more answers.",
            "Fleiss' kappa undefined (no item has two or more answers); Krippendorff's alpha undefined (no item has "
            "two or more answers); Gwet's AC1 undefined (no item has two or more answers); Gwet's AC2 undefined (no "
            "item has two or more answers).",
        ],
        [
            "Agreement on question three (category) is undefined: no item has two or more answers.",
            "Fleiss' kappa undefined (no item has two or more answers); Krippendorff's alpha undefined (no item has "
            "two or more answers); Gwet's AC1 undefined (no item has two or more answers).",
        ],
    ]


def test_blank_unasked_and_left_out_rows_are_told() -> None:
    rows = [("1", "ada", "present_described", "", "general"), ("2", "ada", "absent_none", "poor", "")]
    table = pd.DataFrame(rows, columns=COLUMNS).assign(item_kind="head")
    practice = table.iloc[:1].assign(item_kind="practice", item="3")
    found = sentences.report_paragraphs(
        summary.summarise_judgments(select_counted_judgments(pd.concat([table, practice], ignore_index=True)))
    )
    assert found[0][1:] == ["Left out: 1 of practice items."]
    assert found[3][-2:] == [
        "Left blank where the form asks: 1 judgment.",
        "Answered where the form does not ask, and counted: 1 judgment.",
    ]


def test_pairs_without_an_item_in_common_are_counted() -> None:
    rows = [("1", "ada", "absent_none", "", ""), ("2", "bob", "absent_none", "", "")]
    presence = report_of(rows).questions["presence"]
    assert sentences.agreement_sentences("question one", presence, pairs=True)[2:] == [
        "Cohen's kappa is undefined for 1 pair without an item in common."
    ]
    assert [each.reason for each in presence.cohen_kappa] == ["these two have answered no item both"]
