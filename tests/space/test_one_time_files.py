"""Files for one visitor: fetched once, gone afterwards, and readable by the process's user alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from space.one_time_files import LIFETIME, MAX_FILES, OneTimeFiles


def write(folder: Path) -> Path:
    path = folder / "rows.csv"
    path.write_text("a,b\n", encoding="utf-8")
    return path


def write_below(folder: Path) -> Path:
    (folder / "pilot").mkdir()
    return write(folder / "pilot")


@pytest.mark.parametrize("writer", [write, write_below])
def test_a_file_is_given_once(writer: object) -> None:
    files = OneTimeFiles()
    token, name = files.make(writer)  # type: ignore[arg-type]
    assert name == "rows.csv"
    taken = files.take(token)
    assert taken is not None
    assert taken.path.read_text(encoding="utf-8") == "a,b\n"
    assert stat.S_IMODE(taken.path.parent.stat().st_mode) == 0o700
    assert files.take(token) is None
    taken.remove()
    assert not taken.path.parent.exists()


def test_nobody_guesses_a_token() -> None:
    files = OneTimeFiles()
    token, _ = files.make(write)
    assert len(token) >= 43
    assert [files.take(other) for other in ("", token[:-1], token + "x", "rows.csv")] == [None] * 4
    files.close()


def test_what_nobody_fetches_goes() -> None:
    now = [0.0]
    files = OneTimeFiles(lambda: now[0])
    token, _ = files.make(write)
    now[0] = LIFETIME + 1
    assert files.take(token) is None
    tokens = [files.make(write)[0] for _ in range(MAX_FILES + 3)]
    assert [files.take(token) is not None for token in tokens[:4]] == [False, False, False, True]
    files.close()
    assert files.take(tokens[-1]) is None


def test_a_file_that_cannot_be_written_leaves_nothing() -> None:
    kept: list[Path] = []

    def fail(folder: Path) -> Path:
        kept.append(folder)
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        OneTimeFiles().make(fail)
    assert not kept[0].exists()
