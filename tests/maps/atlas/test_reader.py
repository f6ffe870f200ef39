"""Atlases on disk: written whole or not at all, interrupted and continued."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard

from maps.atlas.layer_store import LayerStore
from maps.atlas.reader import Atlas, write_table
from maps.atlas.schema import LAYER_TABLES, SCHEMAS, Row, make_table
from maps.errors import MapsError
from maps.files.atomic import write_file
from maps.mapping.mapper import map_model
from maps.mapping.settings import MappingSettings
from maps.types import HeadId, Relation
from tests.small_models import WORDS, SmallModel, random_weights, save_model_folder

ROOT = Path(__file__).parents[3]
COPYING = Relation("copying", "algorithmic", tuple((word, word) for word in WORDS))
MADE = (*LAYER_TABLES, "pairs")
SETTINGS = MappingSettings((COPYING,), min_pairs=5)


def rows_of(atlas: Atlas) -> dict[str, list[Row]]:
    return {name: atlas.table(name).to_pylist() for name in MADE}


def test_an_atlas_is_a_folder_of_tables(mapped_once: Path) -> None:
    names = sorted(path.name for path in mapped_once.iterdir())
    assert names == ["README.md", "atlas.json", *sorted(f"{name}.parquet" for name in MADE)]
    atlas = Atlas.open(mapped_once)
    assert (atlas.model, atlas.has_table("mappings"), atlas.has_table("descriptions")) == ("small", True, False)
    assert {name: pq.read_schema(mapped_once / f"{name}.parquet").names for name in MADE} == {
        name: SCHEMAS[name].names for name in MADE
    }
    info = {key: atlas.info[key] for key in ("format_version", "architecture", "layers", "heads", "kv_heads", "width")}
    assert list(info.values()) == [2, "llama", 2, 4, 2, 32]
    assert (atlas.info["head_width"], atlas.info["vocabulary"], atlas.info["first_mlp"]) == (8, 346, True)
    assert atlas.info["settings"] == json.loads(json.dumps(SETTINGS.as_json()))
    age = datetime.now(UTC) - datetime.fromisoformat(atlas.info["created_at"])
    assert age < timedelta(hours=12)  # made by this run of the tests, which may be a long one


def test_one_heads_rows_are_those_of_the_whole_table(mapped_once: Path) -> None:
    atlas = Atlas.open(mapped_once)
    for name in LAYER_TABLES:
        parts = [row for head in atlas.head_ids for row in atlas.table(name, head=head).to_pylist()]
        assert parts == atlas.table(name).to_pylist()
        assert bool(parts) == (name != "hits")  # no head copies at k = 1
    assert (atlas.mappings(HeadId(9, 9)), atlas.relation_scores(HeadId(9, 9))) == ([], [])
    assert [m.rank for m in atlas.mappings(HeadId(1, 2))] == list(range(1, 31))
    assert [m.rank for m in atlas.mappings(HeadId(1, 2), "heldout")] == list(range(31, 61))


def test_tables_that_were_not_made_yet_are_empty(mapped_once: Path) -> None:
    atlas = Atlas.open(mapped_once)
    assert atlas.descriptions() == atlas.table("failures").to_pylist() == []
    assert atlas.table("descriptions", ["layer", "seed"]).column_names == ["layer", "seed"]


def test_the_newest_description_of_a_describer_is_the_current_one(atlas_folder: Path) -> None:
    then = datetime(2026, 11, 22, tzinfo=UTC)
    descriptions = [("a", 0, "first"), ("a", 9, "third"), ("b", 1, "other"), ("a", 5, "second")]
    texts = dict.fromkeys(("description_id", "input_strings", "reasoning", "mapping_hash"), "")
    rest = {"layer": 0, "head": 1, "pattern": True, "pattern_paper": True, **texts}
    rows = [
        {**rest, "describer": who, "observed_pattern": what, "created_at": then + timedelta(minutes=n)}
        for who, n, what in descriptions
    ]
    write_table(atlas_folder, "descriptions", make_table("descriptions", rows))
    found = Atlas.open(atlas_folder).descriptions(HeadId(0, 1))
    assert [(row["describer"], row["observed_pattern"], row["seed"]) for row in found] == [
        ("a", "third", None),
        ("b", "other", None),
    ]


def test_the_card_is_valid_for_the_hub(mapped_once: Path) -> None:
    card = DatasetCard.load(mapped_once / "README.md")
    assert {config["config_name"]: config["data_files"] for config in card.data.configs} == {
        name: f"{name}.parquet"
        for name in MADE
        if name != "hits"  # it is empty, so nothing could load it
    }
    assert "What 8 attention heads of small" in card.text


def test_a_file_that_cannot_be_written_whole_leaves_the_old_one(tmp_path: Path) -> None:
    write_file(tmp_path / "a" / "file", b"old")
    with pytest.raises(TypeError):
        write_file(tmp_path / "a" / "file", "no bytes")  # type: ignore[arg-type]
    assert (tmp_path / "a" / "file").read_bytes() == b"old"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"k": 3}, "k was null, now 3"),
        ({"salient": 20}, "salient was 30, now 20"),
        ({"layers": (0, 1)}, "layers was null, now [0, 1]"),
        ({"relations": (replace(COPYING, pairs=(("amber", "amber"),)),)}, "relations was "),
    ],
)
def test_an_atlas_made_with_other_settings_is_left_alone(
    change: dict[str, object], difference: str, atlas_folder: Path, small_model: Path
) -> None:
    before = {path.name: path.read_bytes() for path in atlas_folder.iterdir()}
    message = f"{atlas_folder} holds an atlas made with other settings ({difference}"
    with pytest.raises(MapsError, match=f"^{re.escape(message)}.*; choose another --out\\.$"):
        map_model(str(small_model), atlas_folder, replace(SETTINGS, **change))  # type: ignore[arg-type]
    assert {path.name: path.read_bytes() for path in atlas_folder.iterdir()} == before


class Stopped(Exception):
    """A run that ends after some layers."""


def after(count: int) -> object:
    def progress(todo: Sequence[int], _done: int) -> Iterator[int]:
        yield from todo[:count]
        raise Stopped

    return progress


def test_an_unfinished_mapping_made_with_other_settings_is_left_alone(tmp_path: Path, small_model: Path) -> None:
    out = tmp_path / "atlas"
    with pytest.raises(Stopped):
        map_model(str(small_model), out, SETTINGS, progress=after(1))  # type: ignore[arg-type]
    with pytest.raises(MapsError, match=r"contains an unfinished mapping; run the same map command"):
        Atlas.open(out)
    message = (
        f"{out} holds an unfinished mapping made with other settings (k was null, now 3); "
        f"choose another --out or delete {out / 'parts'}."
    )
    with pytest.raises(MapsError, match=f"^{re.escape(message)}$"):
        map_model(str(small_model), out, replace(SETTINGS, k=3))


def test_a_run_that_stopped_after_the_tables_continues(tmp_path: Path, mapped_once: Path) -> None:
    """As after a crash in `LayerStore.finish`: some tables exist and `atlas.json` does not."""
    small = SmallModel()
    folder, out = save_model_folder(tmp_path / "small", small, random_weights(small)), tmp_path / "atlas"
    with pytest.raises(Stopped):
        map_model(str(folder), out, SETTINGS, progress=after(2))  # type: ignore[arg-type]
    write_table(out, "heads", SCHEMAS["heads"].empty_table())
    (out / "parts" / ".layer-001.99").mkdir()
    atlas = map_model(str(folder), out, SETTINGS, progress=after(0))  # type: ignore[arg-type]
    assert rows_of(atlas) == rows_of(Atlas.open(mapped_once))
    assert not (out / "parts").exists()


@pytest.mark.canary
@pytest.mark.process
def test_a_killed_mapping_continues_and_repeats_no_layer(tmp_path: Path) -> None:
    small = SmallModel(width=16, mlp_width=16, layers=16, heads=2, kv_heads=1, head_width=4)
    folder, out = save_model_folder(tmp_path / "deep", small, random_weights(small)), tmp_path / "atlas"
    command = [sys.executable, "-m", "maps", "map", str(folder), "--out", str(out), "--relations", "copying"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not (out / "parts" / "layer-000").is_dir() and time.monotonic() < deadline:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    done = sorted(path.name for path in (out / "parts").glob("layer-*"))
    assert 1 <= len(done) < 16
    assert not (out / "atlas.json").exists()
    seen: list[tuple[list[int], int]] = []

    def progress(todo: Sequence[int], before: int) -> Sequence[int]:
        seen.append((list(todo), before))
        return todo

    from maps.data import select_relations

    settings = MappingSettings(select_relations(["copying"]))
    went_on = map_model(str(folder), out, settings, progress=progress)
    assert seen == [(list(range(len(done), 16)), len(done))]
    assert rows_of(went_on) == rows_of(map_model(str(folder), tmp_path / "at-once", settings))
    assert sorted(path.name for path in out.iterdir()) == [
        *("README.md", "atlas.json", *sorted(f"{name}.parquet" for name in MADE))
    ]


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        (
            "atlas.json",
            "{",
            " is damaged (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))",
        ),
        ("atlas.json", "[]", " does not contain a JSON object; delete the folder and map the model again."),
        ("mappings.parquet", "PAR1 and no more", " is damaged ("),
        ("heads.parquet", "", " is damaged ("),
    ],
)
def test_a_damaged_file_is_named(file: str, content: str, sentence: str, atlas_folder: Path) -> None:
    (atlas_folder / file).write_text(content)
    with pytest.raises(MapsError, match=f"^{re.escape(str(atlas_folder / file) + sentence)}"):
        rows_of(Atlas.open(atlas_folder))


@pytest.mark.parametrize("name", [*LAYER_TABLES, "pairs"])
def test_a_missing_table_is_named(name: str, atlas_folder: Path) -> None:
    (atlas_folder / f"{name}.parquet").unlink()
    message = f"{atlas_folder} lacks {name}.parquet; delete the folder and map the model again."
    with pytest.raises(MapsError, match=f"^{re.escape(message)}$"):
        Atlas.open(atlas_folder)


@pytest.mark.parametrize("version", [1, 3, None, "2"])
def test_an_atlas_of_another_format_is_refused(version: object, atlas_folder: Path) -> None:
    info = json.loads((atlas_folder / "atlas.json").read_text())
    (atlas_folder / "atlas.json").write_text(json.dumps({**info, "format_version": version}))
    message = f"{atlas_folder} has atlas format {version}, but this version reads 2; map again."
    with pytest.raises(MapsError, match=f"^{re.escape(message)}$"):
        Atlas.open(atlas_folder)


def test_a_folder_without_an_atlas_says_how_to_make_one(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        message = f"{place} is not an atlas; `python -m maps map MODEL --out {place}` makes one."
        with pytest.raises(MapsError, match=f"^{re.escape(message)}$"):
            Atlas.open(place)


def test_a_layer_is_stored_whole_or_not_at_all(tmp_path: Path, mapped_once: Path) -> None:
    parts, atlas = LayerStore(tmp_path), Atlas.open(mapped_once)
    tables = {name: atlas.table(name) for name in LAYER_TABLES}
    with pytest.raises(KeyError):
        parts.store(0, {"heads": tables["heads"]})
    assert not parts.has(0)
    parts.store(0, tables)
    assert parts.has(0)
    assert sorted(path.name for path in parts.layer_folder(0).iterdir()) == sorted(
        f"{name}.parquet" for name in LAYER_TABLES
    )
    shutil.rmtree(parts.layer_folder(0))
    assert not parts.has(0)
