"""The loopback Hub, proven with the real client."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, get_session
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors.torch import save

from tests.hub.loopback import LoopbackHub

ROOT = Path(__file__).parents[2]
Operations = list[CommitOperationAdd | CommitOperationCopy | CommitOperationDelete]
NAME = "tester/things"
WEIGHTS = save({"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4, dtype=torch.bfloat16)})


def parquet(values: list[int]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"n": values}), sink)
    return sink.getvalue()


def add(**files: bytes) -> list[CommitOperationAdd]:
    return [CommitOperationAdd(name.replace("_", "."), content) for name, content in files.items()]


@pytest.fixture
def dataset(hub: LoopbackHub) -> LoopbackHub:
    """A Hub with an empty dataset."""
    hub.client().create_repo(NAME, repo_type="dataset")
    return hub


def test_text_and_parquet_are_committed_and_read_again(dataset: LoopbackHub, tmp_path: Path) -> None:
    api, card = dataset.client(), b"---\ntags:\n- x\n---\n"
    files = {"README.md": card, "n.parquet": parquet([1, 2])}
    made = api.create_commit(
        NAME, add(README_md=card, n_parquet=files["n.parquet"]), commit_message="A", repo_type="dataset"
    )
    assert dataset.files(NAME) == files
    assert [(commit.oid, commit.title) for commit in dataset.commits(NAME)] == [(made.oid, "A")]
    assert made.commit_url == f"{dataset.url}/datasets/{NAME}/commit/{made.oid}"
    for name, content in files.items():
        path = Path(api.hf_hub_download(NAME, name, repo_type="dataset", cache_dir=tmp_path))
        assert (path.parent.name, path.read_bytes()) == (made.oid, content)
    tree = {file.path: file for file in api.list_repo_tree(NAME, repo_type="dataset", recursive=True)}
    assert sorted(tree) == [".gitattributes", *files]
    assert api.get_paths_info(NAME, ["n.parquet", "none"], repo_type="dataset") == [tree["n.parquet"]]
    assert api.whoami()["name"] == "tester"


def test_what_is_there_already_makes_no_commit(dataset: LoopbackHub) -> None:
    for _ in range(2):
        made = dataset.client().create_commit(
            NAME, add(a_txt=b"a", n_parquet=parquet([1])), commit_message="A", repo_type="dataset"
        )
    assert [commit.oid for commit in dataset.commits(NAME)] == [made.oid]
    changed: Operations = [
        CommitOperationDelete("a.txt"),
        *add(n_parquet=parquet([2])),
    ]
    dataset.client().create_commit(NAME, changed, commit_message="B", repo_type="dataset")
    assert dataset.files(NAME) == {"n.parquet": parquet([2])}


def test_a_commit_on_another_than_the_newest_is_refused(dataset: LoopbackHub) -> None:
    first = dataset.repositories["dataset", NAME].head.oid
    dataset.client().create_commit(NAME, add(a=b"1"), commit_message="A", repo_type="dataset", parent_commit=first)
    with pytest.raises(HfHubHTTPError) as caught:
        dataset.client().create_commit(NAME, add(a=b"2"), commit_message="B", repo_type="dataset", parent_commit=first)
    assert (caught.value.response.status_code, dataset.files(NAME)) == (412, {"a": b"1"})


def test_a_card_that_is_no_yaml_is_refused(dataset: LoopbackHub) -> None:
    with pytest.raises(ValueError, match="Invalid metadata"):
        dataset.client().create_commit(
            NAME, add(README_md=b"---\na: [\n---\n"), commit_message="A", repo_type="dataset"
        )
    assert dataset.commits(NAME) == []


def test_a_model_is_read_whole_or_by_ranges(hub: LoopbackHub, tmp_path: Path) -> None:
    first = hub.add_model("tiny", {"model.safetensors": WEIGHTS, "config.json": b"{}"})
    hub.add_model("tiny", {"sub/config.json": b"[]"})
    folder = Path(hub.client().snapshot_download("tiny", revision=first, cache_dir=tmp_path))
    assert {path.name: path.read_bytes() for path in folder.glob("*.*")} == {
        **{".gitattributes": hub.repositories["model", "tiny"].head.files[".gitattributes"]},
        **{"model.safetensors": WEIGHTS, "config.json": b"{}"},
    }
    described = hub.client().get_safetensors_metadata("tiny").files_metadata["model.safetensors"]
    assert {name: tensor.dtype for name, tensor in described.tensors.items()} == {"a": "F32", "b": "BF16"}
    address = f"{hub.url}/tiny/resolve/main/model.safetensors"
    part = get_session().get(address, headers={"Range": "bytes=8-11"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (
        *(206, WEIGHTS[8:12]),
        f"bytes 8-11/{len(WEIGHTS)}",
    )
    assert get_session().get(address, headers={"Range": f"bytes={len(WEIGHTS)}-"}).status_code == 416
    assert [seen.bytes_sent for seen in hub.matching_requests("GET /files/.*/model.safetensors")][-2:] == [4, 0]
    hub.supports_ranges = False
    assert get_session().get(address, headers={"Range": "bytes=8-11"}).content == WEIGHTS
    assert sorted(hub.files("tiny", "model")) == ["config.json", "model.safetensors", "sub/config.json"]
    assert [file.path for file in hub.client().list_repo_tree("tiny", "sub")] == ["sub/config.json"]


def test_strangers_see_and_write_only_what_they_may(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.add_model("tester/private", {"a": b"1"}, private=True)
    hub.add_model("tester/gated", {"a": b"1"}, gated=True)
    stranger = hub.client(token=False)
    for name in ("tester/private", "tester/none"):
        with pytest.raises(RepositoryNotFoundError):
            stranger.model_info(name)
    assert hub.client().model_info("tester/private").private
    with pytest.raises(GatedRepoError):
        hub.client().hf_hub_download("tester/gated", "a", cache_dir=tmp_path)
    with pytest.raises(HfHubHTTPError, match="401"):
        stranger.create_repo("tester/mine")
    with pytest.raises(HfHubHTTPError, match="401"):
        hub.client(token="hf_wrong").model_info("tester/gated")
    with pytest.raises(RevisionNotFoundError):
        hub.client().model_info("tester/private", revision="v2")
    with pytest.raises(EntryNotFoundError):
        hub.client().hf_hub_download("tester/private", "b", cache_dir=tmp_path)


def test_troubles_come_to_order(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.add_model("tiny", {"model.safetensors": WEIGHTS})
    hub.fail_next("GET /api/models/tiny", 500, times=2)
    hub.stall_next("GET /api/models/tiny", 0.2)
    for _ in range(2):
        with pytest.raises(HfHubHTTPError, match="500"):
            hub.client().model_info("tiny")
    start = time.monotonic()
    assert hub.client().model_info("tiny").id == "tiny"
    assert time.monotonic() - start > 0.2
    hub.cut_next_reply("GET /files/")
    path = hub.client().hf_hub_download("tiny", "model.safetensors", cache_dir=tmp_path)
    assert Path(path).read_bytes() == WEIGHTS
    assert [seen.bytes_sent for seen in hub.matching_requests("GET /files/")] == [len(WEIGHTS) // 2, len(WEIGHTS)]


def test_an_answer_may_be_lost_after_the_work(dataset: LoopbackHub) -> None:
    dataset.lose_next_reply("POST .*/commit/")
    with pytest.raises(httpx2.HTTPError):
        dataset.client().create_commit(NAME, add(a=b"1"), commit_message="A", repo_type="dataset")
    assert dataset.files(NAME) == {"a": b"1"}
    assert [seen.status for seen in dataset.matching_requests("/commit/")] == [0]


LOAD = """
import json, sys
from datasets import load_dataset
print(json.dumps({name: load_dataset(sys.argv[1], name, split="train").to_dict() for name in sys.argv[2:]}))
"""


@pytest.mark.slow
def test_a_dataset_of_two_tables_is_loaded(hub: LoopbackHub, tmp_path: Path) -> None:
    configs = "".join(f"- config_name: {name}\n  data_files: {name}.parquet\n" for name in "ab")
    card = f"---\nconfigs:\n{configs}---\n".encode()
    hub.add_dataset(NAME, {"README.md": card, "a.parquet": parquet([1]), "b.parquet": parquet([2, 3])}, private=True)
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-c", LOAD, NAME, "a", "b"]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == {"a": {"n": [1]}, "b": {"n": [2, 3]}}
