"""A report in sentences."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from annotation.report import sentences
from annotation.report.paper_file import load_paper
from annotation.statistics import summary
from annotation.statistics.judgments_table import select_counted_judgments

COLUMNS = ["item", "annotator", "presence", "precision", "category"]


def report_of(rows: Sequence[tuple[str, ...]]) -> summary.AgreementReport:
    return summary.summarise_judgments(select_counted_judgments(pd.DataFrame(rows, columns=COLUMNS)))


def test_a_report_reads_as_plain_sentences() -> None:
    rows = [("1", a, "absent_none", "", "") for a in ("ada", "bob\x1b")]
    assert sentences.report_paragraphs(report_of(rows), load_paper())[:5] == [
        ["2 annotators, 1 item, 2 judgments. Intervals in brackets are 95 % bootstrap intervals over items."],
        [
            "The description is right about whether a pattern is visible: 2 of 2 judgments, 100.0 %; paper: 217 of "
            "272, 79.8 %.",
            "Where it is wrong about this, it describes a pattern that is not visible: undefined, because no judgment "
            "finds the description wrong about whether a pattern is visible; paper: 48 of 55, 87.3 %.",
            "Where a pattern is visible, one is described: undefined, because no judgment sees a pattern; paper: 126 "
            "of 133, 94.7 %.",
            "Where precision was judged, the description is poor: undefined, because there are no judgments of "
            "precision; paper: 2 of 125, 1.6 %.",
            "A pattern is visible and one is described: 0 of 2 judgments, 0.0 %; paper: 126 of 272, 46.3 %.",
            "Where a pattern is described, one is visible: undefined, because no judgment finds a pattern described; "
            "paper: 126 of 174, 72.4 %.",
            "Where precision was judged, the description is accurate: undefined, because there are no judgments of "
            "precision; paper: 83 of 125, 66.4 %.",
            "No control was judged, so the level of chance is not known.",
        ],
        [
            "Annotators agreed on question one (presence) in 100 % of pairs, averaged over 1 item.",
            "Corrected for chance (1 is perfect, 0 is chance): Fleiss' kappa undefined (every answer is the same, so "
            "there is nothing to compare with chance); Krippendorff's alpha undefined (every answer is the same, so "
            "there is nothing to compare with chance); Gwet's AC1 1.00 (one item allows no interval).",
            "Cohen's kappa by pair of annotators: ada and bob\\u001B: undefined (every answer is the same, so there is "
            "nothing to compare with chance).",
        ],
        [
            "Agreement on question two (precision) is undefined: no item has two or more answers.",
            "Corrected for chance (1 is perfect, 0 is chance; alpha and AC2 use the order of the answers): Fleiss' "
            "kappa undefined (no item has two or more answers); Krippendorff's alpha undefined (no item has two or "
            "more answers); Gwet's AC1 undefined (no item has two or more answers); Gwet's AC2 undefined (no item has "
            "two or more answers).",
        ],
        [
            "Agreement on question three (category) is undefined: no item has two or more answers.",
            "Corrected for chance (1 is perfect, 0 is chance): Fleiss' kappa undefined (no item has two or more "
            "answers); Krippendorff's alpha undefined (no item has two or more answers); Gwet's AC1 undefined (no item "
            "has two or more answers).",
        ],
    ]


def test_blank_unasked_and_left_out_judgments_are_counted() -> None:
    rows = [("1", "ada", "present_described", "", "general"), ("2", "ada", "absent_none", "poor", "")]
    table = pd.DataFrame(rows, columns=COLUMNS).assign(item_kind="head")
    practice = table.iloc[:1].assign(item_kind="practice", item="3")
    found = sentences.report_paragraphs(
        summary.summarise_judgments(select_counted_judgments(pd.concat([table, practice], ignore_index=True))),
        load_paper(),
    )
    assert found[0][1:] == ["Left out: 1 judgment of practice items."]
    assert found[3][-2:] == [
        "Left blank although the form asks: 1 judgment.",
        "Answered although the form does not ask, and counted: 1 judgment.",
    ]


def test_pairs_without_an_item_in_common_are_counted() -> None:
    rows = [("1", "ada", "absent_none", "", ""), ("2", "bob", "absent_none", "", "")]
    presence = report_of(rows).questions["presence"]
    assert sentences.agreement_sentences("question one", presence, pairs=True)[2:] == [
        "Cohen's kappa is undefined for 1 pair of annotators without an item in common."
    ]
    assert [each.reason for each in presence.cohen_kappa] == ["there is no item that both annotators answered"]


def test_the_pairs_of_more_than_twenty_annotators_are_summarised() -> None:
    codes = ("absent_none", "absent_described")
    rows = [(str(item), f"a{n:02}\x1b", codes[(item + n // 20) % 2], "", "") for item in range(12) for n in range(21)]
    rows += [("alone", "b", "absent_none", "", "")]
    presence = report_of(rows).questions["presence"]
    assert presence.cohen_kappa == []
    for pairs in (True, False):
        assert sentences.agreement_sentences("question one", presence, pairs=pairs)[2:] == [
            "Cohen's kappa of 210 pairs of annotators: median 1.00, from -1.00 to 1.00.",
            "The lowest among pairs with 10 items or more in common: "
            + "; ".join(f"a{n:02}\\u001B and a20\\u001B: -1.00 (-1.00 to -0.38) over 12 items" for n in range(5))
            + ".",
            "Cohen's kappa is undefined for 21 pairs of annotators without an item in common.",
        ]


def test_pairs_without_a_defined_kappa_are_counted_by_reason() -> None:
    rows = [(str(item), f"a{n:02}", "absent_none", "", "") for item in range(2) for n in range(21)]
    presence = report_of(rows).questions["presence"]
    assert sentences.pair_sentences(presence) == [
        "Cohen's kappa is undefined for 210 pairs of annotators whose answers are all the same."
    ]
