"""Atlases on the Hub: pushed in one commit, downloaded once, loaded as datasets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import DatasetCard

from maps.atlas.reader import Atlas, write_table
from maps.atlas.remote import download_atlas, load_atlas, push
from maps.atlas.schema import LAYER_TABLES, make_table
from maps.describers.describe_atlas import describe_atlas
from maps.errors import MapsError
from maps.types import Answer, Description, HeadId
from tests.hub.loopback import LoopbackHub
from tests.scripted import ScriptedDescriber

ROOT = Path(__file__).parents[3]
REPO = "tester/atlas"
MADE = (*LAYER_TABLES, "pairs")
TABLES = sorted(f"{name}.parquet" for name in MADE)


def sent(hub: LoopbackHub, folder: Path, private: bool = False, token: str | None = None) -> str:
    return push(folder, REPO, token or hub.token, private, hub.url, waits=(0.0, 0.0))


def refusal(hub: LoopbackHub, folder: Path, **options: str | bool) -> str:
    with pytest.raises(MapsError) as caught:
        sent(hub, folder, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def run(hub: LoopbackHub, home: Path, *command: object, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "HF_HOME": str(home), **settings}
    words = [sys.executable, *map(str, command)]
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def describe(folder: Path) -> None:
    description = Description("Words.", "The first letter.", "Seen often.")
    describe_atlas(folder, ScriptedDescriber([Answer(description, "scripted")] * 8))


@pytest.mark.process
def test_a_pulled_atlas_is_the_one_that_was_pushed(hub: LoopbackHub, atlas_folder: Path, tmp_path: Path) -> None:
    sent(hub, atlas_folder)
    out = tmp_path / "pulled"
    first = run(hub, tmp_path / "home", "-m", "maps", "pull", REPO, "--out", out)
    assert (first.returncode, first.stdout) == (0, f"The atlas of small is in {out}.\n")
    assert not any(path.is_symlink() for path in out.iterdir())
    assert {name: (out / name).read_bytes() for name in TABLES} == {
        name: (atlas_folder / name).read_bytes() for name in TABLES
    }
    describe(out)
    again = run(hub, tmp_path / "home", "-m", "maps", "pull", REPO, "--out", out)
    assert (again.returncode, again.stdout) == (0, f"The atlas is in {out} already.\n")
    assert (out / "descriptions.parquet").exists()
    other = run(hub, tmp_path / "home", "-m", "maps", "pull", REPO, "--out", tmp_path)
    assert (other.returncode, "is not empty" in other.stderr) == (2, True)


def test_an_atlas_is_one_commit(hub: LoopbackHub, atlas_folder: Path) -> None:
    (atlas_folder / "parts").mkdir()
    (atlas_folder / "parts" / "heads.parquet").write_bytes(b"unfinished")
    (atlas_folder / "descriptions.pending.jsonl").write_text("{}")
    address = sent(hub, atlas_folder)
    [commit] = hub.commits(REPO)
    assert (commit.title, address) == ("Atlas of small", f"{hub.url}/datasets/{REPO}/commit/{commit.oid}")
    files = hub.files(REPO)
    assert sorted(files) == ["README.md", "atlas.json", *TABLES]
    assert {name: files[name] for name in TABLES} == {name: (atlas_folder / name).read_bytes() for name in TABLES}
    here = json.loads((atlas_folder / "atlas.json").read_text())
    assert Path(here["asked_for"]).is_absolute()
    assert json.loads(files["atlas.json"]) == {**here, "asked_for": "small"}  # no folder of this machine is published
    assert here["asked_for"].encode() not in files["README.md"]
    assert not hub.repositories["dataset", REPO].private


def test_a_second_push_sends_what_changed(hub: LoopbackHub, atlas_folder: Path) -> None:
    first = sent(hub, atlas_folder)
    assert sent(hub, atlas_folder) == first
    assert len(hub.commits(REPO)) == 1
    describe(atlas_folder)
    hub.recorded_requests.clear()
    sent(hub, atlas_folder)
    assert len(hub.commits(REPO)) == 2
    assert len(hub.matching_requests("PUT /lfs/")) == 1
    assert set(hub.files(REPO)) == {"README.md", "atlas.json", "descriptions.parquet", *TABLES}


def test_the_random_baseline_goes_with_its_atlas(hub: LoopbackHub, atlas_folder: Path, tmp_path: Path) -> None:
    (atlas_folder / "random.csv").write_text("tau,trained_heads,random_heads\n0.15,3,1\n")
    sent(hub, atlas_folder)
    atlas = load_atlas(REPO, token=hub.token, endpoint=hub.url, cache=tmp_path / "cache")
    assert atlas.random_baseline() == [{"tau": 0.15, "trained_heads": 3, "random_heads": 1}]
    assert "data_files: random.csv" in (atlas.folder / "README.md").read_text()


def test_nothing_is_deleted_on_the_hub(hub: LoopbackHub, atlas_folder: Path) -> None:
    describe(atlas_folder)
    sent(hub, atlas_folder)
    (atlas_folder / "descriptions.parquet").unlink()
    sent(hub, atlas_folder)
    assert "descriptions.parquet" in hub.files(REPO)
    assert "descriptions.parquet" not in hub.files(REPO)["README.md"].decode()


@pytest.mark.parametrize("place", ["/api/repos/create", "/api/validate-yaml", "/preupload/", "PUT /lfs/", "/commit/"])
@pytest.mark.parametrize("trouble", ["lost", 500, 429])
def test_a_repeated_push_after_a_lost_or_late_answer_doubles_nothing(
    place: str, trouble: str | int, hub: LoopbackHub, atlas_folder: Path, tmp_path: Path
) -> None:
    if isinstance(trouble, int):
        hub.fail_next(place, trouble)
    else:
        hub.lose_next_reply(place)
    address = sent(hub, atlas_folder)
    [commit] = hub.commits(REPO)
    assert address.endswith(commit.oid)
    assert (
        load_atlas(REPO, token=hub.token, endpoint=hub.url, cache=tmp_path / "cache").head_ids
        == Atlas.open(atlas_folder).head_ids
    )


def test_a_busy_hub_is_reported(hub: LoopbackHub, atlas_folder: Path) -> None:
    hub.fail_next("/commit/", 503, times=3)
    assert refusal(hub, atlas_folder) == f"The Hub answered with status 503 for {REPO}; try again later."
    assert hub.commits(REPO) == []


def test_a_private_dataset_stays_private(hub: LoopbackHub, atlas_folder: Path) -> None:
    sent(hub, atlas_folder, private=True)
    assert hub.repositories["dataset", REPO].private
    sent(hub, atlas_folder)
    hub.repositories["dataset", REPO].private = False
    assert refusal(hub, atlas_folder, private=True) == (
        f"The dataset {REPO} is public; make it private on its page, or push to another one."
    )


def test_an_atlas_is_pulled_once_and_read_without_the_network(
    hub: LoopbackHub, atlas_folder: Path, tmp_path: Path
) -> None:
    sent(hub, atlas_folder)
    [commit] = hub.commits(REPO)
    folder = download_atlas(REPO, token=hub.token, endpoint=hub.url, cache=tmp_path / "cache")
    assert folder.name == commit.oid
    atlas, local = Atlas.open(folder), Atlas.open(atlas_folder)
    assert {name: atlas.table(name) for name in MADE} == {name: local.table(name) for name in MADE}
    hub.recorded_requests.clear()
    assert download_atlas(REPO, token=hub.token, endpoint=hub.url, cache=tmp_path / "cache") == folder
    assert hub.bytes_sent("^GET") == 0
    offline = load_atlas(REPO, endpoint="http://127.0.0.1:1", cache=tmp_path / "cache")
    assert offline.mappings(HeadId(1, 2)) == local.mappings(HeadId(1, 2))


def test_an_older_commit_is_pulled_as_it_was(hub: LoopbackHub, atlas_folder: Path, tmp_path: Path) -> None:
    sent(hub, atlas_folder)
    describe(atlas_folder)
    sent(hub, atlas_folder)
    old, new = [commit.oid for commit in hub.commits(REPO)]
    tables = [load_atlas(REPO, at, hub.token, hub.url, tmp_path / "cache").table_names for at in (old, new, None)]
    assert tables == [list(MADE), *[[*MADE, "descriptions"]] * 2]


def test_a_folder_is_opened_where_it_is(atlas_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path.parent)
    near = f"{tmp_path.name}/atlas"  # looks like a name on the Hub
    assert load_atlas(near).folder == Path(near)
    assert load_atlas(atlas_folder).head_ids == load_atlas(near).head_ids
    with pytest.raises(MapsError, match="is not an atlas"):
        load_atlas(tmp_path / "none")


def test_a_dataset_that_is_not_an_atlas_is_refused(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.add_dataset("tester/other", {"big.parquet": b"PAR1"})
    with pytest.raises(MapsError) as caught:
        download_atlas("tester/other", endpoint=hub.url, token=hub.token, cache=tmp_path)
    assert str(caught.value) == "The dataset tester/other is not an atlas: it has no atlas.json."
    with pytest.raises(MapsError) as caught:
        download_atlas("tester/none", endpoint=hub.url, token=hub.token, cache=tmp_path)
    assert str(caught.value) == (
        "There is no file or folder tester/none, and the Hub has no dataset of that name that this token may read; "
        "check the name or HF_TOKEN."
    )
    assert hub.bytes_sent("big.parquet") == 0


def test_invalid_pushes_are_refused_in_one_sentence(hub: LoopbackHub, atlas_folder: Path) -> None:
    assert refusal(hub, atlas_folder.parent).startswith(f"{atlas_folder.parent} is not an atlas;")
    with pytest.raises(MapsError) as caught:
        push(atlas_folder, "atlas", hub.token, endpoint=hub.url)
    assert str(caught.value) == "'atlas' is not a valid name of a dataset on the Hub; write it as user/name."
    assert refusal(hub, atlas_folder, token="hf_wrong") == (
        f"The Hub does not accept the token for {REPO}: set HF_TOKEN or run `hf auth login`, "
        "with a token that has access."
    )
    hub.url = "http://127.0.0.1:1"
    assert refusal(hub, atlas_folder) == (
        f"The Hub cannot be reached, so {REPO} is not up to date; check the network and push again."
    )


LOAD = """
import json, sys
from datasets import get_dataset_config_names, load_dataset
names = get_dataset_config_names(sys.argv[1])
tables = {name: load_dataset(sys.argv[1], name, split="train") for name in names}
print(json.dumps({name: [rows.column_names, len(rows)] for name, rows in tables.items()}))
print(load_dataset(sys.argv[1], split="train")[0]["source"])
"""


@pytest.mark.slow
def test_its_tables_load_with_datasets(hub: LoopbackHub, atlas_folder: Path, tmp_path: Path) -> None:
    describe(atlas_folder)
    sent(hub, atlas_folder)
    atlas = Atlas.open(atlas_folder)
    wanted = {
        name: [atlas.table(name).column_names, len(atlas.table(name))] for name in atlas.table_names if name != "hits"
    }
    assert list(wanted) == ["heads", "mappings", "heldout", "relations", "pairs", "descriptions"]
    assert not len(atlas.table("hits"))  # an empty table is pushed, and is no config, since nothing could load it
    for place in (REPO, str(atlas_folder)):
        done = run(hub, tmp_path / "home", "-c", LOAD, place)
        assert done.returncode == 0, done.stderr
        tables, first = done.stdout.splitlines()
        assert json.loads(tables) == wanted
        assert first == atlas.table("mappings").to_pylist()[0]["source"].rstrip("\n")


def test_a_card_lists_the_existing_tables(atlas_folder: Path) -> None:
    rows = [{"layer": 0, "head": 1, "describer": "a", "reason": "refused", "attempts": 3, "created_at": None}]
    write_table(atlas_folder, "failures", make_table("failures", rows))
    describe(atlas_folder)
    card = DatasetCard.load(atlas_folder / "README.md")
    names = ["heads", "mappings", "heldout", "relations", "pairs", "descriptions", "failures"]
    assert [config["config_name"] for config in card.data.configs] == names
    assert [line.split(" | ")[0] for line in card.text.splitlines() if line.startswith("| ")][1:] == [
        f"| {name}" for name in names
    ]
    assert card.data.pretty_name == "Atlas of small"


@pytest.mark.process
def test_the_commands_push_and_show(hub: LoopbackHub, atlas_folder: Path, tmp_path: Path) -> None:
    (atlas_folder / "descriptions.pending.jsonl").write_text("{}\n")
    pushed = run(hub, tmp_path / "home", "-m", "maps", "push", atlas_folder, REPO, "--private")
    [commit] = hub.commits(REPO)
    assert (pushed.returncode, pushed.stdout, pushed.stderr) == (
        0,
        "Left out: descriptions.pending.jsonl, rows of an interrupted run; finish it, then push again.\n"
        f"The atlas is at {hub.url}/datasets/{REPO}/commit/{commit.oid}.\n",
        "",
    )
    shown = run(hub, tmp_path / "home", "-m", "maps", "show", REPO, "L1H2")
    assert (shown.returncode, shown.stdout.split("\n")[0], shown.stderr) == (0, "L1H2 of small", "")
    again = run(hub, tmp_path / "home", "-m", "maps", "show", REPO, "L1H2", HF_HUB_OFFLINE="1")
    assert (again.returncode, again.stdout) == (0, shown.stdout)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"HF_TOKEN": ""}, "Uploading to the Hub needs a token: set HF_TOKEN or run `hf auth login`.\n"),
        (
            {"HF_HUB_OFFLINE": "1"},
            f"The Hub cannot be reached, so {REPO} is not up to date; check the network and push",
        ),
    ],
)
def test_a_command_without_token_or_network_says_so(
    settings: dict[str, str], message: str, hub: LoopbackHub, atlas_folder: Path, tmp_path: Path
) -> None:
    done = run(hub, tmp_path / "home", "-m", "maps", "push", atlas_folder, REPO, **settings)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(message)
