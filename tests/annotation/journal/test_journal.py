"""The journal: on disk before the receipt, once, for ever, whoever asks at the same time."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from annotation.errors import JournalError
from annotation.journal import database
from annotation.journal.journal import Journal
from annotation.journal.migrations import MIGRATIONS
from annotation.types import ConsentedAnnotator, Judgment, Receipt

Judge = Callable[..., Judgment]
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
HELPER = """
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from annotation.errors import JournalError
from annotation.journal.journal import Journal
from annotation.types import Judgment
now = datetime(2026, 11, 22, tzinfo=UTC)
def judgment(name, layer=0):
    return Judgment(name, "default", "m", layer, 0, "head", "a-1", "absent_none", None, None, "", now, now, 0.0,
                    None, "h", "d", "1", "1", "0")
"""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite", now=lambda: NOON) as opened:
        for pseudonym in ("a-1", "a-2"):
            opened.record_consent(pseudonym, "1")
        yield opened


def child(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HELPER + script, *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_judgment_comes_back_as_it_was_given(journal: Journal, judge: Judge) -> None:
    hostile = judge(comment="=cmd|'/c calc'!A1\r\n<script>\u202e'; DROP TABLE judgments; --\x07")
    assert journal.record_judgment(hostile) == Receipt("j-1", NOON, is_duplicate=False)
    assert journal.all_judgments() == [hostile]
    assert journal.current_judgments("default") == [hostile]


def test_submitting_twice_stores_once(journal: Journal, judge: Judge) -> None:
    first = journal.record_judgment(judge())
    retry = judge(seconds=31.0, submitted_at=NOON, supersedes="j-1")
    assert journal.record_judgment(retry) == replace(first, is_duplicate=True)
    assert journal.all_judgments() == [judge()]


@pytest.mark.parametrize("change", [{"presence": "absent_none", "precision": None, "category": None}, {"layer": 3}])
def test_an_id_never_stands_for_two_judgments(journal: Journal, judge: Judge, change: dict[str, object]) -> None:
    journal.record_judgment(judge())
    for other in (judge(**change), judge(annotator="a-2"), judge(comment="later")):
        with pytest.raises(JournalError, match="you answered this item before"):
            journal.record_judgment(other)
    assert journal.all_judgments() == [judge()]


def test_a_second_answer_must_supersede_the_first(journal: Journal, judge: Judge) -> None:
    sentence = "You have already answered this item; open it again to change your answer."
    journal.record_judgment(judge("j-1"))
    with pytest.raises(JournalError, match=sentence):
        journal.record_judgment(judge("j-2"))
    journal.record_judgment(judge("j-2", precision="poor", supersedes="j-1"))
    journal.record_judgment(judge("j-3", precision="partial", supersedes="j-2"))
    with pytest.raises(JournalError, match=sentence):
        journal.record_judgment(judge("j-4", supersedes="j-1"))
    assert [row.judgment_id for row in journal.all_judgments()] == ["j-1", "j-2", "j-3"]
    assert [row.judgment_id for row in journal.current_judgments("default")] == ["j-3"]


def test_only_ones_own_answer_to_the_same_item_can_be_superseded(journal: Journal, judge: Judge) -> None:
    journal.record_judgment(judge("j-1"))
    strays = [
        judge("j-2", annotator="a-2", supersedes="j-1"),
        judge("j-2", head=3, supersedes="j-1"),
        judge("j-2", description_id="d-2", supersedes="j-1"),
        judge("j-2", supersedes="j-2"),
        judge("j-2", supersedes="nowhere"),
    ]
    for stray in strays:
        with pytest.raises(JournalError, match="would replace one to another item"):
            journal.record_judgment(stray)
    assert len(journal.all_judgments()) == 1


def test_current_answers_are_found_by_study_annotator_and_item(journal: Journal, judge: Judge) -> None:
    rows = [
        judge("j-1"),
        judge("j-2", annotator="a-2"),
        judge("j-3", layer=3),
        judge("j-4", study="other"),
        judge("j-5", description_id="d-2"),
    ]
    for row in rows:
        journal.record_judgment(row)
    assert journal.current_judgments("default", annotator="a-1") == [rows[0], rows[2], rows[4]]
    assert journal.current_judgments("default", item=rows[0].item) == rows[:2]
    assert journal.current_judgments("default", "a-2", rows[0].item) == [rows[1]]
    assert journal.all_judgments("other") == [rows[3]]
    assert journal.all_judgments() == rows


def test_nothing_is_stored_without_consent(journal: Journal, judge: Judge) -> None:
    with pytest.raises(JournalError, match="Please agree to the consent sentence"):
        journal.record_judgment(judge(annotator="a-3"))
    assert journal.all_judgments() == []


def test_consent_keeps_its_first_time_until_the_guidelines_change(tmp_path: Path) -> None:
    clock = iter(NOON.replace(hour=hour) for hour in (12, 13, 14))
    with Journal(tmp_path / "journal.sqlite", now=lambda: next(clock)) as journal:
        journal.record_consent("a-1", "1")
        journal.record_consent("a-1", "1")
        assert journal.annotators() == [ConsentedAnnotator("a-1", NOON, "1")]
        journal.record_consent("a-1", "2")
        assert journal.annotators() == [ConsentedAnnotator("a-1", NOON.replace(hour=14), "2")]


def test_incomplete_and_unstorable_answers_are_refused_in_words(journal: Journal, judge: Judge) -> None:
    refused = {
        "Please answer question two": judge(precision=None),
        "is not asked after": judge(presence="absent_none"),
        "has no answer 'fine'": judge(category="fine"),
        "comment contains characters": judge(comment="\ud800"),
        "it contains invalid characters": judge(model="\ud800"),
        "no time zone": judge(started_at=datetime(2026, 1, 1)),
        "CHECK constraint failed: seconds": judge(seconds=-1.0),
        "NOT NULL constraint failed: judgments.seconds": judge(seconds=float("nan")),
    }
    for sentence, row in refused.items():
        with pytest.raises(JournalError, match=sentence):
            journal.record_judgment(row)
    assert journal.all_judgments() == []


def test_rows_can_be_neither_changed_nor_deleted(journal: Journal, judge: Judge) -> None:
    journal.record_judgment(judge())
    with sqlite3.connect(journal.path) as other:
        for statement in ("UPDATE judgments SET comment = 'x'", "DELETE FROM judgments"):
            with pytest.raises(sqlite3.IntegrityError, match="judgments are only ever added"):
                other.execute(statement)
    other.close()
    assert journal.all_judgments() == [judge()]


def test_the_database_is_set_to_survive_a_power_cut(journal: Journal) -> None:
    pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "user_version")
    found = {name: journal._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas}
    assert found == {
        "journal_mode": "wal",
        "synchronous": 1,  # the log is flushed by `transaction` itself
        "foreign_keys": 1,
        "busy_timeout": 10_000,
        "user_version": len(MIGRATIONS),
    }


def test_what_was_stored_is_flushed_before_its_receipt(
    journal: Journal, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = journal.path.with_name(f"{journal.path.name}-wal")
    flushed_log: list[bytes] = []
    monkeypatch.setattr(os, "fdatasync", lambda _file: flushed_log.append(log.read_bytes()))
    judgment = judge()
    journal.record_judgment(judgment)
    assert judgment.judgment_id.encode() in flushed_log[-1]
    assert flushed_log[-1] == log.read_bytes()


def test_after_a_flush_that_failed_nothing_more_is_called_stored(
    journal: Journal, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(JournalError, match="not stored: Input/output error"):
        journal.record_judgment(judge())
    monkeypatch.undo()  # the disk says that all is well again, but what became of the pages is unknown
    with pytest.raises(JournalError, match="not stored: Input/output error"):
        journal.record_judgment(judge())
    with Journal(journal.path) as reopened:  # whoever starts anew reads what is on disk
        assert reopened.record_judgment(judge()).is_duplicate


def test_a_journal_opened_again_holds_what_it_held(tmp_path: Path, judge: Judge) -> None:
    (tmp_path / "journal.sqlite").touch()  # version 0: an empty file
    for _ in range(2):
        with Journal(tmp_path / "journal.sqlite") as journal:
            journal.record_consent("a-1", "1")
            journal.record_judgment(judge())
    with Journal(tmp_path / "journal.sqlite") as journal:
        assert journal.all_judgments() == [judge()]


def test_a_later_migration_keeps_the_rows(tmp_path: Path, judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.record_consent("a-1", "1")
        journal.record_judgment(judge())
    later = (*MIGRATIONS, ("ALTER TABLE annotators ADD COLUMN language TEXT",))
    monkeypatch.setattr(database.Database, "schema", database.Database.schema._replace(migrations=later))
    for _ in range(2):
        with Journal(tmp_path / "journal.sqlite") as journal:
            assert journal.all_judgments() == [judge()]
            [row] = journal.select("SELECT pseudonym, language FROM annotators")
            assert tuple(row) == ("a-1", None)
            assert journal.select("PRAGMA user_version")[0][0] == len(later)


def test_other_files_and_newer_journals_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database at all, but long enough to look like one" * 40)
    with pytest.raises(JournalError, match="the file is not a journal"):
        Journal(tmp_path / "text")
    with sqlite3.connect(tmp_path / "other") as other:
        other.execute("CREATE TABLE people (name TEXT)")
    other.close()
    with pytest.raises(JournalError, match="is not a journal; choose another file"):
        Journal(tmp_path / "other")
    Journal(tmp_path / "newer").close()
    with sqlite3.connect(tmp_path / "newer") as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(JournalError, match="written by a newer release"):
        Journal(tmp_path / "newer")
    with pytest.raises(JournalError, match="cannot be used"):
        Journal(tmp_path / "text" / "journal.sqlite")


def test_a_full_disk_is_said_and_leaves_the_journal_whole(journal: Journal, judge: Judge) -> None:
    journal.record_judgment(judge())
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    big = [judge(f"k-{layer}", layer=layer, head=9, comment="x" * 2000) for layer in range(1000)]
    with pytest.raises(JournalError, match="Your answer was not stored: the disk is full"):
        list(map(journal.record_judgment, big))
    kept = journal.all_judgments()
    journal._connection.execute("PRAGMA max_page_count = 1000000")
    journal.record_judgment(judge("after", layer=1, head=8))
    assert [row.judgment_id for row in journal.all_judgments()] == [*(row.judgment_id for row in kept), "after"]


def test_a_read_only_folder_is_said() -> None:
    script = """
import os
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    Journal(Path(sys.argv[1]) / "journal.sqlite")
except JournalError as error:
    print(error)
"""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    output, errors = child(script, folder).communicate(timeout=20)
    folder.rmdir()
    assert errors == ""
    assert output.startswith(f"The journal {folder / 'journal.sqlite'} cannot be used: it cannot be opened;")


def test_a_receipt_survives_kill_9(tmp_path: Path) -> None:
    script = """
journal = Journal(Path(sys.argv[1]))
journal.record_consent("a-1", "1")
print(journal.record_judgment(judgment("j-1")).judgment_id, flush=True)
sys.stdin.read()
"""
    process = child(script, tmp_path / "journal.sqlite")
    assert process.stdout is not None
    assert process.stdout.readline() == "j-1\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=20)
    with Journal(tmp_path / "journal.sqlite") as journal:
        assert [row.judgment_id for row in journal.all_judgments()] == ["j-1"]


def test_two_processes_that_send_the_same_ids_store_each_once(tmp_path: Path) -> None:
    script = """
sys.stdin.readline()
journal = Journal(Path(sys.argv[1]))
journal.record_consent("a-1", "1")
for layer in range(25):
    print(journal.record_judgment(judgment(f"j-{layer}", layer)).is_duplicate)
"""
    processes = [child(script, tmp_path / "journal.sqlite") for _ in range(2)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [process.communicate(timeout=30) for process in processes]
    assert [errors for _, errors in results] == ["", ""]
    answers = sorted(" ".join(output for output, _ in results).split())
    assert answers == ["False"] * 25 + ["True"] * 25
    with Journal(tmp_path / "journal.sqlite") as journal:
        assert sorted(row.layer for row in journal.all_judgments()) == list(range(25))


def test_processes_that_begin_a_journal_at_once_wait_for_each_other(tmp_path: Path) -> None:
    script = """
for line in sys.stdin:
    Journal(Path(line.strip())).close()
    print("open", flush=True)
"""
    processes = [child(script) for _ in range(3)]
    for number in range(40):
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{tmp_path / str(number)}\n")
            process.stdin.flush()
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
    assert [process.communicate(timeout=20)[1] for process in processes] == ["", "", ""]


def test_two_hundred_judgments_from_threads_are_all_there_once(journal: Journal, judge: Judge) -> None:
    rows = [judge(f"j-{number}", layer=number) for number in range(100)] * 2
    with ThreadPoolExecutor(16) as threads:
        receipts = list(threads.map(journal.record_judgment, rows))
    assert sum(receipt.is_duplicate for receipt in receipts) == 100
    assert sorted(row.layer for row in journal.all_judgments()) == list(range(100))


def test_threads_that_answer_one_item_at_once_store_one_answer(journal: Journal, judge: Judge) -> None:
    def attempt(number: int) -> str:
        try:
            return journal.record_judgment(judge(f"j-{number}")).judgment_id
        except JournalError as error:
            return str(error)

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(attempt, range(8)))
    refusal = "You have already answered this item; open it again to change your answer."
    (kept,) = journal.all_judgments()
    assert sorted(results) == sorted([kept.judgment_id] + [refusal] * 7)


def test_the_extent_grows_with_every_judgment_and_withdrawal_and_with_nothing_else(
    journal: Journal, judge: Judge
) -> None:
    extents = [journal.last_positions()]
    for change in (
        lambda: journal.record_judgment(judge("j-1")),
        lambda: journal.record_judgment(judge("j-2", supersedes="j-1")),
        lambda: journal.withdraw("a-1"),
    ):
        change()
        extents.append(journal.last_positions())
    assert extents == sorted(set(extents))
    journal.record_judgment(judge("j-3", annotator="a-2"))
    last = journal.last_positions()
    journal.record_consent("a-3", "1")
    journal.open_answers("default", "a-2")
    assert journal.last_positions() == last


def modes(folder: Path) -> dict[str, str]:
    return {path.name: oct(path.stat().st_mode & 0o777) for path in folder.iterdir()}


def test_the_file_is_its_owners_alone_also_one_that_was_made_open(tmp_path: Path, judge: Judge) -> None:
    path = tmp_path / "journal.sqlite"
    owners = {f"journal.sqlite{suffix}": "0o600" for suffix in ("", "-wal", "-shm")}
    earlier = os.umask(0o022)
    try:
        with Journal(path) as journal:
            journal.record_consent("a-1", "1")
            assert modes(tmp_path) == owners
            for file in tmp_path.iterdir():
                file.chmod(0o644)
            with Journal(path) as again:
                again.record_judgment(judge())
                assert modes(tmp_path) == owners
    finally:
        os.umask(earlier)
    assert modes(tmp_path) == {"journal.sqlite": "0o600"}
