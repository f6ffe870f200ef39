"""Records of what describers have begun: stored, removed, and reported where damaged."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from maps.atlas.run_notes import RunNotes
from maps.describers.describe_atlas import REDO_FILE, redo_start
from maps.describers.describe_in_batches import BATCHES_FILE, read_open_batch
from maps.errors import MapsError

SENT = {"file": "f", "batch": "b", "round": 1, "seed": 0, "sent_at": "now", "heads": {"L0H0": "hash"}}


def test_each_describer_has_its_entry_and_an_empty_file_goes(tmp_path: Path) -> None:
    notes = RunNotes(tmp_path / "notes.json", "delete it")
    notes.write_entry("one", 1)
    notes.write_entry("two", [2])
    assert (notes.read_entry("one"), notes.read_entry("two"), notes.read_entry("three")) == (1, [2], None)
    notes.write_entry("one", None)
    assert notes.read_entry("one") is None
    notes.write_entry("two", None)
    assert not notes.path.exists()


@pytest.mark.parametrize("content", ["{", "[]", "[" * 100_000, '{"ok": 5}', '{"ok": "x"}', '{"ok": "2026-11-24"}'])
def test_a_damaged_note_of_a_redo_is_named_with_what_deleting_it_does(content: str, tmp_path: Path) -> None:
    (tmp_path / REDO_FILE).write_text(content)
    with pytest.raises(MapsError) as caught:
        redo_start(tmp_path, "ok")
    assert re.match(rf"{tmp_path / REDO_FILE} (is damaged \(|does not contain a JSON object;)", str(caught.value))
    assert str(caught.value).endswith("; delete that file; an unfinished --redo then starts from the beginning.")


@pytest.mark.parametrize(
    "entry",
    [
        "{",
        5,
        {"a": 1},
        {**SENT, "heads": 5},
        {**SENT, "heads": {"x": "hash"}},
        {**SENT, "heads": {"L0H0": 1}},
        {**SENT, "round": "1"},
        {**SENT, "batch": None},
    ],
)
def test_a_damaged_note_of_a_batch_is_named_with_what_deleting_it_does(entry: object, tmp_path: Path) -> None:
    (tmp_path / BATCHES_FILE).write_text(entry if entry == "{" else json.dumps({"ok": entry}))
    with pytest.raises(MapsError) as caught:
        read_open_batch(tmp_path, "ok")
    assert str(caught.value).startswith(f"{tmp_path / BATCHES_FILE} is damaged (")
    assert str(caught.value).endswith("repair it, or delete it to give up its batches, which may already cost money.")


def test_a_whole_note_of_a_batch_is_read(tmp_path: Path) -> None:
    (tmp_path / BATCHES_FILE).write_text(json.dumps({"ok": SENT}))
    sent = read_open_batch(tmp_path, "ok")
    assert sent
    assert sent._asdict() == SENT
    assert read_open_batch(tmp_path, "other") is None
