"""Which judgments count, and what is said of a table that cannot be counted."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from annotation.errors import SummaryError
from annotation.statistics.judgments_table import judgments_to_frame, select_counted_judgments
from annotation.types import JUDGMENT_COLUMNS, Judgment

Judge = Callable[..., Judgment]
NONE_LEFT_OUT = {"superseded": 0, "stale": 0, "control": 0, "practice": 0, "adjudication": 0}
PLAIN = {"item": "i", "annotator": "a", "presence": "absent_none", "precision": "", "category": None}


def test_superseded_control_practice_and_adjudication_rows_are_left_out_and_counted(judge: Judge) -> None:
    rows = [
        judge("1"),
        judge("2", supersedes="1", presence="absent_none", precision=None, category=None),
        judge("3", item_kind="overlap", layer=1),
        judge("4", item_kind="swapped"),
        judge("5", item_kind="swapped", supersedes="4"),
        judge("6", item_kind="shuffled"),
        judge("7", item_kind="practice"),
        judge("8", item_kind="adjudication"),
    ]
    found = select_counted_judgments(judgments_to_frame(rows))
    assert found.rows["judgment_id"].tolist() == ["2", "3"]
    assert found.excluded_counts == {"superseded": 2, "stale": 0, "control": 2, "practice": 1, "adjudication": 1}
    assert found.controls["judgment_id"].tolist() == ["5", "6"]
    assert found.adjudications["judgment_id"].tolist() == ["8"]
    assert found.adjudications["key"].tolist() == found.rows["key"].tolist()[:1]


def test_no_judgments_are_a_table_too() -> None:
    assert judgments_to_frame([]).columns.tolist() == [*JUDGMENT_COLUMNS, "stale"]
    found = select_counted_judgments(judgments_to_frame([]))
    assert (len(found.rows), found.excluded_counts) == (0, NONE_LEFT_OUT)


def test_stale_rows_of_every_kind_are_left_out_and_counted_once(judge: Judge) -> None:
    rows = [
        judge("1"),
        judge("2", supersedes="1"),
        judge("3", item_kind="swapped"),
        judge("4", item_kind="adjudication"),
        judge("5", annotator="a-2"),
    ]
    found = select_counted_judgments(judgments_to_frame(rows, stale={"1", "2", "3", "4"}))
    assert found.rows["judgment_id"].tolist() == ["5"]
    assert (len(found.controls), len(found.adjudications)) == (0, 0)
    assert found.excluded_counts == NONE_LEFT_OUT | {"superseded": 1, "stale": 3}


@pytest.mark.parametrize("truth", ["true", "True", "1", " TRUE "])
def test_anyones_table_may_mark_what_is_stale(truth: str) -> None:
    table = pd.DataFrame(
        [PLAIN | {"stale": truth}, PLAIN | {"annotator": "b", "stale": "False"}, PLAIN | {"item": "j"}]
    )
    found = select_counted_judgments(table)
    assert (len(found.rows), found.excluded_counts["stale"]) == (2, 1)
    with pytest.raises(SummaryError, match=r"^Row 1 has 'perhaps' as stale; it must be true, false or blank\.$"):
        select_counted_judgments(pd.DataFrame([PLAIN | {"stale": "perhaps"}]))


def test_an_annotator_may_judge_a_changed_item_again(judge: Judge) -> None:
    rows = [judge("1"), judge("2", mapping_hash="new"), judge("3", description_id="d-2"), judge("4", study="s")]
    assert select_counted_judgments(judgments_to_frame(rows)).rows["key"].nunique() == 4


def test_layers_written_as_decimals_are_the_same_layers() -> None:
    row = {"model": "m", "layer": "3.0", "head": 2, "annotator": "a", "presence": "absent_none"}
    table = pd.DataFrame([row, row | {"layer": 3, "annotator": "b"}]).assign(precision="", category="")
    assert select_counted_judgments(table).rows["key"].nunique() == 1


def test_an_annotator_called_na_is_no_gap() -> None:
    table = pd.DataFrame([PLAIN | {"annotator": "NA"}, PLAIN | {"annotator": "null"}])
    assert select_counted_judgments(table).rows["annotator"].tolist() == ["NA", "null"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"presence": "maybe"}, "Row 2 has 'maybe' as presence; it must be one of absent_none, absent_described, "),
        ({"precision": "NA"}, "Row 2 has 'NA' as precision; it must be one of accurate, "),
        ({"presence": " "}, "Row 2 has no presence; only precision and category may be blank."),
        ({"annotator": None}, "Row 2 has no annotator; "),
        ({"item": float("nan")}, "Row 2 has no item; "),
        ({"item_kind": "gold"}, "Row 2 has 'gold' as item_kind; "),
        ({"layer": "-1"}, "Row 2 has '-1' as layer; it must be a whole number from 0."),
        ({"annotator": "a"}, "The annotator a answers an item more than once (item i); a changed answer must "),
        ({"judgment_id": "j"}, "The judgment j is in the table more than once; "),
    ],
)
def test_each_fault_is_one_sentence(changes: dict[str, object], sentence: str) -> None:
    first = PLAIN | dict.fromkeys(changes.keys() - PLAIN.keys())
    if "judgment_id" in changes:
        first["judgment_id"] = "j"
    table = pd.DataFrame([first, PLAIN | {"annotator": "b"} | changes])
    with pytest.raises(SummaryError) as caught:
        select_counted_judgments(table)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def chained(*rows: tuple[str, str | None, str]) -> pd.DataFrame:
    """Rows of one item: judgment_id, supersedes, annotator."""
    return pd.DataFrame([PLAIN | {"judgment_id": a, "supersedes": b, "annotator": who} for a, b, who in rows])


def test_of_a_chain_of_changed_answers_the_last_counts_in_whatever_order_the_rows_are() -> None:
    found = select_counted_judgments(
        chained(("j-3", "j-2", "a"), ("j-1", None, "a"), ("j-2", "j-1", "a"), ("j-4", "elsewhere", "b"))
    )
    assert found.rows["judgment_id"].tolist() == ["j-3", "j-4"]
    assert found.excluded_counts["superseded"] == 2


@pytest.mark.parametrize("earlier", [["j-1"], ["j-2", "j-1"], ["j-3", "j-1", "j-2"]])
def test_judgments_that_supersede_each_other_in_a_circle_are_refused(earlier: list[str]) -> None:
    rows = [(f"j-{n}", before, "a") for n, before in enumerate(earlier, start=1)]
    with pytest.raises(SummaryError, match=r"The judgment j-\d supersedes itself, directly or through others"):
        select_counted_judgments(chained(*rows))


def test_nobody_supersedes_another_annotators_answer() -> None:
    with pytest.raises(SummaryError, match="The judgment j-2 supersedes j-1, which another annotator gave"):
        select_counted_judgments(chained(("j-1", None, "a"), ("j-2", "j-1", "b")))


def test_an_organiser_may_supersede_the_decision_of_another() -> None:
    table = chained(("j-1", None, "a"), ("j-2", "j-1", "b")).assign(item_kind="adjudication")
    assert select_counted_judgments(table).adjudications["judgment_id"].tolist() == ["j-2"]


def test_missing_columns_are_named() -> None:
    with pytest.raises(SummaryError, match="no column annotator, precision, category, layer, head; it needs item"):
        select_counted_judgments(pd.DataFrame({"presence": ["absent_none"], "model": ["m"]}))
    with pytest.raises(SummaryError, match="has a column supersedes but no column judgment_id"):
        select_counted_judgments(pd.DataFrame([PLAIN | {"supersedes": "j-1"}]))
