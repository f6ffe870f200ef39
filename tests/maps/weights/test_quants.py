"""Quantised GGUF tensors against a plain reading of the format (ggml's block layouts), value by value."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy
import pytest
import torch
from gguf import GGMLQuantizationType as Kind
from gguf.quants import _type_traits

from maps.errors import MapsError
from maps.weights import gguf_file
from maps.weights.gguf_file import GgufFile, read_gguf

Block = bytes


def half(block: Block, at: int) -> float:
    return float(struct.unpack_from("<e", block, at)[0])


def q8_0(block: Block, i: int) -> float:
    """A scale, then 32 signed bytes."""
    return half(block, 0) * int(struct.unpack_from("<b", block, 2 + i)[0])


def nibble(block: Block, at: int, i: int, high: bool) -> int:
    return block[at + i] >> 4 if high else block[at + i] & 15


def q4_0(block: Block, i: int) -> float:
    """A scale, then 16 bytes: value i in the low half of byte i, value 16 + i in its high half; 8 stands for 0."""
    return half(block, 0) * (nibble(block, 2, i % 16, i >= 16) - 8)


def q4_1(block: Block, i: int) -> float:
    """A scale and a minimum, then 16 bytes as above."""
    return half(block, 0) * nibble(block, 4, i % 16, i >= 16) + half(block, 2)


def scale_and_minimum(packed: Block, j: int) -> tuple[int, int]:
    """The j-th of eight six-bit scales and minima, packed into 12 bytes."""
    if j < 4:
        return packed[j] & 63, packed[j + 4] & 63
    return packed[j + 4] & 15 | packed[j - 4] >> 6 << 4, packed[j + 4] >> 4 | packed[j] >> 6 << 4


def q4_k(block: Block, i: int) -> float:
    """Eight groups of 32; two groups share 32 bytes, the first in the low halves."""
    scale, minimum = scale_and_minimum(block[4:16], i // 32)
    value = nibble(block, 16 + i // 64 * 32, i % 32, i // 32 % 2 == 1)
    return half(block, 0) * scale * value - half(block, 2) * minimum


def q5_k(block: Block, i: int) -> float:
    """As above, with the fifth bits in 32 bytes: group g has bit g of each."""
    scale, minimum = scale_and_minimum(block[4:16], i // 32)
    value = nibble(block, 48 + i // 64 * 32, i % 32, i // 32 % 2 == 1)
    value += 16 * (block[16 + i % 32] >> i // 32 & 1)
    return half(block, 0) * scale * value - half(block, 2) * minimum


def q6_k(block: Block, i: int) -> float:
    """Two halves of 128, each four groups of 32: 64 bytes of low bits, 32 bytes of high ones; a scale for every 16."""
    part, group, at = i // 128, i % 128 // 32, i % 32
    low = nibble(block, part * 64 + group % 2 * 32, at, group >= 2)
    value = low | (block[128 + part * 32 + at] >> 2 * group & 3) << 4
    scale = int(struct.unpack_from("<b", block, 192 + i // 16)[0])
    return half(block, 208) * scale * (value - 32)


READINGS: dict[Kind, tuple[Callable[[Block, int], float], tuple[int, ...]]] = {  # how, and where the halves stand
    Kind.Q8_0: (q8_0, (0,)),
    Kind.Q4_0: (q4_0, (0,)),
    Kind.Q4_1: (q4_1, (0, 2)),
    Kind.Q4_K: (q4_k, (0, 2)),
    Kind.Q5_K: (q5_k, (0, 2)),
    Kind.Q6_K: (q6_k, (208,)),
}
ROWS, WIDTH = 7, 512


def blocks(kind: Kind) -> numpy.ndarray:
    block, size = gguf.GGML_QUANT_SIZES[kind]
    random = numpy.random.default_rng(0)
    blocks = random.integers(0, 256, (ROWS * WIDTH // block, size), dtype=numpy.uint8)
    for at in READINGS[kind][1]:
        blocks[:, at : at + 2] = random.normal(size=(len(blocks), 1)).astype("<f2").view(numpy.uint8)
    return blocks.reshape(ROWS, -1)


def written(path: Path, raw: numpy.ndarray, kind: Kind) -> GgufFile:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tensor("w", raw, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return GgufFile(read_gguf(path))


@pytest.mark.parametrize("kind", READINGS)
@pytest.mark.parametrize("at_a_time", [1, 3 * WIDTH, 1 << 22])
def test_every_value_is_what_the_format_says(
    kind: Kind, at_a_time: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_file, "BLOCK", at_a_time)
    raw = blocks(kind)
    file = written(tmp_path / "m.gguf", raw, kind)
    assert (file.names(), file.shape("w")) == ({"w"}, (ROWS, WIDTH))
    block, size = gguf.GGML_QUANT_SIZES[kind]
    value = READINGS[kind][0]
    wanted = [value(part.tobytes(), i) for part in raw.reshape(-1, size) for i in range(block)]
    tensor = file.read("w")
    assert tensor.dtype == torch.float32
    torch.testing.assert_close(tensor.double(), torch.tensor(wanted).double().view(ROWS, WIDTH), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", [kind for kind in _type_traits if kind not in READINGS and kind != Kind.BF16])
def test_every_other_kind_is_what_the_gguf_package_reads(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own tests compare it with ggml's code, value by value."""
    monkeypatch.setattr(gguf_file, "BLOCK", 3 * WIDTH)
    block, size = gguf.GGML_QUANT_SIZES[kind]
    raw = numpy.random.default_rng(0).integers(0, 60, (ROWS, WIDTH // block * size), dtype=numpy.uint8)
    wanted = torch.from_numpy(gguf.dequantize(raw, kind))
    assert wanted.isfinite().all()
    assert len(wanted.unique()) > 10
    tensor = written(tmp_path / "m.gguf", raw, kind).read("w")
    assert (tensor.shape, tensor.dtype) == ((ROWS, WIDTH), torch.float32)
    assert torch.equal(tensor, wanted)


def test_a_kind_that_cannot_be_dequantised_is_named(tmp_path: Path) -> None:
    file = written(tmp_path / "m.gguf", numpy.zeros((4, 32), dtype=numpy.int8), Kind.I8)
    with pytest.raises(MapsError) as caught:
        file.read("w")
    assert str(caught.value) == (
        f"{tmp_path / 'm.gguf'} stores w as I8, which is not supported; use a file of another kind, such as F16, Q8_0 "
        "or Q4_K."
    )


def test_a_kind_of_the_future_is_named_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    written(path, numpy.zeros((4, 32), dtype=numpy.int8), Kind.I8)
    content = path.read_bytes()
    at = content.index(b"w", 24) + 1 + 4 + 2 * 8
    path.write_bytes(content[:at] + struct.pack("<I", 999) + content[at + 4 :])
    with pytest.raises(MapsError, match=r"stores w as type 999, which is not supported; use a file of another"):
        GgufFile(read_gguf(path)).read("w")
