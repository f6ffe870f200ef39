"""The command `probe`."""

from __future__ import annotations

from pathlib import Path

import pytest

import maps
from maps.__main__ import main

Capture = pytest.CaptureFixture[str]


def printed(capsys: Capture, *arguments: object) -> list[str]:
    assert main(["probe", *map(str, arguments)]) == 0
    return capsys.readouterr().out.splitlines()


def test_a_pair_is_ranked_from_both_ends(capsys: Capture, small_model: Path) -> None:
    lines = printed(capsys, small_model, "garden", "magnet", "--top", "2")
    found = maps.probe(maps.load(small_model), "garden", "magnet")
    assert lines[0] == f"small: 8 heads, {found.vocabulary:,} tokens"
    assert lines[2] == "·magnet in the row of ·garden, promoted most:"
    assert [line.split()[:3] for line in lines[3:5]] == [[str(p.head), "rank", str(p.rank)] for p in found.pair[:2]]
    low = found.pair_by_suppression()[:2]
    assert [line.split()[:3] for line in lines[7:]] == [[str(p.head), "rank", str(p.from_lowest)] for p in low]


def test_a_token_is_shown_from_both_sides(capsys: Capture, small_model: Path) -> None:
    lines = printed(capsys, small_model, "needle", "--no-first-mlp", "--dtype", "float32", "--final-norm")
    assert len(lines) == 2 + 1 + 8 + 1 + 1 + 8
    assert "·needle as a source" in lines[2]
    assert "·needle as a target" in lines[12]


@pytest.mark.parametrize("words", [("two words",), ("garden", "\x1b[31mred"), ("",)])
def test_a_word_that_is_not_a_token_is_refused_in_one_sentence(
    capsys: Capture, small_model: Path, words: tuple[str, ...]
) -> None:
    assert main(["probe", str(small_model), *words]) == 2
    out, message = capsys.readouterr()
    assert (out, message.count("\n")) == ("", 1)
    assert "\x1b" not in message
