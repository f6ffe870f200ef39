"""The maintainers' descriptions of the bundled model: whole, bound to their mappings, and stored by the command."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import docs.reference_descriptions
from maps.__main__ import main
from maps.atlas.reader import Atlas
from maps.describers.reference import AUTHORS, RECURRENCE_REMARK, find_reference, reference_entries
from maps.types import HeadId

SEED = Path(__file__).parents[3] / "space" / "seed" / "smollm2-calibrated"


def test_every_head_of_the_shipped_atlas_is_described_by_its_mappings() -> None:
    atlas = Atlas.open(SEED)
    mappings = atlas.mappings_by_head()
    assert len(reference_entries()) == len(atlas.head_ids) == 270
    found = {head: find_reference(mappings[head]) for head in atlas.head_ids}
    assert {head: entry and entry["head"] for head, entry in found.items()} == {head: str(head) for head in found}


def test_mappings_that_differ_by_rounding_have_the_reference_and_others_do_not() -> None:
    mappings = Atlas.open(SEED).mappings(HeadId(23, 4))
    swapped = [replace(m, target_ids=(m.target_ids[1], m.target_ids[0], *m.target_ids[2:])) for m in mappings]
    assert find_reference(swapped) == find_reference(mappings)
    changed = [replace(m, target_ids=(1, 2, 3, 4, 5)) for m in mappings]
    assert find_reference([*changed[:3], *mappings[3:]]) == find_reference(mappings)
    assert find_reference([*changed[:4], *mappings[4:]]) is None
    assert find_reference(mappings[:20]) is None
    assert find_reference([]) is None


def test_ten_mappings_were_predicted_from_every_pattern() -> None:
    for entry in reference_entries():
        pairs = entry.get("predictions", [])
        assert len(pairs) == (10 if entry["fits"] else 0), entry["head"]
        assert len({source for source, _ in pairs}) == len(pairs)


def test_a_pattern_is_one_that_twenty_mappings_show_and_is_said_in_a_sentence() -> None:
    for entry in reference_entries():
        fits, pattern = entry["fits"], entry["observed_pattern"]
        assert fits == sorted(set(fits) & set(range(1, 31)))
        assert (pattern == "Unclear") == (fits == []) == (len(fits) < 20)
        assert entry["input_strings"].strip()
        assert len(pattern.split()) <= 40, entry["head"]


def test_the_shipped_atlas_has_them_first() -> None:
    rows = {row["describer"]: 0 for row in Atlas.open(SEED).descriptions()}
    assert set(rows) == {"offline", "reference"}


def test_the_command_stores_those_of_an_atlas_with_the_same_mappings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "atlas"
    shutil.copytree(SEED, folder)
    (folder / "descriptions.parquet").unlink()
    assert main(["describe", str(folder), "--describer", "reference", "--heads", "L23H4,L9H4"]) == 0
    assert capsys.readouterr().out.startswith("reference described 2 heads now.\nIt sees a pattern in ")
    entries = {entry["head"]: entry for entry in reference_entries()}
    for row in Atlas.open(folder).descriptions():
        entry = entries[f"L{row['layer']}H{row['head']}"]
        assert (row["observed_pattern"], row["model"]) == (entry["observed_pattern"], AUTHORS)
        assert row["reasoning"].endswith(RECURRENCE_REMARK) == bool(entry.get("recurrence"))
        assert row["support"] == (len(entry["fits"]) or None)


def test_an_atlas_of_other_mappings_has_none(atlas_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", str(atlas_folder), "--describer", "reference"]) == 2
    assert capsys.readouterr().err.startswith("There are reference descriptions of the bundled model only, in the ")


def test_the_page_is_written_from_the_readings() -> None:
    page = docs.reference_descriptions.PAGE.read_text(encoding="utf-8")
    assert page == docs.reference_descriptions.reference_page(), "run python -m docs.reference_descriptions"
