"""Reads the header of a GGUF file: its metadata, and where each tensor is in the file. The tensors are not read.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The gguf package can read it too, but makes an
array of every string, which takes a second for every 50,000 tokens of the vocabulary.
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
    """Where a tensor is in a file, and how it is stored."""

    kind: int  # a value of GGMLQuantizationType
    shape: tuple[int, ...]  # in PyTorch's order
    start: int  # byte offsets in the file
    end: int


@dataclass(frozen=True)
class GgufHeader:
    """What the header of a GGUF file says."""

    metadata: dict[str, Any]
    tensors: dict[str, GgufTensor]


class HeaderReader:
    """Reads values from the bytes of a file, one after the other."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.position = data, 0

    def read_numbers(self, form: str) -> tuple[Any, ...]:
        """Little-endian numbers, in the notation of the struct module."""
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
        """One value of the metadata, of a type by its GGUF number."""
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
        """A tensor's name, kind, shape and offset from the start of all tensors."""
        name = self.read_text()
        (dimensions,) = self.read_numbers("I")
        if dimensions > MAX_DIMENSIONS:
            raise ValueError("a tensor has too many dimensions")
        shape = self.read_numbers(f"{dimensions}Q")[::-1]
        kind, offset = self.read_numbers("IQ")
        return name, kind, shape, offset


def read_header(data: memoryview) -> GgufHeader:
    """The header of a file; raises ValueError if it is not a complete GGUF file."""
    try:
        magic, version = unpack_from("<4sI", data)
        if magic != b"GGUF" or version not in VERSIONS:
            raise ValueError("not a GGUF file of a supported version")
        reader = HeaderReader(data)
        reader.position = 8
        tensor_count, entry_count = reader.read_numbers("QQ")
        metadata = {}
        for _ in range(entry_count):
            key = reader.read_text()
            metadata[key] = reader.read_value(*reader.read_numbers("I"))
        infos = [reader.read_tensor_info() for _ in range(tensor_count)]
    except (error, KeyError, RecursionError) as cause:
        raise ValueError("the header is damaged") from cause
    alignment = metadata.get("general.alignment", GGUF_DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment <= 0:
        raise ValueError("the alignment is not a positive integer")
    first = -(-reader.position // alignment) * alignment  # the tensors begin at a multiple of the alignment
    tensors = {}
    for name, kind, shape, offset in infos:
        start = first + offset
        tensors[name] = GgufTensor(kind, shape, start, start + tensor_bytes(kind, shape))
        if tensors[name].end > len(data):
            raise ValueError("a tensor goes beyond the end")
    return GgufHeader(metadata, tensors)


def tensor_bytes(kind: int, shape: tuple[int, ...]) -> int:
    """How many bytes a tensor takes; 0 for kinds unknown to the gguf package, which are refused when they are read."""
    if kind not in set(GGMLQuantizationType):
        return 0
    block, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
    if block > 1 and (not shape or shape[-1] % block):
        raise ValueError("a row is not a whole number of blocks")
    return prod(shape) // block * size
