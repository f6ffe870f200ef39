"""Rows ⇄ lines: the same bytes every time, nothing lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest

from annotation.errors import LedgerError
from annotation.ledger.card import ledger_card
from annotation.ledger.rows import files_from_rows, json_line, merge_rows, parse_rows
from annotation.types import Consent, Ending, Judgment, Opening, StoredJudgment, StudyChange, Withdrawal

Judge = Callable[..., Judgment]
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def stored(judgment: Judgment, minutes: float = 0) -> StoredJudgment:
    return StoredJudgment(judgment, NOON + timedelta(minutes=minutes))


def test_what_is_written_is_read_again(judge: Judge) -> None:
    first = stored(judge("j-1", comment='é "\n\r\u2028\x00', precision=None, seconds=3.0))
    second = stored(judge("j-2", supersedes="j-1"), 1.5)
    [(path, content)] = files_from_rows([first, second]).items()
    assert path == f"judgments/2026/11/24/20261124T120130Z-{path[-22:]}"
    assert content.count(b"\n") == 2
    assert parse_rows(path, content) == [first, second]
    for row, kind in (
        (Consent("a-1", NOON, "1"), "consents"),
        (Withdrawal("a-1", NOON), "withdrawals"),
        (Opening("pilot", "o-1", NOON), "openings"),
        (Ending("pilot", "closed", "o-1", NOON), "endings"),
        (Ending("pilot", "deadline", None, NOON), "endings"),
        (StudyChange("c-1", "pilot", "paused", None, "o-1", NOON), "changes"),
        (StudyChange("c-2", "pilot", "extended", NOON + timedelta(days=2), "o-1", NOON), "changes"),
    ):
        [(path, content)] = files_from_rows([row]).items()
        assert path.startswith(f"{kind}/2026/11/24/20261124T120000Z-")
        assert parse_rows(path, content) == [row]


def test_the_first_of_two_ends_of_a_study_counts() -> None:
    first, second = (Ending("pilot", "closed", f"o-{n}", NOON + timedelta(minutes=n)) for n in (1, 2))
    assert merge_rows([second, first]).endings == (first,)


def test_the_same_rows_make_the_same_files(judge: Judge) -> None:
    row = stored(judge("j-1"))
    elsewhere = StoredJudgment(row.judgment, row.stored_at.astimezone(timezone(timedelta(hours=5))))
    assert files_from_rows([row]) == files_from_rows([elsewhere])
    assert files_from_rows([row]).keys().isdisjoint(files_from_rows([stored(judge("j-1", comment="x"))]))
    assert files_from_rows([]) == {}


def test_a_file_stays_below_the_size_of_a_large_one(judge: Judge) -> None:
    some = [stored(judge(f"j-{number}"), number) for number in range(10)]
    files = files_from_rows(some, max_bytes=3 * len(json_line(some[0])))
    assert sorted(len(parse_rows(path, content)) for path, content in files.items()) == [1, 3, 3, 3]
    assert {row.row_id for path, content in files.items() for row in parse_rows(path, content)} == {
        row.row_id for row in some
    }


def test_columns_of_a_later_release_are_passed_over(judge: Judge) -> None:
    row = stored(judge("j-1"))
    later = json_line(row).replace(b"{", b'{"a_new_one":[1],', 1)
    assert parse_rows("judgments/x.jsonl", later) == [row]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"layer":26', b'"layer":"26"'),
        (b'"layer":26', b'"layer":true'),
        (b'"comment":""', b'"comment":null'),
        (b"12:00:00.000000Z", b"12:00:00"),
        (b"2026-11-24T12", b"yesterday"),
        (b'"seconds":30.0', b'"seconds":"30"'),
        (b'"head":2,', b""),
    ],
)
def test_a_cell_of_another_kind_is_refused(judge: Judge, before: bytes, after: bytes) -> None:
    damaged = json_line(stored(judge("j-1"))).replace(before, after)
    assert damaged != json_line(stored(judge("j-1")))
    with pytest.raises(LedgerError, match=r"^Line 1 of judgments/x\.jsonl in the ledger is damaged; correct"):
        parse_rows("judgments/x.jsonl", damaged)


def test_merged_rows_stand_once_and_behind_what_they_replace(judge: Judge) -> None:
    first, second, third = (
        stored(judge("j-1"), 5),
        stored(judge("j-2", supersedes="j-1"), 3),
        stored(judge("j-3", supersedes="j-2"), 1),
    )
    other = stored(judge("j-0"), 4)
    found = merge_rows([third, other, second, first, second, Withdrawal("a-9", NOON), Consent("a-1", NOON, "1")])
    assert [row.row_id for row in found.judgments] == ["j-1", "j-2", "j-3", "j-0"]
    assert (found.consents, found.withdrawals) == ((Consent("a-1", NOON, "1"),), (Withdrawal("a-9", NOON),))


def test_a_ring_of_replacements_ends(judge: Judge) -> None:
    ring = [stored(judge("j-1", supersedes="j-2")), stored(judge("j-2", supersedes="j-1"))]
    assert sorted(row.row_id for row in merge_rows(ring).judgments) == ["j-1", "j-2"]


def test_the_card_names_only_tables_that_have_a_file() -> None:
    assert "config" not in ledger_card([]).partition("# Ledger")[0]
    head = ledger_card(["withdrawals", "README.md"]).partition("# Ledger")[0]
    assert head == (
        "---\npretty_name: Ledger of judgments\nconfigs:\n- config_name: withdrawals\n  data_files:\n"
        "  - split: train\n    path: withdrawals/**/*.jsonl\ndataset_info:\n- config_name: withdrawals\n  features:\n"
        "  - name: annotator\n    dtype: string\n  - name: withdrawn_at\n    dtype: timestamp[us, tz=UTC]\n---\n\n"
    )
