"""Which files are put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from annotation.ledger.compaction import compacted, crowded, without
from annotation.ledger.rows import files_of, parsed
from annotation.types import Consent, Judgment, Stored, Withdrawal
from maps.hub.repository import File, digest

Judge = Callable[..., Judgment]
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(contents: Mapping[str, bytes]) -> dict[str, File]:
    return {path: File(digest(content), False, len(content)) for path, content in contents.items()}


def day(judge: Judge, number: int, rows: int) -> dict[str, bytes]:
    """A day's rows, each in a file of its own."""
    found: dict[str, bytes] = {}
    for minute in range(rows):
        judgment = judge(f"j-{number}-{minute}", layer=minute)
        found |= files_of([Stored(judgment, NOON + timedelta(days=number, minutes=minute))])
    return found


def ids(contents: Mapping[str, bytes]) -> list[str]:
    return sorted(row.row_id for path, content in contents.items() for row in parsed(path, content))


def test_days_that_are_over_since_a_day_become_one_file_each(judge: Judge) -> None:
    before = {**day(judge, 0, 5), **day(judge, 1, 1), **day(judge, 2, 3), **day(judge, 3, 3)}
    others = {"README.md": b"", "studies/a.json": b"{}"}
    read: list[str] = []

    def contents(paths: Sequence[str]) -> dict[str, bytes]:
        read.extend(paths)
        return {path: before[path] for path in paths}

    add, delete = compacted(at({**before, **others}), contents, date(2026, 11, 23))
    assert read == delete == sorted(day(judge, 0, 5))
    assert ids(add) == ids(day(judge, 0, 5))
    assert len(add) == 1
    after = {path: content for path, content in {**before, **add}.items() if path not in delete}
    assert ids(after) == ids(before)
    assert compacted(at(after), lambda paths: {path: after[path] for path in paths}, date(2026, 11, 23)) == ({}, [])


def test_a_row_that_stands_twice_stands_once_afterwards(judge: Judge) -> None:
    one, two = (Stored(judge(f"j-{n}", layer=n), NOON + timedelta(minutes=n)) for n in (1, 2))
    before = {**files_of([one]), **files_of([one, two])}
    add, delete = compacted(at(before), lambda paths: {path: before[path] for path in paths}, date(2026, 11, 25))
    assert add == {}  # the larger file is what is to be left
    assert delete == list(files_of([one]))


def test_large_files_are_left_alone() -> None:
    files = {f"judgments/2026/11/20/{name}.jsonl": File("", False, 4_000_000) for name in "abc"}
    assert crowded(files, date(2026, 11, 30)) == []


def test_of_who_withdrew_only_that_is_kept(judge: Judge) -> None:
    mine, theirs = (Stored(judge(f"j-{name}", annotator=name), NOON) for name in ("a", "b"))
    consents = [Consent("a", NOON, "1"), Consent("b", NOON, "1")]
    alone = Stored(judge("j-c", annotator="b", layer=1), NOON + timedelta(minutes=1))
    untouched = files_of([Stored(judge("j-d", annotator="a", layer=2), NOON)])
    gone = files_of([Withdrawal("b", NOON)])
    before = {**files_of([mine, theirs]), **files_of(consents), **files_of([alone]), **untouched, **gone}
    add, delete = without(before, {"b"})
    assert add == {**files_of([mine]), **files_of(consents[:1])}
    assert sorted(delete) == sorted({**files_of([mine, theirs]), **files_of(consents), **files_of([alone])})
    assert without(before, set()) == ({}, [])
