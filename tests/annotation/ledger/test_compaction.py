"""Which files are put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from annotation.ledger.rows import files_from_rows, parse_rows
from annotation.ledger.upkeep import find_fragmented_days, plan_compaction, plan_removal_of_withdrawn
from annotation.types import Consent, Judgment, StoredJudgment, Withdrawal
from maps.hub.repository import HubFile, content_digest

Judge = Callable[..., Judgment]
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(contents: Mapping[str, bytes]) -> dict[str, HubFile]:
    return {path: HubFile(content_digest(content), False, len(content)) for path, content in contents.items()}


def day(judge: Judge, number: int, rows: int) -> dict[str, bytes]:
    """A day's rows, each in a file of its own."""
    found: dict[str, bytes] = {}
    for minute in range(rows):
        judgment = judge(f"j-{number}-{minute}", layer=minute)
        found |= files_from_rows([StoredJudgment(judgment, NOON + timedelta(days=number, minutes=minute))])
    return found


def ids(contents: Mapping[str, bytes]) -> list[str]:
    return sorted(row.row_id for path, content in contents.items() for row in parse_rows(path, content))


def test_days_that_are_over_since_a_day_become_one_file_each(judge: Judge) -> None:
    before = {**day(judge, 0, 5), **day(judge, 1, 1), **day(judge, 2, 3), **day(judge, 3, 3)}
    others = {"README.md": b"", "studies/a.json": b"{}"}
    read: list[str] = []

    def contents(paths: Sequence[str]) -> dict[str, bytes]:
        read.extend(paths)
        return {path: before[path] for path in paths}

    add, delete = plan_compaction(at({**before, **others}), contents, date(2026, 11, 23))
    assert read == delete == sorted(day(judge, 0, 5))
    assert ids(add) == ids(day(judge, 0, 5))
    assert len(add) == 1
    after = {path: content for path, content in {**before, **add}.items() if path not in delete}
    assert ids(after) == ids(before)
    assert plan_compaction(at(after), lambda paths: {path: after[path] for path in paths}, date(2026, 11, 23)) == (
        {},
        [],
    )


def test_a_row_that_stands_twice_stands_once_afterwards(judge: Judge) -> None:
    one, two = (StoredJudgment(judge(f"j-{n}", layer=n), NOON + timedelta(minutes=n)) for n in (1, 2))
    before = {**files_from_rows([one]), **files_from_rows([one, two])}
    add, delete = plan_compaction(at(before), lambda paths: {path: before[path] for path in paths}, date(2026, 11, 25))
    assert add == {}  # the larger file is what is to be left
    assert delete == list(files_from_rows([one]))


def test_large_files_are_left_alone() -> None:
    files = {f"judgments/2026/11/20/{name}.jsonl": HubFile("", False, 4_000_000) for name in "abc"}
    assert find_fragmented_days(files, date(2026, 11, 30)) == []


def test_of_who_withdrew_only_that_is_kept(judge: Judge) -> None:
    mine, theirs = (StoredJudgment(judge(f"j-{name}", annotator=name), NOON) for name in ("a", "b"))
    consents = [Consent("a", NOON, "1"), Consent("b", NOON, "1")]
    alone = StoredJudgment(judge("j-c", annotator="b", layer=1), NOON + timedelta(minutes=1))
    untouched = files_from_rows([StoredJudgment(judge("j-d", annotator="a", layer=2), NOON)])
    gone = files_from_rows([Withdrawal("b", NOON)])
    before = {
        **files_from_rows([mine, theirs]),
        **files_from_rows(consents),
        **files_from_rows([alone]),
        **untouched,
        **gone,
    }
    add, delete = plan_removal_of_withdrawn(before, {"b"})
    assert add == {**files_from_rows([mine]), **files_from_rows(consents[:1])}
    assert sorted(delete) == sorted(
        {**files_from_rows([mine, theirs]), **files_from_rows(consents), **files_from_rows([alone])}
    )
    assert plan_removal_of_withdrawn(before, set()) == (add, delete)  # the withdrawal in the files says who
    assert plan_removal_of_withdrawn({path: before[path] for path in before.keys() - gone}, set()) == ({}, [])
