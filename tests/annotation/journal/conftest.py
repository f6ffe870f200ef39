"""A journal on a disk, with a clock that a test turns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from annotation.journal.journal import Journal
from tests.annotation.invented_study import CREATED


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.time = CREATED

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def people() -> Iterable[str]:
    """The people who have consented."""
    return "abcdefgh"


@pytest.fixture
def journal(tmp_path: Path, clock: Clock, people: Iterable[str]) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite", now=clock) as opened:
        for person in people:
            opened.record_consent(person, "1")
        yield opened
