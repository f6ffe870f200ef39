"""An organiser opens a study's answers once, for good, and it is noted who did and when."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from annotation.journal.journal import Journal

MOMENT = datetime(2026, 11, 24, 21, 0, tzinfo=UTC)


def test_a_study_is_opened_once_and_others_stay_closed(tmp_path: Path) -> None:
    clock = [MOMENT]
    with Journal(tmp_path / "journal.sqlite", now=lambda: clock[0]) as journal:
        assert journal.answers_opened_at("pilot") is None
        journal.open_answers("pilot", "o-1")
        clock.append(clock.pop().replace(hour=22))
        journal.open_answers("pilot", "o-2")
        assert (journal.answers_opened_at("pilot"), journal.answers_opened_at("other")) == (MOMENT, None)


@pytest.mark.parametrize("statement", ["UPDATE openings SET study = 'x'", "DELETE FROM openings"])
def test_an_opening_is_never_changed(tmp_path: Path, statement: str) -> None:
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.open_answers("pilot", "o-1")
    with sqlite3.connect(tmp_path / "journal.sqlite") as db, pytest.raises(sqlite3.IntegrityError, match="only ever"):
        db.execute(statement)
