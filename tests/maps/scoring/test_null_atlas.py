"""Null atlases: as many heads as the model has, without a pattern, for the same commands."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from maps.__main__ import main
from maps.atlas.null import NULL_KINDS, null_kind
from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.heads.salient_tokens import SalientCounts
from maps.mapping.mapper import map_model
from maps.mapping.model import Model
from maps.mapping.reading import Reading
from maps.mapping.settings import MappingSettings
from maps.scoring.comparison import entropy
from maps.scoring.null_atlas import write_null_atlas
from maps.scoring.random_heads import random_head_rows
from maps.types import HeadId
from maps.weights.open import open_checkpoint
from tests.calibrations import save_random_calibration

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("kind", NULL_KINDS)
def test_the_usual_commands_describe_and_score_a_null_atlas(
    kind: str, atlas_folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "null"
    assert main(["null", str(atlas_folder), "--out", str(out), "--kind", kind]) == 0
    assert capsys.readouterr().out.startswith("8 heads without a pattern are in ")
    null, real = Atlas.open(out), Atlas.open(atlas_folder)
    null.check_tables()
    assert (null_kind(null), null.head_ids) == (kind, real.head_ids)
    assert null.model == f"{real.model} (null: {kind})"
    for name in ("mappings", "heldout"):
        assert null.table(name).num_rows == real.table(name).num_rows
    assert null.mapping_hashes() != real.mapping_hashes()
    assert main(["describe", str(out), "--describer", "offline"]) == 0
    assert main(["score", str(out), "--no-random"]) == 0
    before = (out / "mappings.parquet").read_bytes()
    assert main(["null", str(atlas_folder), "--out", str(out), "--kind", kind]) == 0  # it is finished
    assert (out / "mappings.parquet").read_bytes() == before


def test_shuffled_heads_keep_their_sources_and_have_targets_of_other_heads(atlas_folder: Path, tmp_path: Path) -> None:
    real = Atlas.open(atlas_folder)
    null = write_null_atlas(real, tmp_path / "null", "shuffled")
    mappings, shuffled = real.mappings_by_head(), null.mappings_by_head()
    for head, rows in mappings.items():
        assert [(m.source, m.rank, m.saliency) for m in shuffled[head]] == [
            (m.source, m.rank, m.saliency) for m in rows
        ]
        targets_of_others = {m.target_ids for other, listed in mappings.items() if other != head for m in listed}
        assert {m.target_ids for m in shuffled[head]} <= targets_of_others
    other = write_null_atlas(real, tmp_path / "other", "shuffled", seed=1)
    assert other.mapping_hashes() != null.mapping_hashes()


def test_random_heads_are_those_of_the_random_baseline(atlas_folder: Path, small_model: Path, tmp_path: Path) -> None:
    real = Atlas.open(atlas_folder)
    null = write_null_atlas(real, tmp_path / "null", "random", seed=3)
    settings = real.info["settings"]
    counts = SalientCounts(settings["salient"], 0, settings["targets"])
    rows = random_head_rows(Model.open(str(small_model)), 1, range(real.info["heads"]), 3, counts)
    for row in rows:
        mappings = null.mappings(HeadId(1, row["head"]))
        assert entropy(target for m in mappings for target in m.target_ids) == pytest.approx(row["target_entropy"])


def test_what_cannot_be_a_null_atlas_is_refused_in_a_sentence(atlas_folder: Path, tmp_path: Path) -> None:
    real = Atlas.open(atlas_folder)
    with pytest.raises(MapsError, match="is not a null atlas; make one with `python -m maps null`"):
        null_kind(real)
    with pytest.raises(MapsError, match="There is no null atlas of the kind 'none'"):
        write_null_atlas(real, tmp_path / "out", "none")
    null = write_null_atlas(real, tmp_path / "null", "shuffled")
    with pytest.raises(MapsError, match="is a null atlas itself; give the atlas that it was made from"):
        write_null_atlas(null, tmp_path / "out", "shuffled")
    with pytest.raises(MapsError, match="holds another atlas; choose another --out"):
        write_null_atlas(real, tmp_path / "null", "shuffled", seed=1)
    shutil.copytree(atlas_folder, tmp_path / "copy")
    with pytest.raises(MapsError, match="holds another atlas; choose another --out"):
        write_null_atlas(real, tmp_path / "copy", "shuffled")


@pytest.mark.slow
def test_a_null_atlas_of_a_calibrated_reading_keeps_the_calibration(small_model: Path, tmp_path: Path) -> None:
    calibration = save_random_calibration(tmp_path / "made", open_checkpoint(str(small_model)))
    settings = MappingSettings((), reading=Reading.parse("calibrated"), calibration=calibration)
    atlas = map_model(str(small_model), tmp_path / "atlas", settings)
    null = write_null_atlas(atlas, tmp_path / "null", "random")
    assert main(["score", str(null.folder), "--random", "2"]) == 0
    assert Atlas.open(null.folder).has_table("random_heads")
