"""Studies of single operations: each operation of a sampled head is an item, judged by its own mappings."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from annotation.__main__ import main
from annotation.errors import JournalError
from annotation.form import GUIDELINES_VERSION, Answers, build_judgment
from annotation.journal.journal import Journal
from annotation.study.candidates import current_versions, load_fresh_items
from annotation.study.store import load_studies
from annotation.study.study import Study, stale_item_keys
from annotation.types import Judgment, StudyItem
from maps.atlas.patterns import current_patterns, operation_mappings
from maps.atlas.reader import Atlas, write_table
from maps.atlas.schema import make_table
from maps.hashes import mapping_hash
from maps.types import HeadId

SEED = Path(__file__).parents[3] / "space" / "seed" / "smollm2-calibrated"
COMMAND = ("study", "create", "--atlas", str(SEED), "--name", "operations", "--per-operation", "--seed", "0")
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def study(tmp_path: Path, capsys: Capture) -> Study:
    few = ("--heads", "8", "--overlap", "2", "--per-item", "2", "--swapped", "2")
    assert main([*COMMAND, *few, "--data", str(tmp_path)]) == 0
    created = load_studies(tmp_path / "studies")["operations"]
    operations = sum(map(len, created.items_by_head.values()))
    assert f"{operations} operations of 8 heads of SmolLM2-135M-Instruct (calibrated)" in capsys.readouterr().out
    return created


def test_every_operation_of_a_sampled_head_is_an_item_with_its_own_mappings(study: Study) -> None:
    atlas = Atlas.open(SEED)
    counts = Counter(HeadId(row["layer"], row["head"]) for row in current_patterns(atlas))
    assert len(study.items_by_head) == 8
    by_id = {row["description_id"]: row for row in current_patterns(atlas)}
    for head, items in study.items_by_head.items():
        assert len(items) == counts[head] > 1
        assert len({item.item_kind for item in items}) == 1
        for item in items:
            row, content = by_id[item.description_id], study.contents[item.key]
            assert list(content.mappings) == operation_mappings(row, atlas.mappings(head))
            assert item.mapping_hash == mapping_hash(content.mappings) == row["mapping_hash"]
            assert content.observed_pattern == row["observed_pattern"]
    assert Counter(item.item_kind for item in study.order)["swapped"] == 2


def test_a_swapped_control_has_the_words_of_another_operation(study: Study) -> None:
    rows = current_patterns(Atlas.open(SEED))
    by_id, by_mappings = ({row[name]: row for row in rows} for name in ("description_id", "mapping_hash"))
    swapped = [item for item in study.order if item.item_kind == "swapped"]
    assert len(swapped) == 2
    for item in swapped:
        shown, own = by_id[item.description_id], by_mappings[item.mapping_hash]
        assert study.contents[item.key].observed_pattern == shown["observed_pattern"] != own["observed_pattern"]
        assert (own["layer"], own["head"]) == (item.layer, item.head)


def answered(item: StudyItem, created_at: datetime) -> Judgment:
    return build_judgment(
        item,
        Answers("absent_none", None, None, ""),
        judgment_id=item.description_id + item.item_kind,
        annotator="a-1",
        started_at=created_at,
        submitted_at=created_at,
        supersedes=None,
        app_version="0",
    )


def test_the_journal_stores_every_operation_of_a_head_and_none_beside_its_control(tmp_path: Path) -> None:
    every = ("--heads", "33", "--overlap", "0", "--per-item", "1", "--swapped", "1")
    assert main([*COMMAND, *every, "--data", str(tmp_path)]) == 0
    study = load_studies(tmp_path / "studies")["operations"]
    control = next(item for item in study.order if item.item_kind == "swapped")
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.record_consent("a-1", GUIDELINES_VERSION)
        for items in study.items_by_head.values():
            for item in items:
                journal.record_judgment(answered(item, study.settings.created_at), study)
        assert len(journal.current_judgments(study.name)) == len(study.order) - 1
        with pytest.raises(JournalError, match="you have judged this operation before"):
            journal.record_judgment(answered(control, study.settings.created_at), study)


def test_only_an_operation_that_changed_is_stale(study: Study, tmp_path: Path) -> None:
    folder = tmp_path / "atlas"
    shutil.copytree(SEED, folder)
    atlas = Atlas.open(folder).named_by_reading()
    assert stale_item_keys(study, current_versions(atlas, "offline", True)) == set()
    assert load_fresh_items(study, atlas) == list(study.order)
    changed = next(items for items in study.items_by_head.values() if items[0].item_kind == "head")[0].description_id
    rows = atlas.table("patterns").to_pylist()
    newer = [row | {"description_id": "newer"} if row["description_id"] == changed else row for row in rows]
    write_table(folder, "patterns", make_table("patterns", newer))
    stale = stale_item_keys(study, current_versions(Atlas.open(folder), "offline", True))
    assert {item.description_id for item in study.order if item.key in stale} == {changed}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ["--shuffled", "1"],
            "An operation's mappings share their targets, so shuffled ones look like the others",
        ),
        (["--describer", "gpt-4o"], "'gpt-4o' described no operation of "),
        (["--heads", "500"], "The study asks for 500 heads, but 'offline' described the operations of 33"),
        (
            ["--overlap", "8", "--per-annotator", "9"],
            "items of the overlap, but a person judges at most 9 items; raise",
        ),
    ],
)
def test_what_cannot_be_gets_a_sentence(tmp_path: Path, options: list[str], sentence: str, capsys: Capture) -> None:
    assert main([*COMMAND, "--heads", "8", "--overlap", "2", "--data", str(tmp_path), *options]) == 2
    assert sentence in capsys.readouterr().err


def test_an_atlas_without_operations_says_how_to_get_them(tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "atlas"
    shutil.copytree(SEED, folder)
    (folder / "patterns.parquet").unlink()
    assert main([*COMMAND[:3], str(folder), *COMMAND[4:], "--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(
        f"The atlas {folder} has no descriptions of operations yet; run `python -m maps describe {folder} --operat"
    )
