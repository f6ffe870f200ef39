"""GGUF files, written here with the gguf package."""

from __future__ import annotations

from pathlib import Path
from random import Random

import gguf
import pytest
import torch
from gguf import GGMLQuantizationType as Kind

from maps.errors import MapsError
from maps.heads.mlp import Mlp
from maps.weights.gguf_file import GgufFile, read_gguf
from maps.weights.mlp_reader import read_mlp
from maps.weights.open import open_checkpoint
from tests.small_models import SPECIAL_TOKEN, VOCABULARY_SIZE, WORDS, SmallModel, gguf_name, random_weights, save_gguf


@pytest.mark.parametrize("kind", [Kind.F32, Kind.F16, Kind.BF16, Kind.Q8_0, Kind.Q4_1])
def test_tensors_are_dequantised_one_by_one(kind: Kind, tmp_path: Path) -> None:
    small = SmallModel(heads=4, kv_heads=2, head_width=16, mlp_width=64)
    weights = random_weights(small)
    checkpoint = open_checkpoint(str(save_gguf(tmp_path / "small.gguf", small, weights, kind)))
    assert (checkpoint.model, checkpoint.shape.architecture, checkpoint.shape.kv_heads) == ("small", "llama", 2)

    def wanted(name: str) -> torch.Tensor:
        return torch.tensor(gguf.dequantize(gguf.quantize(weights[name].numpy(), kind), kind))

    embedding = checkpoint.embedding()
    assert embedding.dtype == {Kind.F16: torch.float16, Kind.BF16: torch.bfloat16}.get(kind, torch.float32)
    assert torch.equal(embedding.float(), wanted("model.embed_tokens.weight"))
    assert torch.equal(checkpoint.unembedding(embedding).float(), wanted("lm_head.weight"))
    mlp = read_mlp(checkpoint)
    assert isinstance(mlp, Mlp)
    assert mlp.norm is not None
    assert torch.equal(mlp.norm.gain, weights["model.layers.0.post_attention_layernorm.weight"])
    for ours, name in ((mlp.gate, "gate"), (mlp.up, "up"), (mlp.down, "down")):
        assert ours is not None
        assert torch.equal(ours, wanted(f"model.layers.0.mlp.{name}_proj.weight"))
    for layer in range(2):
        value, output = (wanted(f"model.layers.{layer}.self_attn.{n}_proj.weight") for n in "vo")
        assert torch.equal(torch.cat([*checkpoint.value_weights(layer)], dim=1), value.T)
        assert torch.equal(torch.cat([*checkpoint.output_weights(layer)]), output.T)


def test_a_tied_model_needs_no_unembedding(tmp_path: Path) -> None:
    small = SmallModel(tied_embeddings=True)
    checkpoint = open_checkpoint(str(save_gguf(tmp_path / "tied.gguf", small, random_weights(small))))
    embedding = checkpoint.embedding()
    assert checkpoint.unembedding(embedding) is embedding


@pytest.mark.parametrize("special", [SPECIAL_TOKEN, "<|end_of_text|>"])
@pytest.mark.parametrize("padding", [0, 6])
def test_the_vocabulary_is_the_files_own_list_without_its_padding(special: str, padding: int, tmp_path: Path) -> None:
    small = SmallModel(padding_rows=padding)
    checkpoint = open_checkpoint(
        str(save_gguf(tmp_path / "m.gguf", small, random_weights(small), special_token=special))
    )
    assert checkpoint.vocabulary.size == VOCABULARY_SIZE == len(checkpoint.embedding())
    assert checkpoint.vocabulary.tokens[-2:] == (" orange", special)
    assert checkpoint.vocabulary.single_token_ids([*WORDS[:2], "xyz"]) == [260, 266, None]


def test_tokens_of_a_file_without_a_row_are_left_out_and_counted(tmp_path: Path) -> None:
    weights = random_weights(SmallModel())
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        weights[name] = weights[name][: VOCABULARY_SIZE - 1].clone()
    vocabulary = open_checkpoint(str(save_gguf(tmp_path / "m.gguf", SmallModel(), weights))).vocabulary
    assert (vocabulary.size, vocabulary.rowless, vocabulary.tokens[-1]) == (VOCABULARY_SIZE - 1, 1, " orange")


def test_a_revision_tells_files_apart(tmp_path: Path) -> None:
    small = SmallModel()
    one, same, other = (
        open_checkpoint(str(save_gguf(tmp_path / f"{i}.gguf", small, random_weights(small, seed)))).revision
        for i, seed in enumerate((0, 0, 1))
    )
    assert one == same != other


def test_a_file_cut_off_anywhere_is_refused_in_one_sentence(tmp_path: Path) -> None:
    whole = save_gguf(tmp_path / "whole.gguf", SmallModel(), random_weights(SmallModel())).read_bytes()
    cut = tmp_path / "cut.gguf"
    for size in (0, 1, 4, 20, 24, 60, 200, 1000, 5000, 9000, len(whole) // 2, len(whole) - 1000):
        cut.write_bytes(whole[:size])
        with pytest.raises(MapsError) as caught:
            open_checkpoint(str(cut))
        assert str(caught.value) == f"{cut} is not a complete GGUF file: it may be cut off; download it again."


def test_a_file_that_is_no_gguf_is_refused_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "notes.gguf"
    file.write_text("Not a model at all.\n" * 100)
    with pytest.raises(
        MapsError, match=r"notes\.gguf is not a complete GGUF file: it may be cut off; download it again\.$"
    ):
        open_checkpoint(str(file))


def metadata_only(path: Path, architecture: str, **keys: int) -> Path:
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in keys.items():
        writer.add_uint32(f"{architecture}.{key.replace('__', '.')}", value)
    if keys:
        writer.add_layer_norm_rms_eps(1e-5)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


@pytest.mark.parametrize(
    ("architecture", "keys", "sentence"),
    [
        ("mamba", {}, "m has the model type mamba, which cannot be mapped: it is a state-space model, without heads."),
        ("llama", {}, "{} has no valid whole number for llama.attention.head_count, so the model cannot be mapped."),
        (
            "llama",
            {"block_count": 2, "embedding_length": 32},
            "{} has no valid whole number for llama.attention.head_count, so the model cannot be mapped.",
        ),
        (
            "llama",
            {"block_count": 2, "embedding_length": 32, "attention__head_count": 4, "attention__head_count_kv": 3},
            "The model's configuration gives 4 heads and 3 value heads, which cannot be shared evenly; "
            "download the model again.",
        ),
        (
            "llama",
            {"block_count": 2, "embedding_length": 32, "attention__head_count": 4},
            "{} has no readable tokenizer (no tokens); use a file with one.",
        ),
    ],
)
def test_a_file_that_lacks_what_is_needed_is_refused_in_one_sentence(
    architecture: str, keys: dict[str, int], sentence: str, tmp_path: Path
) -> None:
    path = metadata_only(tmp_path / "m.gguf", architecture, **keys)
    with pytest.raises(MapsError) as caught:
        open_checkpoint(str(path))
    assert str(caught.value) == sentence.format(path)


def test_a_layer_that_is_missing_is_named(tmp_path: Path) -> None:
    weights = random_weights(SmallModel(layers=1))
    file = save_gguf(tmp_path / "m.gguf", SmallModel(layers=2), weights)
    with pytest.raises(
        MapsError, match=r"^m has no tensor blk\.1\.attn_v\.weight, so it is not a complete llama model\.$"
    ):
        open_checkpoint(str(file))
    assert gguf_name("model.layers.1.self_attn.v_proj.weight") == "blk.1.attn_v.weight"


@pytest.mark.slow
def test_a_head_with_any_byte_changed_is_read_or_refused_in_one_sentence(tmp_path: Path) -> None:
    file = save_gguf(tmp_path / "m.gguf", SmallModel(), random_weights(SmallModel()))
    whole, random = file.read_bytes(), Random(0)
    messages = []
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[random.randrange(13_000)] = random.choice((0, 255, random.randrange(256)))
        file.write_bytes(damaged)
        try:
            checkpoint = open_checkpoint(str(file))
            checkpoint.unembedding(checkpoint.embedding())
        except MapsError as error:
            messages.append(str(error))
    assert len(messages) > 50
    assert not [sentence for sentence in messages if "\n" in sentence]


def test_a_model_in_several_parts_is_read_whole_from_any_of_them(tmp_path: Path) -> None:
    weights = random_weights(SmallModel())
    whole = open_checkpoint(str(save_gguf(tmp_path / "small.gguf", SmallModel(), weights)))
    save_gguf(tmp_path / "parts" / "small.gguf", SmallModel(), weights, split_max_tensors=8)
    parts = sorted((tmp_path / "parts").iterdir())
    assert [part.name for part in parts] == [f"small-{n:05}-of-{len(parts):05}.gguf" for n in range(1, len(parts) + 1)]
    assert len(parts) > 2
    for part in parts:
        checkpoint = open_checkpoint(str(part))
        assert (checkpoint.model, checkpoint.weights) == ("small", whole.weights)
        assert checkpoint.vocabulary.tokens == whole.vocabulary.tokens
        assert all(torch.equal(checkpoint.read(name), whole.read(name)) for name in whole.tensor_names())


def refusal(path: Path) -> str:
    with pytest.raises(MapsError) as caught:
        open_checkpoint(str(path))
    return str(caught.value)


def test_parts_that_are_missing_renamed_or_hold_the_same_are_refused(tmp_path: Path) -> None:
    save_gguf(tmp_path / "small.gguf", SmallModel(), random_weights(SmallModel()), split_max_tensors=8)
    first, second, *others = sorted(tmp_path.iterdir())
    content = second.read_bytes()
    second.unlink()
    assert refusal(first) == f"{tmp_path} lacks {second.name}; download the rest of the model."
    second.write_bytes(first.read_bytes())
    assert refusal(others[0]).startswith(f"{first} and {second} both hold ")
    second.write_bytes(content)
    first.rename(tmp_path / "renamed.gguf")
    assert refusal(tmp_path / "renamed.gguf") == (
        f"{tmp_path / 'renamed.gguf'} is one of {2 + len(others)} parts of a model, but its name does not say which; "
        f"give all parts their names back, such as renamed-00001-of-{2 + len(others):05}.gguf."
    )


def test_a_head_is_what_the_gguf_package_reads(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_custom_alignment(128)
    writer.add_array("numbers", [1, 2, 3])
    writer.add_array("texts", ["a", "é", ""])
    writer.add_array("nested", [[1, 2], [3]])
    writer.add_bool("yes", True)
    writer.add_float64("exact", 1e-300)
    writer.add_int8("less", -3)
    for name, shape in (("a", (3, 5)), ("b", (7,)), ("c", (2, 3, 4))):
        writer.add_tensor(name, torch.randn(shape, generator=torch.Generator().manual_seed(0)).numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part = read_gguf(path)
    reader = gguf.GGUFReader(path)
    own = ("GGUF.version", "GGUF.tensor_count", "GGUF.kv_count")
    wanted = {name: field.contents() for name, field in reader.fields.items() if name not in own}
    assert part.header.metadata == {**wanted, "nested": [[1, 2], [3]]}
    file = GgufFile(part)
    assert file.names() == {"a", "b", "c"}
    for tensor in reader.tensors:
        assert torch.equal(file.read(tensor.name), torch.tensor(tensor.data))
