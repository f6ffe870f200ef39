"""Model files from somebody who wants to hang or fill the machine: refused in one sentence, within seconds."""

from __future__ import annotations

import json
import resource
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from maps.errors import MapsError
from maps.weights.gguf_tokens import read_vocabulary
from maps.weights.hub import parse_header
from maps.weights.open import open_checkpoint
from maps.weights.tokenizer_limits import check_tokenizer
from maps.weights.tokens import Vocabulary
from tests.small_models import SmallModel, random_weights, save_model_folder

DEEP = 100_000
MAX_SECONDS, MAX_GROWTH = 15.0, 600_000  # KiB of memory
Content = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_model_folder(tmp_path / "small", SmallModel(), random_weights(SmallModel()))


@contextmanager
def within_limits() -> Iterator[None]:
    """Fails if the block takes many seconds of processor time or hundreds of megabytes."""
    start, memory = process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert process_time() - start < MAX_SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < MAX_GROWTH


def refusal(model: Path) -> str:
    with within_limits(), pytest.raises(MapsError) as caught:
        open_checkpoint(str(model))
    message = str(caught.value)
    assert len(message) < 1_000
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors.index.json"])
@pytest.mark.parametrize(
    "content",
    [
        "[" * DEEP,
        '{"a":' * DEEP,
        '{"a": ' + "[" * DEEP + "]" * DEEP + "}",
        '{"num_hidden_layers": ' + "9" * 10_000 + "}",
        '{"weight_map": [' + "0," * 1_000_000 + "0]}",
        "\\ud800",
        "\xff\xfe{}",
    ],
    ids=["lists", "objects", "closed", "digits", "array", "surrogate", "bytes"],
)
def test_files_that_recurse_or_do_not_end_are_refused(folder: Path, name: str, content: str) -> None:
    (folder / name).write_bytes(content.encode("latin-1"))
    assert name.split(".")[0] in refusal(folder) or name == "config.json"


BAD_ENTRIES: dict[str, tuple[object, ...]] = {
    "num_hidden_layers": (10**9, 20_000, -1, 0, 1e400, float("nan"), "2", True, [2]),
    "num_attention_heads": (0, 10**9, 20_000, 33),
    "num_key_value_heads": (0, -1, 2**63),
    "hidden_size": (10**9, 0, 3),
    "head_dim": (0, -8, 10**9),
    "rms_norm_eps": (1e400, float("nan"), 10**400, "0.1"),
    "vocab_size": (10**18, 1, -5),
    "model_type": ("x" * 1_000_000, [[[]]] * 1_000, "a\0b"),
    "hidden_act": ("x" * 1_000_000,),
}


@pytest.mark.parametrize(
    ("entry", "value"), [(entry, value) for entry, values in BAD_ENTRIES.items() for value in values]
)
def test_sizes_that_no_model_has_are_refused(tmp_path: Path, entry: str, value: object) -> None:
    folder = save_model_folder(tmp_path / "m", SmallModel(), random_weights(SmallModel()), **{entry: value})
    with within_limits(), pytest.raises(MapsError) as caught:
        read_some_weights(folder)
    assert len(str(caught.value)) < 1_000


def read_some_weights(folder: Path) -> None:
    """Some sizes are refused only when the tensors' shapes are known."""
    checkpoint = open_checkpoint(str(folder))
    checkpoint.embedding()
    checkpoint.value_weights(0)


def added_tokens(content: Content) -> None:
    token = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False) | {"special": True}
    content["added_tokens"] = [{"id": 1_000 + i, "content": f"<{i}>", **token} for i in range(150_000)]


def doubling(content: Content) -> None:
    step = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}
    content["normalizer"] = {"type": "Sequence", "normalizers": [step] * 40}


def nested_doubling(content: Content) -> None:
    step: Content = {"type": "Replace", "pattern": {"Regex": "."}, "content": "x" * 500}
    content["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Sequence", "normalizers": [step] * 9}]}


def many_steps(content: Content) -> None:
    step = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
    content["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [step] * 1_000}


def unigram_bomb(content: Content) -> None:
    content["model"] = {"type": "Unigram", "unk_id": 0, "vocab": [[f"{i}" * 100, 0.0] for i in range(50_000)]}


def long_unigram_token(content: Content) -> None:
    content["model"] = {"type": "Unigram", "unk_id": 0, "vocab": [["ab" * 1_000_000, 0.0]]}


def huge_id(content: Content) -> None:
    content["model"]["vocab"]["far"] = 2**32 - 1


def wrong_size(content: Content) -> None:
    content["model"]["vocab"] |= {f"more{i}": 1_000 + i for i in range(10_000)}


@pytest.mark.parametrize(
    "change",
    [added_tokens, doubling, nested_doubling, many_steps, unigram_bomb, long_unigram_token, huge_id, wrong_size],
)
@pytest.mark.slow
def test_tokenizers_that_explode_are_refused(folder: Path, change: Callable[[Content], None]) -> None:
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    assert "tokenizer" in refusal(folder)


def test_the_limits_allow_steps_of_real_tokenizers() -> None:
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    for normalizers in (
        [{"type": "Precompiled", "precompiled_charsmap": ""}, {**replace, "pattern": {"Regex": " {2,}"}}],
        [{"type": "Prepend", "prepend": "▁"}, replace],
        [{"type": "NFKC"}, {"type": "Lowercase"}, replace],
    ):
        check_tokenizer({"normalizer": {"type": "Sequence", "normalizers": normalizers}, "added_tokens": []})


def test_what_a_file_says_twice_is_checked_as_it_is_loaded(folder: Path) -> None:
    """JSON may hold a key twice; the one that was not checked must not be the one that is used."""
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    doubling(content)
    bomb = json.dumps(content["normalizer"])
    file.write_text(f'{{"normalizer": {bomb}, ' + json.dumps(content | {"normalizer": None})[1:])
    assert open_checkpoint(str(folder)).vocabulary.pieces("amber") == [" amber"]


@pytest.mark.slow
@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(?:a|a)*$", r"(a|aa)+$"])
def test_a_regular_expression_that_backtracks_is_given_up(pattern: str) -> None:
    tokenizer = Tokenizer(models.BPE(vocab={"a": 0, "!": 1, " ": 2}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "isolated")
    words = ["a" * 60 + "!"] * 64
    with (
        within_limits(),
        pytest.raises(MapsError, match=r"^The tokenizer cannot read a word \(.*\); use the tokenizer"),
    ):
        Vocabulary(tokenizer).single_token_ids(words)


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def gguf_file(path: Path, entries: int, tensors: int, content: bytes, size: int = 0) -> Path:
    """A file with this header; with `size`, zeros up to that many bytes follow, which take no space on the disk."""
    with path.open("wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, tensors, entries) + content)
        file.truncate(max(size, file.tell()))
    return path


def nested_arrays(depth: int) -> bytes:
    return text("a") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * depth


@pytest.mark.parametrize(
    ("entries", "tensors", "content", "size"),
    [
        (1, 0, nested_arrays(DEEP), 0),
        (1, 0, nested_arrays(200) * 3, 1 << 33),
        (1, 0, text("a") + struct.pack("<IIQ", 9, 0, 2**33 - 100), 1 << 33),
        (1, 0, text("a") + struct.pack("<IIQ", 9, 8, 2**32), 1 << 33),
        (1, 0, text("a") + struct.pack("<IQ", 8, 2**40), 1 << 33),
        (2**60, 0, b"", 1 << 33),
        (0, 2**60, b"", 1 << 33),
        (0, 1, text("t") + struct.pack("<I", 4) + struct.pack("<4Q", *[2**63] * 4) + struct.pack("<IQ", 0, 0), 0),
        (1, 0, text("general.alignment") + struct.pack("<IQ", 10, 2**63), 0),
    ],
)
def test_gguf_headers_that_promise_too_much_are_refused(
    tmp_path: Path, entries: int, tensors: int, content: bytes, size: int
) -> None:
    refusal(gguf_file(tmp_path / "m.gguf", entries, tensors, content, size))


@pytest.mark.parametrize(
    "tokens",
    [
        {"tokens": ["a" * 1_000_000], "scores": [0.0]},
        {"tokens": ["ab" * 4_000] * 100, "scores": [0.0] * 100},
        {"tokens": ["a"] * 5_000_000, "scores": []},
        {"tokens": [f"<{i}>" for i in range(200_000)], "scores": [], "token_type": [3] * 200_000},
        {"tokens": [1, 2], "scores": []},
        {"tokens": ["a", "b", "ab"], "scores": []},
    ],
    ids=["long", "squared", "many", "control", "numbers", "scores"],
)
@pytest.mark.slow
def test_vocabularies_of_gguf_files_that_explode_are_refused(tokens: Content) -> None:
    metadata = {f"tokenizer.ggml.{key}": value for key, value in {"model": "llama", **tokens}.items()}
    with within_limits(), pytest.raises((ValueError, TypeError, IndexError)):
        read_vocabulary(metadata)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * DEEP,
        b'{"t":{"dtype":"F32","shape":[' + b"9" * 4_000 + b",9" * 400_000 + b'],"data_offsets":[0,0]}}',
        b'{"t":{"dtype":"F32","shape":[' + b"9" * 5_000 + b'],"data_offsets":[0,0]}}',
        b'{"t":{"dtype":"F32","shape":[1e400],"data_offsets":[0,4]}}',
        b'{"t":{"dtype":["F32"],"shape":[1],"data_offsets":[0,4]}}',
        b'{"t":' * DEEP,
    ],
)
def test_headers_of_safetensors_files_on_the_hub_that_explode_are_refused(content: bytes) -> None:
    with within_limits(), pytest.raises((ValueError, KeyError, TypeError, AttributeError, RecursionError)) as caught:
        parse_header(content, 8 + len(content))
    assert len(str(caught.value)) < 500


def test_a_safetensors_file_with_a_deep_header_is_refused(folder: Path) -> None:
    head = b"[" * DEEP
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head)
    assert "is not a complete safetensors file" in refusal(folder)
