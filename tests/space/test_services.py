"""Settings into services: the atlases, the key, the address."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from annotation.identity.key import load_or_create_pseudonym_key
from maps.errors import MapsError
from space.address import ListenAddress, read_listen_address
from space.atlases.catalogue import open_atlases
from space.atlases.names import PREBUILT_FOLDER

PREBUILT = PREBUILT_FOLDER / "smollm2"
MODEL = "SmolLM2-135M-Instruct"
LARGER = {
    f"Qwen2.5-Coder-{size}-Instruct (calibrated)": PREBUILT_FOLDER / f"qwen2.5-coder-{size.lower()}-calibrated"
    for size in ("0.5B", "1.5B")
}
CALIBRATED, CALIBRATED_FOLDER = f"{MODEL} (calibrated)", PREBUILT_FOLDER / "smollm2-calibrated"


def copy_of_the_prebuilt(folder: Path, model: str = MODEL, **changes: str | None) -> Path:
    """An atlas like the prebuilt one, of another model where one is named, with other entries of atlas.json."""
    shutil.copytree(PREBUILT, folder)
    info = json.loads((folder / "atlas.json").read_text(encoding="utf-8"))
    (folder / "atlas.json").write_text(json.dumps({**info, "model": model, **changes}), encoding="utf-8")
    return folder


def test_without_settings_the_prebuilt_atlas_is_shown(tmp_path: Path) -> None:
    assert {name: atlas.folder for name, atlas in open_atlases("", tmp_path).atlases.items()} == {
        CALIBRATED: CALIBRATED_FOLDER,
        MODEL: PREBUILT,
        **LARGER,
    }


@pytest.mark.canary
@pytest.mark.process
def test_an_own_atlas_of_the_same_model_takes_the_prebuilt_ones_place(tmp_path: Path) -> None:
    own = copy_of_the_prebuilt(tmp_path / "atlases" / "mine")
    other = copy_of_the_prebuilt(tmp_path / "atlases" / "other", "Other")
    found = open_atlases("", tmp_path).atlases
    assert {name: atlas.folder for name, atlas in found.items()} == {
        CALIBRATED: CALIBRATED_FOLDER,
        MODEL: own,
        **LARGER,
        "Other": other,
    }


@pytest.mark.process
def test_of_two_atlases_of_one_model_the_newer_is_shown_and_the_other_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = copy_of_the_prebuilt(tmp_path / "atlases" / "a", created_at="2999-01-01T00:00:00+00:00")
    older = copy_of_the_prebuilt(tmp_path / "atlases" / "b")
    assert open_atlases("", tmp_path).atlases[MODEL].folder == newer
    assert f"{older} is not shown" in capsys.readouterr().err


@pytest.mark.process
def test_models_of_one_name_and_other_weights_are_all_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, folders = "checkpoint-500", []
    for number, (revision, weights) in enumerate([("r1", "w1"), ("r2", "0123456789abcdef"), ("commit", None)]):
        created_at = f"2026-0{number + 1}-01T00:00:00+00:00"
        folder = tmp_path / "atlases" / f"run-{number}"
        folders.append(copy_of_the_prebuilt(folder, name, revision=revision, weights=weights, created_at=created_at))
    found = open_atlases("", tmp_path).atlases
    assert {model: found[model].folder for model in found if model not in (MODEL, CALIBRATED, *LARGER)} == {
        name: folders[0],
        f"{name} (0123456789ab)": folders[1],
        f"{name} (commit)": folders[2],
    }
    named = open_atlases(",".join(map(str, folders)), tmp_path).atlases
    assert [atlas.model for atlas in named.values()] == [name, f"{name} (0123456789ab)", f"{name} (commit)"]
    assert capsys.readouterr().err == ""


def test_an_unfinished_mapping_is_left_out_aloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "atlases" / "half" / "parts").mkdir(parents=True)
    assert list(open_atlases("", tmp_path).atlases) == [CALIBRATED, MODEL, *LARGER]
    assert "Skipped:" in capsys.readouterr().err


@pytest.mark.process
def test_named_atlases_replace_the_others(tmp_path: Path) -> None:
    named = copy_of_the_prebuilt(tmp_path / "named", "Named")
    assert list(open_atlases(f" {named} ,", tmp_path).atlases) == ["Named"]


def test_a_named_atlas_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(MapsError, match="is not an atlas"):
        open_atlases(str(tmp_path / "nothing"), tmp_path)


def test_settings_that_name_no_atlas_are_told(tmp_path: Path) -> None:
    with pytest.raises(MapsError, match="MAPS_ATLASES names neither a folder"):
        open_atlases(" , ,", tmp_path)


@pytest.mark.parametrize("table", ["heads", "mappings", "relations", "descriptions"])
def test_an_atlas_with_a_damaged_table_is_told_at_the_start(tmp_path: Path, table: str) -> None:
    file = copy_of_the_prebuilt(tmp_path / "named") / f"{table}.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(MapsError, match="is damaged"):
        open_atlases(str(tmp_path / "named"), tmp_path)


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = load_or_create_pseudonym_key("", data)
    assert load_or_create_pseudonym_key("", data) == first
    assert len(first) == 64
    assert stat.S_IMODE((data / "pseudonym.key").stat().st_mode) == 0o600
    given = "given, and as long as keys must be"
    assert load_or_create_pseudonym_key(given, data) == given.encode()


def test_a_short_key_is_refused_wherever_it_comes_from(tmp_path: Path) -> None:
    with pytest.raises(MapsError, match="MAPS_PSEUDONYM_KEY has 31 characters, too few"):
        load_or_create_pseudonym_key("k" * 31, tmp_path)
    (tmp_path / "pseudonym.key").write_bytes(b"guessable")
    with pytest.raises(MapsError, match=r"pseudonym\.key has 9 characters, too few"):
        load_or_create_pseudonym_key("", tmp_path)


FIRST_START = """
import sys, time
from pathlib import Path
from annotation.identity.key import load_or_create_pseudonym_key
time.sleep(max(0, float(sys.argv[2]) - time.time()))
print(load_or_create_pseudonym_key("", Path(sys.argv[1])).decode())
"""


@pytest.mark.process
def test_two_first_starts_at_once_use_the_same_key(tmp_path: Path) -> None:
    for n in range(5):
        command = [sys.executable, "-c", FIRST_START, str(tmp_path / str(n)), str(time.time() + 1)]
        starts = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
        keys = {start.communicate()[0] for start in starts}
        assert keys == {(tmp_path / str(n) / "pseudonym.key").read_text() + "\n"}


def test_an_emptied_key_file_is_not_replaced_silently(tmp_path: Path) -> None:
    (tmp_path / "pseudonym.key").touch()
    with pytest.raises(MapsError, match="is empty"):
        load_or_create_pseudonym_key("", tmp_path)


def test_the_address_follows_the_settings() -> None:
    assert read_listen_address({}) == ListenAddress("127.0.0.1", 7860)
    assert read_listen_address({"HOST": "0.0.0.0", "PORT": "80"}) == ListenAddress("0.0.0.0", 80)
    assert read_listen_address({"SPACE_ID": "a/b"}) == ListenAddress("0.0.0.0", 7860)


@pytest.mark.parametrize("port", ["abc", "0", "70000", "-1", "7860.5"])
def test_a_port_that_is_none_gets_a_sentence(port: str) -> None:
    with pytest.raises(MapsError, match="PORT is"):
        read_listen_address({"PORT": port})
