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
STRING, ARRAY = 8, 9
DIMENSIONS = 4
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
LENGTH = Struct("<Q")


class Stored(NamedTuple):
    """A tensor of a file: `kind` as the file names it, shape as PyTorch has it, and where its bytes begin and end."""

    kind: int
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Header:
    """The head of a file."""

    metadata: dict[str, Any]
    tensors: dict[str, Stored]


class Cursor:
    """Reads one thing after another from the bytes of a file."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.at = data, 0

    def numbers(self, form: str) -> tuple[Any, ...]:
        """Numbers in the struct module's notation."""
        packed = Struct("<" + form)
        self.at += packed.size
        return packed.unpack_from(self.data, self.at - packed.size)

    def text(self) -> str:
        """A string: its length in bytes, then UTF-8."""
        (length,) = LENGTH.unpack_from(self.data, self.at)
        start, self.at = self.at + 8, self.at + 8 + length
        if self.at > len(self.data):
            raise ValueError("a string goes beyond the end")
        return str(self.data[start : self.at], "utf-8")

    def value(self, kind: int) -> Any:
        """A value of metadata."""
        if kind == STRING:
            return self.text()
        if kind == ARRAY:
            element, count = self.numbers("IQ")
            if count > len(self.data):
                raise ValueError("an array goes beyond the end")
            if element in SCALARS:
                return list(self.numbers(f"{count}{SCALARS[element]}"))
            read: Callable[[], Any] = self.text if element == STRING else lambda: self.value(element)
            return [read() for _ in range(count)]
        return self.numbers(SCALARS[kind])[0]

    def tensor(self) -> tuple[str, int, tuple[int, ...], int]:
        """A tensor's name, kind, shape and offset."""
        name = self.text()
        (dimensions,) = self.numbers("I")
        if dimensions > DIMENSIONS:
            raise ValueError("a tensor of too many dimensions")
        shape = self.numbers(f"{dimensions}Q")[::-1]
        kind, offset = self.numbers("IQ")
        return name, kind, shape, offset


def read_header(data: memoryview) -> Header:
    """The head of a file; raises ValueError where it is no whole GGUF file."""
    try:
        magic, version = unpack_from("<4sI", data)
        if magic != b"GGUF" or version not in VERSIONS:
            raise ValueError("no GGUF file of a version that is read here")
        cursor = Cursor(data)
        cursor.at = 8
        tensors, entries = cursor.numbers("QQ")
        metadata = {}
        for _ in range(entries):
            key = cursor.text()
            metadata[key] = cursor.value(*cursor.numbers("I"))
        found = [cursor.tensor() for _ in range(tensors)]
    except (error, KeyError, RecursionError) as cause:
        raise ValueError("the head is damaged") from cause
    alignment = metadata.get("general.alignment", GGUF_DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment <= 0:
        raise ValueError("no alignment")
    start = -(-cursor.at // alignment) * alignment
    stored = {name: Stored(k, shape, start + at, start + at + size_of(k, shape)) for name, k, shape, at in found}
    if any(tensor.end > len(data) for tensor in stored.values()):
        raise ValueError("a tensor goes beyond the end")
    return Header(metadata, stored)


def size_of(kind: int, shape: tuple[int, ...]) -> int:
    """How many bytes a tensor takes; 0 for kinds that the gguf package does not know, which are refused when read."""
    if kind not in set(GGMLQuantizationType):
        return 0
    block, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
    if block > 1 and (not shape or shape[-1] % block):
        raise ValueError("a row that is no whole number of blocks")
    return prod(shape) // block * size
