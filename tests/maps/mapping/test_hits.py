"""Pairs and hits of an atlas: shares of hits are the scores, and atlases of earlier versions get them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from maps.__main__ import main
from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.heads.relation_scores import UsableRelation
from maps.mapping.mapper import map_model
from maps.mapping.rows import HeadHits, hit_rows, pair_rows
from maps.mapping.settings import MappingSettings
from maps.types import HeadId, Relation
from tests.small_models import WORDS, SmallModel, random_weights, save_model_folder

NEXT = Relation("next", "", tuple(zip(WORDS, [*WORDS[1:], WORDS[0]], strict=True)))
COPYING = Relation("copying", "algorithmic", (*((word, word) for word in WORDS), ("amber", "no single token")))
SETTINGS = MappingSettings((COPYING, NEXT, Relation("none", "", (("?!", "?!"),))), k=60, min_pairs=5)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, small_model: Path) -> Atlas:
    """An atlas with hits."""
    return map_model(str(small_model), tmp_path_factory.mktemp("hits") / "atlas", SETTINGS)


@pytest.fixture
def older(whole: Atlas, tmp_path: Path) -> Path:
    """The same as an earlier version made it, with another time."""
    folder = Path(shutil.copytree(whole.folder, tmp_path / "older"))
    for name in ("pairs", "hits"):
        (folder / f"{name}.parquet").unlink()
    info = {key: value for key, value in whole.info.items() if key != "capitalised_share"}
    (folder / "atlas.json").write_text(json.dumps(info | {"created_at": "2026-01-01T00:00:00+00:00"}))
    return folder


def test_the_share_of_hits_is_the_score(whole: Atlas) -> None:
    found = 0
    for head in whole.head_ids:
        for score in whole.relation_scores(head):
            rows = whole.pairs(score.relation, head).to_pylist()
            assert [row["pair"] for row in rows] == list(range(score.pairs))
            hits, suppressed = (sum(row[name] for row in rows) for name in ("hit", "suppressed"))
            assert (hits, suppressed) == ((score.score or 0) * score.pairs, (score.suppression or 0) * score.pairs)
            found += hits + suppressed
    assert found > 0


def test_a_head_has_a_row_for_each_relation_with_a_hit(whole: Atlas) -> None:
    for head in whole.head_ids:
        rows = {row["relation"]: row for row in whole.hits(head).to_pylist()}
        some = [s.relation for s in whole.relation_scores(head) if s.score or s.suppression]
        assert list(rows) == some
        assert all(row["hits"] is not None and row["suppressed"] is not None for row in rows.values())


def test_pairs_are_the_usable_ones_by_number_as_tokens(whole: Atlas) -> None:
    rows = whole.pairs("copying").to_pylist()
    assert len(rows) == 15
    assert [(row["category"], row["pair"], row["source"], row["target"]) for row in rows[:2]] == [
        ("algorithmic", 0, " amber", " amber"),
        ("algorithmic", 1, " basket", " basket"),
    ]
    assert all(row["source_id"] == row["target_id"] for row in rows)
    assert whole.pairs("next").to_pylist()[0]["category"] is None
    assert whole.pairs("none").to_pylist() == whole.pairs("unheard of").to_pylist() == []
    assert whole.table("pairs")["relation"].unique().to_pylist() == ["copying", "next"]


def test_rows_of_hits_and_pairs_by_hand() -> None:
    one = UsableRelation(Relation("one", "knowledge", ()), 1, (0, 2), (1, 0))
    other, none = (
        UsableRelation(Relation("other", "", ()), 1, (1,), (1,)),
        UsableRelation(Relation("-", "", ()), 1, (), ()),
    )
    tested = HeadHits(HeadId(3, 1), torch.tensor([False, True, False]), torch.tensor([True, True, False]))
    assert hit_rows(tested, (one, none, other)) == [
        {"layer": 3, "head": 1, "relation": "one", "hits": [1], "suppressed": [0, 1]}
    ]
    assert [tuple(row.values()) for row in pair_rows((one, none, other), ("a", "b", "c"))] == [
        ("one", "knowledge", 0, 0, "a", 1, "b"),
        ("one", "knowledge", 1, 2, "c", 0, "a"),
        ("other", None, 0, 1, "b", 1, "b"),
    ]


def test_an_atlas_without_them_says_what_adds_them(older: Path, small_model: Path) -> None:
    atlas = Atlas.open(older)
    assert not atlas.has_hits
    said = (
        f"{older} was mapped before pairs and hits were kept; run `python -m maps map {small_model} --out {older}` "
        "again, with the options that it was made with, to add them."
    )
    with pytest.raises(MapsError, match=f"^{re.escape(said)}$"):
        atlas.pairs("copying")
    with pytest.raises(MapsError, match=f"^{re.escape(said)}$"):
        atlas.hits(HeadId(0, 0))


def test_the_same_command_adds_them_and_changes_no_other_table(older: Path, whole: Atlas, small_model: Path) -> None:
    before = {path.name: path.read_bytes() for path in older.glob("*.parquet")}
    seen: list[tuple[list[int], int]] = []

    def stopped(todo: Sequence[int], done: int) -> Iterator[int]:
        seen.append((list(todo), done))
        yield todo[0]
        raise KeyboardInterrupt

    def watched(todo: Sequence[int], done: int) -> Sequence[int]:
        seen.append((list(todo), done))
        return todo

    with pytest.raises(KeyboardInterrupt):
        map_model(str(small_model), older, SETTINGS, progress=stopped)
    assert not Atlas.open(older).has_hits
    atlas = map_model(str(small_model), older, SETTINGS, progress=watched)
    assert seen == [([0, 1], 0), ([1], 1)]
    after = {path.name: path.read_bytes() for path in older.glob("*.parquet")}
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {"pairs.parquet", "hits.parquet"}
    assert [atlas.table(name) for name in ("pairs", "hits")] == [whole.table(name) for name in ("pairs", "hits")]
    assert atlas.info == whole.info | {"created_at": "2026-01-01T00:00:00+00:00"}
    assert list(atlas.info) == list(whole.info)
    assert "config_name: hits" in (older / "README.md").read_text()
    assert not (older / "parts").exists()


@pytest.mark.parametrize(
    ("small", "sentence"),
    [
        (
            SmallModel(mlp_width=40),
            r"^\S+ lacks pairs and hits, and small is not what was mapped there: its revision is ",
        ),
        (
            SmallModel(),
            "^small has other scores in layer 0 than those that are stored, so its weights are not those that ",
        ),
    ],
)
def test_hits_of_other_weights_are_not_added(small: SmallModel, sentence: str, older: Path, tmp_path: Path) -> None:
    info = json.loads((older / "atlas.json").read_text())
    other = save_model_folder(tmp_path / "small", small, random_weights(small, seed=9))
    (older / "atlas.json").write_text(json.dumps(info | {"asked_for": str(other)}))
    with pytest.raises(MapsError, match=sentence):
        map_model(str(other), older, SETTINGS)
    assert not Atlas.open(older).has_hits


def test_a_mapping_that_an_earlier_version_began_goes_on(whole: Atlas, tmp_path: Path, small_model: Path) -> None:
    def first(todo: Sequence[int], _done: int) -> Iterator[int]:
        yield todo[0]
        raise KeyboardInterrupt

    out = tmp_path / "atlas"
    with pytest.raises(KeyboardInterrupt):
        map_model(str(small_model), out, SETTINGS, progress=first)
    layer = out / "parts" / "layer-000"
    (layer / "hits.parquet").unlink()
    kept = {path.name: path.stat().st_mtime_ns for path in layer.iterdir()}
    seen: list[dict[str, int]] = []

    def watched(todo: Sequence[int], _done: int) -> Iterator[int]:
        yield from todo
        seen.append({name: (layer / name).stat().st_mtime_ns for name in kept})

    atlas = map_model(str(small_model), out, SETTINGS, progress=watched)
    assert seen == [kept]
    assert {name: atlas.table(name) for name in atlas.table_names} == {
        name: whole.table(name) for name in whole.table_names
    }


def test_the_command_says_that_it_added_them(
    tmp_path: Path, small_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "atlas"
    command = ["map", str(small_model), "--out", str(out), "--relations", "copying"]
    assert main(command) == 0
    (out / "pairs.parquet").unlink()
    (out / "hits.parquet").unlink()
    capsys.readouterr()
    said = [f"The atlas in {out} has its pairs and hits now; nothing else was left to do.\n"]
    said += [f"The atlas is in {out}; nothing was left to do.\n"]
    for each in said:
        assert main(command) == 0
        assert capsys.readouterr().out == each


def test_settings_of_another_mapping_are_refused_as_ever(older: Path, small_model: Path) -> None:
    with pytest.raises(MapsError, match=r"holds an atlas made with other settings \(k was 60, now 3\)"):
        map_model(str(small_model), older, replace(SETTINGS, k=3))
