"""Damaged rows in an append-only log: named by file and line, never merged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from maps.__main__ import main
from maps.atlas.reader import Atlas
from maps.describers.describe_atlas import describe_atlas
from maps.types import Answer, Description
from tests.scripted import ScriptedDescriber

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def line(atlas_folder: Path) -> str:
    describe_atlas(atlas_folder, ScriptedDescriber([Answer(Description("Words.", "Colours.", ""), "s")] * 8))
    row = Atlas.open(atlas_folder).table("descriptions").to_pylist()[0]
    (atlas_folder / "descriptions.parquet").unlink()
    return json.dumps({**row, "created_at": row["created_at"].isoformat()})


@pytest.mark.parametrize(
    ("damaged", "why"),
    [
        (b"5", ""),
        (b"null", ""),
        (b"[]", ""),
        (b'"x"', ""),
        (b"{}", "a row lacks layer"),
        (b'{"layer": 1, "head": 2}', "a row lacks describer"),
        (b'{"layer": "x"}', ""),
        (b'{"layer": 99999999999}', ""),
        (b'{"created_at": 5}', ""),
        (b"\xff\xfe", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_a_damaged_line_is_named_and_nothing_is_moved(
    damaged: bytes, why: str, line: str, atlas_folder: Path, capsys: Capture
) -> None:
    path = atlas_folder / "descriptions.pending.jsonl"
    content = line.encode() + b"\n\n" + damaged + b"\n"
    path.write_bytes(content)
    capsys.readouterr()
    for options in ([], ["--dry-run", "--base-url", "http://127.0.0.1:9/v1"]):
        describer = "other" if options else "offline"
        assert main(["describe", str(atlas_folder), "--describer", describer, *options]) == 2
        out, message = capsys.readouterr()
        assert (out, message.count("\n")) == ("", 1)
        assert message.startswith(f"{path}, line 3, is damaged ({why}")
        assert message.endswith("; repair or delete that line, then run the command again.\n")
        assert path.read_bytes() == content
    assert not (atlas_folder / "descriptions.parquet").exists()


def test_a_dry_run_counts_waiting_rows_and_moves_none(line: str, atlas_folder: Path, capsys: Capture) -> None:
    path = atlas_folder / "descriptions.pending.jsonl"
    path.write_text(f'{line}\n{{"cut off')
    command = ["describe", str(atlas_folder), "--describer", "scripted", "--base-url", "http://127.0.0.1:9/v1"]
    capsys.readouterr()
    assert main([*command, "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("7 heads for scripted to describe. ")
    assert path.read_text() == f'{line}\n{{"cut off'
    assert not (atlas_folder / "descriptions.parquet").exists()
