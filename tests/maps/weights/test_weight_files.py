"""Two states of a model side by side, and indexes that do not fit their files: nothing is guessed, all is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from maps.errors import MapsError
from maps.weights.checkpoint import Checkpoint
from maps.weights.hub import open_hub_model
from maps.weights.open import open_checkpoint
from tests.hub.loopback import LoopbackHub
from tests.small_models import SmallModel, Weights, random_weights, save_model_folder

OLD, NEW = random_weights(SmallModel(), seed=1), random_weights(SmallModel())
NAME = "tester/small"
HEAD, VALUE = "lm_head.weight", "model.layers.1.self_attn.v_proj.weight"


@dataclass(frozen=True)
class Kind:
    """How files of weights of one kind are written and named."""

    save: Callable[[Weights, Path], object]
    single: str
    parts: tuple[str, str]
    index: str


SAFETENSORS = Kind(
    lambda tensors, path: save_file(tensors, path),
    "model.safetensors",
    ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
    "model.safetensors.index.json",
)
BIN = Kind(
    torch.save,
    "pytorch_model.bin",
    ("pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"),
    "pytorch_model.bin.index.json",
)
KINDS = pytest.mark.parametrize("kind", [SAFETENSORS, BIN], ids=["safetensors", "bin"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder without weights."""
    folder = save_model_folder(tmp_path / "small", SmallModel(), NEW)
    (folder / "model.safetensors").unlink()
    return folder


def save_split(folder: Path, kind: Kind, weights: Weights) -> dict[str, str]:
    """Writes the weights into two files; returns the file of each tensor."""
    names = sorted(weights)
    groups = dict(zip(kind.parts, (names[:9], names[9:]), strict=True))
    for file, group in groups.items():
        kind.save({name: weights[name] for name in group}, folder / file)
    return {name: file for file, group in groups.items() for name in group}


def save_index(folder: Path, kind: Kind, places: dict[str, str]) -> None:
    (folder / kind.index).write_text(json.dumps({"weight_map": places}))


def read_all(checkpoint: Checkpoint) -> Weights:
    """What mapping reads, checked before as mapping does."""
    layers = range(checkpoint.shape.layers)
    checkpoint.check_files(layers)
    return {name: checkpoint.read(name) for name in checkpoint.needed_tensors(layers)}


def is_state(checkpoint: Checkpoint, weights: Weights) -> bool:
    return all(torch.equal(tensor, weights[name]) for name, tensor in read_all(checkpoint).items())


def refusal(folder: Path) -> str:
    with pytest.raises(MapsError) as caught:
        read_all(open_checkpoint(str(folder)))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def hub_refusal(hub: LoopbackHub, folder: Path, home: Path) -> str:
    hub.add_model(NAME, folder)
    with pytest.raises(MapsError) as caught:
        read_all(open_hub_model(NAME, None, hub.client(), home, waits=(0.0,)))
    return str(caught.value)


def names_all(message: str, files: Iterable[str]) -> bool:
    return all(file in message for file in files)


@KINDS
def test_a_new_state_beside_an_older_split_is_refused(
    kind: Kind, folder: Path, hub: LoopbackHub, tmp_path: Path
) -> None:
    save_split(folder, kind, OLD)
    kind.save(NEW, folder / kind.single)
    for message in (refusal(folder), hub_refusal(hub, folder, tmp_path / "home")):
        assert " in more than one file (" in message
        assert "and no index says which of them to read" in message
        assert kind.single in message
        assert any(part in message for part in kind.parts)


@KINDS
def test_two_splits_without_an_index_are_refused(kind: Kind, folder: Path) -> None:
    save_split(folder, kind, OLD)
    other = kind.parts[0].replace("of-00002", "of-00003")
    kind.save(NEW, folder / other)
    assert names_all(refusal(folder), [other, kind.parts[0]])


@KINDS
def test_a_split_without_an_index_is_read(kind: Kind, folder: Path, hub: LoopbackHub, tmp_path: Path) -> None:
    save_split(folder, kind, NEW)
    assert is_state(open_checkpoint(str(folder)), NEW)
    hub.add_model(NAME, folder)
    assert is_state(open_hub_model(NAME, None, hub.client(), tmp_path / "home", waits=(0.0,)), NEW)


@KINDS
def test_an_index_beside_a_single_file_that_it_does_not_list_is_refused(
    kind: Kind, folder: Path, hub: LoopbackHub, tmp_path: Path
) -> None:
    """Transformers reads the single file."""
    save_index(folder, kind, save_split(folder, kind, OLD))
    kind.save(NEW, folder / kind.single)
    said = f"two states of the model: {kind.single}, and {kind.parts[0]}, {kind.parts[1]} that {kind.index} lists"
    assert refusal(folder) == f"{folder} may hold {said}; move the files of the older one away."
    assert hub_refusal(hub, folder, tmp_path / "home") == (
        f"{NAME} on the Hub may hold {said}; download the files that belong together into a folder and give that."
    )
    for part in kind.parts:
        (folder / part).unlink()
    assert names_all(refusal(folder), [kind.single, kind.index, *kind.parts])


@KINDS
def test_an_index_that_lists_the_single_file_is_followed(kind: Kind, folder: Path) -> None:
    kind.save(NEW, folder / kind.single)
    save_index(folder, kind, dict.fromkeys(NEW, kind.single))
    assert is_state(open_checkpoint(str(folder)), NEW)


def test_one_tensor_under_two_names_in_two_files_is_refused(folder: Path) -> None:
    """The old state was saved without the language-model head, so its names lack the prefix."""
    save_file({name.removeprefix("model."): x for name, x in OLD.items()}, folder / "old.safetensors")
    save_file({name: x for name, x in NEW.items() if name != HEAD}, folder / "new.safetensors")
    assert names_all(refusal(folder), ["old.safetensors", "new.safetensors"])


def test_safetensors_are_preferred_to_bin_files_of_the_same_model(folder: Path) -> None:
    torch.save(OLD, folder / "pytorch_model.bin")
    save_file(NEW, folder / "model.safetensors")
    assert is_state(open_checkpoint(str(folder)), NEW)
    (folder / "model.safetensors").unlink()
    save_index(folder, SAFETENSORS, save_split(folder, SAFETENSORS, NEW))
    assert is_state(open_checkpoint(str(folder)), NEW)


@KINDS
def test_what_a_training_program_leaves_beside_the_weights_is_not_read(kind: Kind, folder: Path) -> None:
    kind.save(NEW, folder / kind.single)
    for name in ("optimizer.pt", "optimizer.bin", "scheduler.pt", "training_args.bin", "rng_state.pth"):
        (folder / name).write_bytes(b"not a file of weights")
    for name in ("adapter_model.safetensors", "model.fp16.safetensors"):  # an adapter, and a variant
        save_file(OLD, folder / name)
    torch.save(OLD, folder / "adapter_model.bin")
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "tester/base"}')
    if kind is BIN:
        (folder / "model.fp16.safetensors").unlink()
    assert is_state(open_checkpoint(str(folder)), NEW)


@KINDS
def test_an_index_that_names_the_wrong_file_is_refused_with_the_right_one(
    kind: Kind, folder: Path, hub: LoopbackHub, tmp_path: Path
) -> None:
    places = save_split(folder, kind, NEW)
    right = places[VALUE]
    wrong = next(part for part in kind.parts if part != right)
    save_index(folder, kind, places | {VALUE: wrong})
    said = f"lists {VALUE} in {wrong}, which lacks it, and {right} has it"
    assert refusal(folder) == f"{folder / kind.index} {said}; download the model again into an empty folder."
    message = hub_refusal(hub, folder, tmp_path / "home")
    assert message.startswith(f"{kind.index} of {NAME} lists {VALUE} in {wrong}, which lacks it")


@KINDS
def test_an_index_of_an_earlier_split_is_refused_with_the_files_that_are_there(
    kind: Kind, folder: Path, hub: LoopbackHub, tmp_path: Path
) -> None:
    places = save_split(folder, kind, NEW)
    renamed = {part: part.replace("of-00002", "of-00003") for part in kind.parts}
    for part, name in renamed.items():
        (folder / part).rename(folder / name)
    save_index(folder, kind, places)
    assert names_all(refusal(folder), [str(folder / kind.index), kind.parts[0], renamed[kind.parts[0]]])
    if kind is SAFETENSORS:
        message = hub_refusal(hub, folder, tmp_path / "home")
        assert names_all(message, [kind.index, kind.parts[0], renamed[kind.parts[0]]])


@KINDS
@pytest.mark.parametrize("unlisted", [VALUE, HEAD, "model.layers.0.mlp.up_proj.bias"])
@pytest.mark.parametrize("tied", [False, True])
def test_an_index_that_lacks_a_tensor_of_its_files_is_refused(
    tied: bool, unlisted: str, kind: Kind, folder: Path
) -> None:
    """Also where the model could be read without it: a tied model, one without biases."""
    config = json.loads((folder / "config.json").read_text()) | {"tie_word_embeddings": tied}
    (folder / "config.json").write_text(json.dumps(config))
    places = save_split(folder, kind, NEW | {"model.layers.0.mlp.up_proj.bias": torch.zeros(48)})
    file = places.pop(unlisted)
    save_index(folder, kind, places)
    assert refusal(folder) == (
        f"{folder / kind.index} does not list {unlisted}, which {file} has; download the model again into an empty "
        "folder."
    )


def test_an_index_on_the_hub_that_lacks_a_tensor_of_its_files_is_refused(
    folder: Path, hub: LoopbackHub, tmp_path: Path
) -> None:
    places = save_split(folder, SAFETENSORS, NEW)
    del places[VALUE]
    save_index(folder, SAFETENSORS, places)
    assert hub_refusal(hub, folder, tmp_path / "home") == (
        f"{SAFETENSORS.index} of {NAME} does not list {VALUE}, which {SAFETENSORS.parts[1]} has; use another revision "
        "or another model."
    )


def test_a_snapshot_in_the_hubs_cache_follows_the_same_rule(folder: Path, tmp_path: Path) -> None:
    save_split(folder, SAFETENSORS, OLD)
    save_file(NEW, folder / "model.safetensors")
    snapshot = tmp_path / "models--tester--small" / "snapshots" / ("0" * 40)
    shutil.copytree(folder, snapshot)
    assert names_all(refusal(snapshot), ["model.safetensors", SAFETENSORS.parts[0]])
