"""A flush of a file is shared by all who wait for it, and covers what each of them wrote."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from time import sleep

import pytest

from annotation.shared_flush import SharedFlush


def test_those_who_come_during_a_flush_share_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "log"
    file.touch()
    flush, has_begun, may_end, sizes = SharedFlush(file), Event(), Event(), list[int]()

    def slow_flush(number: int) -> None:
        sizes.append(os.fstat(number).st_size)
        has_begun.set()
        may_end.wait(10)

    def write_and_wait(_: int) -> int:
        with file.open("ab") as out:
            out.write(b"x")
        flush.wait()
        return sizes[-1]

    monkeypatch.setattr(os, "fdatasync", slow_flush)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(write_and_wait, 0)
        assert has_begun.wait(10)
        others = [pool.submit(write_and_wait, n) for n in range(7)]
        while flush._asked < 8:
            sleep(0.001)
        may_end.set()
        first.result()
        assert [other.result() for other in others] == [8] * 7
    assert sizes == [1, 8]


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    flush = SharedFlush(tmp_path / "log")
    with pytest.raises(FileNotFoundError):
        flush.wait()
