"""Which file holds which tensor: shards, safetensors and .bin files, missing and damaged ones."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from maps.errors import MapsError
from maps.heads.mlp import Mlp
from maps.weights.checkpoint import MAPPING_ROLES, Checkpoint
from maps.weights.folder import build_checkpoint
from maps.weights.mlp_reader import read_mlp
from maps.weights.open import open_checkpoint
from maps.weights.stored import StoredTensor
from tests.families import FAMILY_MODELS, build_model
from tests.small_models import SmallModel, Weights, random_weights, save_model_folder

Save = Callable[[Weights, Path], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_model_folder(tmp_path / "small", SmallModel(), random_weights(SmallModel()))


def everything(checkpoint: Checkpoint) -> list[Tensor]:
    """All that mapping reads of a model."""
    embedding = checkpoint.embedding()
    mlp = read_mlp(checkpoint)
    layers = checkpoint.shape.layers_with_heads
    norms = [checkpoint.norm("embedding_norm"), mlp.norm, *map(checkpoint.input_norm, layers)]
    gains = [norm.gain for norm in norms if norm is not None]
    experts = [mlp] if isinstance(mlp, Mlp) else [*mlp.experts, *([mlp.shared] if mlp.shared is not None else [])]
    tensors = [embedding, checkpoint.unembedding(embedding)]
    tensors += [part for each in experts for part in (each.gate, each.up, each.down) if part is not None]
    heads = [x for layer in layers for x in (checkpoint.value_weights(layer), checkpoint.output_weights(layer))]
    return [x for x in [*tensors, *gains, *heads, checkpoint.final_norm_gain()] if x is not None]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def refusal(folder: Path) -> str:
    with pytest.raises(MapsError) as caught:
        everything(open_checkpoint(str(folder)))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def as_safetensors(tensors: Weights, path: Path) -> None:
    save_file(tensors, path)


def as_pickle(tensors: Weights, path: Path) -> None:
    torch.save(tensors, path)


def as_old_pickle(tensors: Weights, path: Path) -> None:
    torch.save(tensors, path, _use_new_zipfile_serialization=False)


SHARDS: dict[str, tuple[Save, str, str]] = {
    "safetensors": (as_safetensors, "model-{}-of-3.safetensors", "model.safetensors.index.json"),
    "bin": (as_pickle, "pytorch_model-{}-of-3.bin", "pytorch_model.bin.index.json"),
}


def sharded(folder: Path, kind: str) -> dict[str, Path]:
    """Spreads the weights over three files under an index; the last holds queries and keys only, which are not read."""
    save, name, index = SHARDS[kind]
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    unread = [n for n in weights if "q_proj" in n or "k_proj" in n]
    read = sorted(set(weights) - set(unread))
    files = {name.format(i): group for i, group in enumerate((read[::2], read[1::2], unread), start=1)}
    for file, group in files.items():
        save({n: weights[n] for n in group}, folder / file)
    where = {n: file for file, group in files.items() for n in group}
    (folder / index).write_text(json.dumps({"weight_map": where}))
    return {n: folder / file for n, file in where.items()}


@pytest.mark.parametrize("kind", SHARDS)
def test_many_files_are_one_model_and_only_needed_ones_are_opened(kind: str, folder: Path) -> None:
    whole = everything(open_checkpoint(str(folder)))
    where = sharded(folder, kind)
    assert same(everything(open_checkpoint(str(folder))), whole)
    unread = where["model.layers.0.self_attn.q_proj.weight"]
    unread.write_bytes(b"cut off")
    assert same(everything(open_checkpoint(str(folder))), whole)
    unread.unlink()
    assert same(everything(open_checkpoint(str(folder))), whole)


@pytest.mark.parametrize("kind", SHARDS)
def test_a_needed_file_that_is_missing_is_named(kind: str, folder: Path) -> None:
    missing = sharded(folder, kind)["model.embed_tokens.weight"]
    missing.unlink()
    assert refusal(folder) == f"{folder} lacks {missing.name}, which its index lists; download the rest of the model."


@pytest.mark.parametrize("kind", SHARDS)
def test_a_tensor_that_an_index_lists_wrongly_is_named(kind: str, folder: Path) -> None:
    name = "model.embed_tokens.weight"
    file = sharded(folder, kind)[name]
    save = SHARDS[kind][0]
    save({"other": torch.zeros(2)}, file)
    index = folder / SHARDS[kind][2]
    assert refusal(folder) == (
        f"{index} lists {name} in {file.name}, which lacks it; download the model again into an empty folder."
    )


@pytest.mark.parametrize("content", ['{"weight_map": [1]}', '{"weight_map": {"a": 1}}', "{}"])
def test_an_index_without_files_is_refused(content: str, folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_text(content)
    assert refusal(folder) == f"{folder / 'model.safetensors.index.json'} lists no files; download the model again."


@pytest.mark.parametrize("save", [as_pickle, as_old_pickle])
def test_a_bin_file_is_read_where_there_is_no_other(save: Save, folder: Path) -> None:
    whole = everything(open_checkpoint(str(folder)))
    save(random_weights(SmallModel()), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert same(everything(open_checkpoint(str(folder))), whole)


class Trap:
    """What would leave a trace if it were run on loading."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("content", ["trap", "object"])
def test_a_bin_file_with_more_than_tensors_is_refused_and_not_run(
    content: str, old: bool, folder: Path, tmp_path: Path
) -> None:
    tensors = {**random_weights(SmallModel()), "x": Trap(tmp_path / "trace") if content == "trap" else Fraction(1)}
    file = folder / "pytorch_model.bin"
    torch.save(tensors, file, _use_new_zipfile_serialization=not old)
    (folder / "model.safetensors").unlink()
    message = "is damaged, or holds more than tensors, and no code in it is run; use the model's safetensors files."
    assert refusal(folder) == f"{file} {message}"
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("save", [as_pickle, as_old_pickle])
@pytest.mark.parametrize("size", [0, 3, 5, 200, -200])
def test_a_bin_file_that_is_cut_off_is_refused(save: Save, size: int, folder: Path) -> None:
    file = folder / "pytorch_model.bin"
    save(random_weights(SmallModel()), file)
    file.write_bytes(file.read_bytes()[:size])
    (folder / "model.safetensors").unlink()
    assert refusal(folder).startswith(f"{file} is damaged, or holds more than tensors")


@pytest.mark.parametrize("family", FAMILY_MODELS)
def test_files_may_lack_or_exchange_the_prefix(family: str, tmp_path: Path) -> None:
    build_model(family, tmp_path)
    file = tmp_path / "model.safetensors"
    whole, weights = open_checkpoint(str(tmp_path)), load_file(file)
    tensors, usual = everything(whole), whole.layout.candidate_names("embedding")
    assert len(usual) > 1
    [present] = [name for name in usual if name in weights]
    for other in usual:
        old, new = (name.removesuffix(usual[1]) for name in (present, other))
        save_file({new + n.removeprefix(old) if n.startswith(old) else n: x for n, x in weights.items()}, file)
        assert same(everything(open_checkpoint(str(tmp_path))), tensors)


class Counting:
    """A source in memory that counts what is read."""

    def __init__(self, tensors: Weights) -> None:
        self.tensors, self.reads = tensors, Counter[str]()

    def names(self) -> set[str]:
        return set(self.tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.tensors[name].shape)

    def read(self, name: str) -> Tensor:
        self.reads[name] += 1
        return self.tensors[name]

    def stored_tensor(self, name: str) -> StoredTensor:
        return StoredTensor.from_tensor(self.tensors[name])


@pytest.mark.parametrize("family", FAMILY_MODELS)
def test_only_what_is_needed_is_read_and_only_once_from_any_source(family: str, tmp_path: Path) -> None:
    build_model(family, tmp_path)
    source = Counting(load_file(tmp_path / "model.safetensors"))
    (tmp_path / "model.safetensors").unlink()
    checkpoint = build_checkpoint(tmp_path, lambda: source, "name", "revision")
    assert (checkpoint.model, checkpoint.revision, source.reads) == ("name", "revision", {})
    everything(checkpoint)
    needed = checkpoint.needed_tensors(checkpoint.shape.layers_with_heads, roles=(*MAPPING_ROLES, "attn_norm"))
    firsts = ("attn_norm", checkpoint.shape.layers_with_heads[0]), ("mlp_norm", checkpoint.shape.first_mlp)
    in_front = [{checkpoint.find_tensor_name(*first), checkpoint.bias_name(*first)} for first in firsts]
    shared = (in_front[0] & in_front[1]) - {None}  # Phi has one norm in front of both
    assert source.reads == dict.fromkeys(needed, 1) | dict.fromkeys(shared, 2)
    assert not [name for name in source.reads if "q_proj" in name or "k_proj" in name]


@pytest.mark.parametrize("dtype", [torch.int8, torch.float8_e4m3fn])
@pytest.mark.parametrize("name", ["model.embed_tokens.weight", "model.layers.1.self_attn.v_proj.weight"])
def test_quantised_weights_are_refused_though_the_configuration_does_not_say_so(
    name: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    weights = random_weights(SmallModel())
    folder = save_model_folder(tmp_path / "small", SmallModel(), {**weights, name: weights[name].to(dtype)})
    message = f"The tensor {name} of small holds quantised weights ({str(dtype)[6:]}); use the unquantised model or a"
    assert refusal(folder) == f"{message} .gguf file."


@pytest.mark.parametrize("said", [False, None])
def test_an_unembedding_that_must_be_there_is_named_where_it_is_missing(said: bool | None, tmp_path: Path) -> None:
    """Llama ties nothing unless its configuration says so."""
    weights = {name: x for name, x in random_weights(SmallModel()).items() if name != "lm_head.weight"}
    folder = save_model_folder(tmp_path / "small", SmallModel(), weights, tie_word_embeddings=said)
    assert refusal(folder) == (
        "small has no tensor lm_head.weight, so it is not a complete llama model; if its embedding is the unembedding "
        'too, config.json must say so: "tie_word_embeddings": true.'
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_one_bad_number_anywhere_is_found(dtype: torch.dtype, number: float, folder: Path) -> None:
    checkpoint = open_checkpoint(str(folder))
    for position in (0, 1, 63, 500, 4094, 4095):
        x = torch.randn(4096, generator=torch.Generator().manual_seed(position)).to(dtype)
        x[position] = number
        source = Counting({"x": x})
        with pytest.raises(
            MapsError, match=r"^The tensor x of small holds NaN or infinite weights; download the model"
        ):
            Checkpoint(**{**vars(checkpoint), "source": source}).read("x")
