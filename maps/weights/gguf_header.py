"""The head of a GGUF file: its metadata, and where its tensors lie. Nothing of the tensors is read.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The gguf package reads it too, at a second for
every 50,000 tokens, since it makes an array of every string.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from struct import Struct, error, unpack_from
from typing import Any, NamedTuple

from gguf import GGML_QUANT_SIZES, GGUF_DEFAULT_ALIGNMENT, GGMLQuantizationType

VERSIONS = (2, 3)
STRING_TYPE, ARRAY_TYPE = 8, 9
MAX_DIMENSIONS = 4
SCALAR_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
LENGTH_FORMAT = Struct("<Q")


class GgufTensor(NamedTuple):
    """A tensor of a file: `kind` as the file names it, shape as PyTorch has it, and where its bytes begin and end."""

    kind: int
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class GgufHeader:
    """The head of a file."""

    metadata: dict[str, Any]
    tensors: dict[str, GgufTensor]


class HeaderReader:
    """Reads one thing after another from the bytes of a file."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.position = data, 0

    def read_numbers(self, form: str) -> tuple[Any, ...]:
        """Numbers in the struct module's notation."""
        packed = Struct("<" + form)
        self.position += packed.size
        return packed.unpack_from(self.data, self.position - packed.size)

    def read_text(self) -> str:
        """A string: its length in bytes, then UTF-8."""
        (length,) = LENGTH_FORMAT.unpack_from(self.data, self.position)
        start, self.position = self.position + 8, self.position + 8 + length
        if self.position > len(self.data):
            raise ValueError("a string goes beyond the end")
        return str(self.data[start : self.position], "utf-8")

    def read_value(self, kind: int) -> Any:
        """A value of metadata."""
        if kind == STRING_TYPE:
            return self.read_text()
        if kind == ARRAY_TYPE:
            element, count = self.read_numbers("IQ")
            if count > len(self.data):
                raise ValueError("an array goes beyond the end")
            if element in SCALAR_FORMATS:
                return list(self.read_numbers(f"{count}{SCALAR_FORMATS[element]}"))
            read: Callable[[], Any] = self.read_text if element == STRING_TYPE else lambda: self.read_value(element)
            return [read() for _ in range(count)]
        return self.read_numbers(SCALAR_FORMATS[kind])[0]

    def read_tensor_info(self) -> tuple[str, int, tuple[int, ...], int]:
        """A tensor's name, kind, shape and offset."""
        name = self.read_text()
        (dimensions,) = self.read_numbers("I")
        if dimensions > MAX_DIMENSIONS:
            raise ValueError("a tensor of too many dimensions")
        shape = self.read_numbers(f"{dimensions}Q")[::-1]
        kind, offset = self.read_numbers("IQ")
        return name, kind, shape, offset


def read_header(data: memoryview) -> GgufHeader:
    """The head of a file; raises ValueError where it is no whole GGUF file."""
    try:
        magic, version = unpack_from("<4sI", data)
        if magic != b"GGUF" or version not in VERSIONS:
            raise ValueError("no GGUF file of a version that is read here")
        cursor = HeaderReader(data)
        cursor.position = 8
        tensors, entries = cursor.read_numbers("QQ")
        metadata = {}
        for _ in range(entries):
            key = cursor.read_text()
            metadata[key] = cursor.read_value(*cursor.read_numbers("I"))
        found = [cursor.read_tensor_info() for _ in range(tensors)]
    except (error, KeyError, RecursionError) as cause:
        raise ValueError("the head is damaged") from cause
    alignment = metadata.get("general.alignment", GGUF_DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment <= 0:
        raise ValueError("no alignment")
    start = -(-cursor.position // alignment) * alignment
    stored = {
        name: GgufTensor(k, shape, start + at, start + at + tensor_bytes(k, shape)) for name, k, shape, at in found
    }
    if any(tensor.end > len(data) for tensor in stored.values()):
        raise ValueError("a tensor goes beyond the end")
    return GgufHeader(metadata, stored)


def tensor_bytes(kind: int, shape: tuple[int, ...]) -> int:
    """How many bytes a tensor takes; 0 for kinds that the gguf package does not know, which are refused when read."""
    if kind not in set(GGMLQuantizationType):
        return 0
    block, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
    if block > 1 and (not shape or shape[-1] % block):
        raise ValueError("a row that is no whole number of blocks")
    return prod(shape) // block * size
