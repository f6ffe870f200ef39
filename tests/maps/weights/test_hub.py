"""Models on the Hub: only what is needed is downloaded, and only once."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from maps.errors import MapsError
from maps.experiments.mapping_plan import plan_mapping
from maps.weights.checkpoint import Checkpoint
from maps.weights.hub import open_hub_model
from tests.hub.loopback import LoopbackHub
from tests.small_models import SmallModel, random_weights, save_model_folder

ROOT = Path(__file__).parents[3]
NAME = "tester/small"
FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
MADE = {name: tensor.to(torch.bfloat16) for name, tensor in random_weights(SmallModel()).items()}


def split(folder: Path, ending: str = "safetensors") -> dict[str, str]:
    """Spreads a folder's weights over two files: what is first in the alphabet, the embedding too, and the rest."""
    names = sorted(MADE)
    cut = next(i for i, name in enumerate(names) if name.startswith("model.layers.1"))
    files = {FIRST: names[:cut], SECOND: names[cut:]}
    file_of_tensor = {name: file for file, group in files.items() for name in group}
    for file, group in files.items():
        save_file({name: MADE[name] for name in group}, folder / file)
    (folder / "model.safetensors").unlink()
    (folder / f"model.{ending}.index.json").write_text(json.dumps({"weight_map": file_of_tensor}))
    return file_of_tensor


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small model in bfloat16."""
    return save_model_folder(tmp_path / "small", SmallModel(), MADE, torch_dtype="bfloat16")


def opened(hub: LoopbackHub, home: Path, revision: str | None = None) -> Checkpoint:
    return open_hub_model(NAME, revision, hub.client(), home, waits=(0.0, 0.0))


def everything(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """What mapping reads of a model."""
    return {name: checkpoint.read(name) for name in checkpoint.needed_tensors(range(checkpoint.shape.layers))}


def refusal(hub: LoopbackHub, home: Path, revision: str | None = None) -> str:
    with pytest.raises(MapsError) as caught:
        everything(opened(hub, home, revision))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def same(tensors: dict[str, Tensor], wanted: dict[str, Tensor] = MADE) -> bool:
    return all(
        torch.equal(tensor, wanted[name]) and tensor.dtype == wanted[name].dtype for name, tensor in tensors.items()
    )


def test_only_the_needed_tensors_are_sent(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    commit = hub.add_model(NAME, folder)
    checkpoint = opened(hub, tmp_path / "home")
    assert (checkpoint.model, checkpoint.revision) == (NAME, commit)
    tensors = everything(checkpoint)
    assert same(tensors)
    kinds = {name.split(".", 3)[-1] for name in tensors if name.startswith("model.layers.1.")}
    assert kinds == {"self_attn.v_proj.weight", "self_attn.o_proj.weight"}
    header = struct.unpack("<Q", (folder / "model.safetensors").read_bytes()[:8])[0]
    needed = sum(tensor.numel() * 2 for tensor in tensors.values())
    assert (
        hub.bytes_sent("GET .*/model.safetensors")
        == 8 + header + needed
        < (folder / "model.safetensors").stat().st_size
    )
    assert {seen.status for seen in hub.matching_requests("GET /files/")} == {206}
    assert len(hub.matching_requests("GET /files/")) == 2 + len(tensors)


def test_a_plan_tells_what_will_be_sent(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    hub.add_model(NAME, folder)
    sent = sum(tensor.nbytes for tensor in everything(opened(hub, tmp_path)).values())
    assert plan_mapping(opened(hub, tmp_path / "new"), "paper").download_bytes == sent
    whole = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    assert plan_mapping(opened(hub, tmp_path / "new"), "auto").download_bytes == whole


def test_nothing_is_downloaded_twice(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    hub.add_model(NAME, folder)
    first = everything(opened(hub, tmp_path / "home"))
    hub.recorded_requests.clear()
    again = everything(opened(hub, tmp_path / "home"))
    assert same(again, first)
    assert [seen.path for seen in hub.recorded_requests] == [f"/api/models/{NAME}/revision/main"]


def test_without_the_network_a_model_that_was_read_before_is_read_again(
    hub: LoopbackHub, folder: Path, tmp_path: Path
) -> None:
    split(folder)
    commit = hub.add_model(NAME, folder)
    first = everything(opened(hub, tmp_path / "home"))
    hub.url = "http://127.0.0.1:1"
    offline = opened(hub, tmp_path / "home")
    assert offline.revision == commit
    assert same(everything(offline), first)
    assert refusal(hub, tmp_path / "elsewhere") == (
        f"There is no file or folder {NAME}, and the Hub cannot be reached to look for a model of that name; "
        "check the name and the network."
    )
    with pytest.raises(MapsError, match="the Hub cannot be reached"):
        offline.read("model.layers.0.self_attn.q_proj.weight")


def test_a_shard_whose_tensors_are_not_wanted_is_left_alone(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    file_of_tensor = split(folder)
    hub.add_model(NAME, folder)
    checkpoint = opened(hub, tmp_path / "home")
    assert hub.matching_requests(r"\.safetensors$") == []
    name = checkpoint.tensor_name("value", 1)
    assert (file_of_tensor[name], checkpoint.source.shape(name)) == (SECOND, (16, 32))
    assert same({name: checkpoint.read(name)})
    assert hub.matching_requests(FIRST) == []
    assert same(everything(checkpoint))


def test_an_interrupted_download_goes_on(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    hub.add_model(NAME, folder)
    checkpoint = opened(hub, tmp_path / "home")
    half = checkpoint.needed_tensors(range(checkpoint.shape.layers))[::2]
    for name in half:
        checkpoint.read(name)
    hub.fail_next("GET /files/", 503, times=3)
    with pytest.raises(MapsError, match="The Hub answered with status 503 for tester/small; try again later"):
        everything(opened(hub, tmp_path / "home"))
    assert list((tmp_path / "home" / "maps").rglob(".*")) == []
    hub.recorded_requests.clear()
    checkpoint = opened(hub, tmp_path / "home")
    assert same(everything(checkpoint))
    assert len(hub.matching_requests("GET /files/")) == len(
        checkpoint.needed_tensors(range(checkpoint.shape.layers))
    ) - len(half)


def test_troubles_that_pass_are_waited_out(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    hub.add_model(NAME, folder)
    hub.fail_next("GET /api/models/.*/revision", 503)
    checkpoint = opened(hub, tmp_path / "home")
    hub.cut_next_reply("GET /files/", times=4)
    hub.fail_next("GET /files/", 429)
    hub.lose_next_reply("GET .*/resolve/", times=1)
    assert same(everything(checkpoint))
    name = checkpoint.tensor_name("embedding")
    assert [
        seen.range_header for seen in hub.matching_requests("GET /files/") if seen.bytes_sent == len(MADE[name]) * 32
    ] != []
    whole = (folder / "model.safetensors").stat().st_size
    assert hub.bytes_sent("GET /files/") < whole + 1000


def test_a_server_without_ranges_is_asked_for_the_whole_shards_that_are_wanted(
    hub: LoopbackHub, folder: Path, tmp_path: Path
) -> None:
    split(folder)
    hub.add_model(NAME, folder)
    hub.supports_ranges = False
    checkpoint = opened(hub, tmp_path / "home")
    name = checkpoint.tensor_name("value", 1)
    assert same({name: checkpoint.read(name)})
    assert hub.matching_requests(FIRST) == []
    assert same(everything(checkpoint))
    hub.recorded_requests.clear()
    assert same(everything(opened(hub, tmp_path / "home")))
    assert hub.matching_requests(r"\.safetensors") == []


def test_one_file_without_ranges_is_downloaded_whole(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    hub.add_model(NAME, folder)
    hub.supports_ranges = False
    assert same(everything(opened(hub, tmp_path / "home")))
    assert [seen.status for seen in hub.matching_requests("GET /files/")] == [200, 200]  # the first one is hung up on


def test_where_ranges_stop_whole_files_are_asked_for(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    hub.add_model(NAME, folder)
    checkpoint = opened(hub, tmp_path / "home")
    hub.supports_ranges = False
    assert same(everything(checkpoint))


def test_what_is_in_the_hubs_cache_is_read_there(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    hub.add_model(NAME, folder)
    hub.client().snapshot_download(NAME, cache_dir=tmp_path / "home" / "hub")
    hub.recorded_requests.clear()
    assert same(everything(opened(hub, tmp_path / "home")))
    assert hub.matching_requests("model.safetensors") == []


def test_a_repository_of_bin_files_gives_the_shards_that_are_wanted(
    hub: LoopbackHub, folder: Path, tmp_path: Path
) -> None:
    file_of_tensor = {name: "pytorch_model-0000{}-of-00002.bin".format(1 + ("layers.1" in name)) for name in MADE}
    for file in set(file_of_tensor.values()):
        torch.save({name: MADE[name] for name in MADE if file_of_tensor[name] == file}, folder / file)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": file_of_tensor}))
    hub.add_model(NAME, folder)
    checkpoint = opened(hub, tmp_path / "home")
    name = checkpoint.tensor_name("value", 1)
    assert same({name: checkpoint.read(name)})
    assert hub.matching_requests("pytorch_model-00001-of-00002.bin") == []
    assert same(everything(checkpoint))


def test_a_single_bin_file_is_read(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(MADE, folder / "pytorch_model.bin")
    hub.add_model(NAME, folder)
    assert same(everything(opened(hub, tmp_path / "home")))


def test_a_revision_is_read_as_it_was(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    old = hub.add_model(NAME, folder)
    other = {name: tensor + 1 for name, tensor in MADE.items()}
    new = hub.add_model(NAME, save_model_folder(tmp_path / "other", SmallModel(), other))
    before, now = opened(hub, tmp_path / "home", old), opened(hub, tmp_path / "home")
    assert (before.revision, now.revision) == (old, new)
    assert same(everything(before))
    assert same(everything(now), other)
    message = "The Hub's model tester/small has no such revision; check its history there."
    assert refusal(hub, tmp_path / "home", "v2") == message


def test_models_that_cannot_be_had_are_refused_in_one_sentence(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    assert refusal(hub, tmp_path / "home") == (
        f"There is no file or folder {NAME}, and the Hub has no model of that name that this token may read; "
        "check the name or HF_TOKEN."
    )
    hub.add_model(NAME, folder, gated=True)
    assert refusal(hub, tmp_path / "home") == (
        f"{NAME} is gated on the Hub: ask for access on its page there, then set HF_TOKEN or run `hf auth login`."
    )
    hub.repositories["model", NAME].gated = False
    hub.token = "hf_changed"
    assert refusal(hub, tmp_path / "home") == (
        f"The Hub does not accept the token for {NAME}: set HF_TOKEN or run `hf auth login`, with a token that has "
        "access."
    )


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("config.json", "has no config.json, so it is not a model; give the folder or the repository that holds"),
        ("model.safetensors", "has a config.json but no *.safetensors file and no pytorch_model.bin; add"),
    ],
)
def test_a_repository_that_holds_no_model_is_refused(
    missing: str, message: str, hub: LoopbackHub, folder: Path, tmp_path: Path
) -> None:
    (folder / missing).unlink()
    hub.add_model(NAME, folder)
    assert refusal(hub, tmp_path / "home").startswith(f"{NAME} on the Hub {message}")


def test_a_shard_that_is_missing_is_told(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    split(folder)
    (folder / SECOND).unlink()
    hub.add_model(NAME, folder)
    assert refusal(hub, tmp_path / "home") == (
        f"{NAME} on the Hub lacks {SECOND}, which its index lists; use another revision or another model."
    )


def head(content: object) -> bytes:
    text = json.dumps(content).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        b"\xff" * 64,
        struct.pack("<Q", 0) + b"12345678",
        struct.pack("<Q", 20) + b"{",
        struct.pack("<Q", 4) + b"nope",
        head([1]),
        head({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}),
        head({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}) + bytes(8),
        head({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [8, 0]}}) + bytes(8),
        head({"a": {"dtype": "Q9", "shape": [2], "data_offsets": [0, 8]}}) + bytes(8),
        head({"a": {"dtype": "F32", "shape": [2]}}) + bytes(8),
        head({"a": {"dtype": "F32", "shape": 2, "data_offsets": [0, 8]}}) + bytes(8),
    ],
)
def test_a_damaged_head_is_told_and_not_kept(content: bytes, hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").write_bytes(content)
    hub.add_model(NAME, folder)
    assert refusal(hub, tmp_path / "home") == (
        f"model.safetensors of {NAME} on the Hub is not a complete safetensors file; use another revision."
    )
    assert [path for path in (tmp_path / "home" / "maps").rglob("*") if path.is_file()] == []


def test_a_tensor_that_the_index_promises_in_vain_is_told(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    file_of_tensor = split(folder)
    file_of_tensor["lm_head.weight"] = SECOND
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": file_of_tensor}))
    hub.add_model(NAME, folder)
    assert refusal(hub, tmp_path / "home") == (
        f"model.safetensors.index.json of {NAME} lists lm_head.weight in {SECOND}, which lacks it, and {FIRST} has it; "
        "use another revision or another model."
    )


def mapping(hub: LoopbackHub, here: Path) -> subprocess.Popen[str]:
    settings = {"HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "HF_HOME": str(here / "home")}
    environment = {**os.environ, **settings, "HF_HUB_DOWNLOAD_TIMEOUT": "1"}
    command = [sys.executable, "-m", "maps", "map", NAME, "--out", str(here / "atlas"), "--relations", "copying"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.process
def test_a_mapping_that_was_killed_downloads_only_what_is_left(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    hub.add_model(NAME, folder, private=True)
    hub.stall_next("GET /files/", 0, times=6)  # the head takes two
    hub.stall_next("GET /files/", 30)
    with mapping(hub, tmp_path) as process:
        while process.poll() is None and hub.ordered_failures[1].times:
            time.sleep(0.05)
        process.kill()
        process.communicate(timeout=60)
    assert len(hub.matching_requests("GET /files/")) == 6
    hub.stall_next("GET /files/", 2)  # longer than the client waits: it asks again
    with mapping(hub, tmp_path) as process:
        out, _ = process.communicate(timeout=60)
    message = f"Mapped 8 heads of {NAME}: the atlas is in {tmp_path / 'atlas'}.\n"
    assert (process.returncode, out) == (0, message)
    info = json.loads((tmp_path / "atlas" / "atlas.json").read_text())
    assert info["revision"] == hub.commits(NAME, "model")[-1].oid
    ranges = [seen.range_header for seen in hub.matching_requests("GET .*/resolve/.*/model.safetensors")]
    assert len(ranges) - len(set(ranges)) == 2  # the one that was killed, the one that stalled
