"""Opens GGUF files: shape and tokenizer from the metadata, tensors one by one. Quantised tensors become float32.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The gguf package can read the header too, but
makes an array of every string, which takes a second for every 50,000 tokens of the vocabulary.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod
from pathlib import Path
from struct import Struct, error, unpack_from
from typing import Any, NamedTuple

import gguf
import numpy
import torch
from gguf import GGMLQuantizationType as Kind
from torch import Tensor

from maps.errors import MapsError
from maps.weights.checkpoint import Checkpoint
from maps.weights.families import family_of_architecture
from maps.weights.gguf_tokens import read_vocabulary
from maps.weights.layers import fit_layers
from maps.weights.shape import ConfigEntries, read_gguf_latent, read_gguf_routing, read_shape
from maps.weights.stored import StoredTensor
from maps.weights.tokens import fit_to_embedding, translate_panics
from maps.weights.unreadable import has_experts, has_separate_experts
from maps.weights.weight_files import name_files

BLOCK = 1 << 22  # values that are dequantised at once, and bytes that are hashed at once
PLAIN_DTYPES = {Kind.F32: torch.float32, Kind.F16: torch.float16, Kind.BF16: torch.bfloat16}
VERSIONS = (2, 3)
STRING_TYPE, ARRAY_TYPE = 8, 9
MAX_DIMENSIONS = 4
MAX_HEADER_BYTES = 128 << 20  # of metadata and tensors' names: ten times what the largest vocabularies take
MAX_ARRAY, MAX_ENTRIES, MAX_TENSORS = 1 << 23, 1 << 16, 1 << 20
PART_PATTERN = re.compile(r"(?P<name>.+)-\d{5}-of-(?P<count>\d{5})\.gguf")  # of a model in several files
SCALAR_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
LENGTH_FORMAT = Struct("<Q")


class GgufTensor(NamedTuple):
    """Where a tensor is in a file, and how it is stored."""

    kind: int  # a value of GGMLQuantizationType
    shape: tuple[int, ...]  # in PyTorch's order
    start: int  # byte offsets in the file
    end: int


class GgufHeader(NamedTuple):
    """What the header of a GGUF file says."""

    metadata: dict[str, Any]
    tensors: dict[str, GgufTensor]


class UnsupportedVersionError(Exception):
    """Raised for a GGUF file of a version that is not read."""


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
            if count > min(len(self.data), MAX_ARRAY):
                raise ValueError("an array goes beyond the end, or is too long")
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
        if magic != b"GGUF":
            raise ValueError("not a GGUF file")
        if version not in VERSIONS:
            raise UnsupportedVersionError(version)
        reader = HeaderReader(data[:MAX_HEADER_BYTES])
        reader.position = 8
        tensor_count, entry_count = reader.read_numbers("QQ")
        if tensor_count > MAX_TENSORS or entry_count > MAX_ENTRIES:
            raise ValueError("the header is too long")
        metadata = {}
        for _ in range(entry_count):
            key = reader.read_text()
            metadata[key] = reader.read_value(*reader.read_numbers("I"))
        infos = [reader.read_tensor_info() for _ in range(tensor_count)]
    except (error, KeyError, RecursionError) as cause:
        raise ValueError("the header is damaged") from cause
    alignment = metadata.get("general.alignment", gguf.GGUF_DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment <= 0:
        raise ValueError("the alignment is not a positive integer")
    first = -(-reader.position // alignment) * alignment  # the tensors begin at a multiple of the alignment
    tensors: dict[str, GgufTensor] = {}
    for name, kind, shape, offset in infos:
        if name in tensors:
            raise ValueError("two tensors have one name")
        start = first + offset
        tensors[name] = GgufTensor(kind, shape, start, start + tensor_bytes(kind, shape))
        if tensors[name].end > len(data):
            raise ValueError("a tensor goes beyond the end")
    return GgufHeader(metadata, tensors)


def tensor_bytes(kind: int, shape: tuple[int, ...]) -> int:
    """How many bytes a tensor takes; 0 for kinds unknown to the gguf package, which are refused when they are read."""
    if kind not in set(Kind):
        return 0
    block, size = gguf.GGML_QUANT_SIZES[Kind(kind)]
    if block > 1 and (not shape or shape[-1] % block):
        raise ValueError("a row is not a whole number of blocks")
    return prod(shape) // block * size


class GgufPart(NamedTuple):
    """A file of a model: the only one, or one of several."""

    path: Path
    data: memoryview
    header: GgufHeader


class GgufFile:
    """The tensors of a GGUF file, or of all its parts."""

    def __init__(self, *parts: GgufPart) -> None:
        self.part_of_tensor = {name: part for part in parts for name in part.header.tensors}
        self.tensor_names = set(self.part_of_tensor)

    def names(self) -> set[str]:
        return self.tensor_names

    def locate(self, name: str) -> tuple[GgufPart, GgufTensor]:
        """The file with a tensor, and where it is there."""
        part = self.part_of_tensor[name]
        return part, part.header.tensors[name]

    def shape(self, name: str) -> tuple[int, ...]:
        return self.locate(name)[1].shape

    def read(self, name: str) -> Tensor:
        part, stored = self.locate(name)
        content = numpy.frombuffer(part.data[stored.start : stored.end], dtype=numpy.uint8)
        if stored.kind in PLAIN_DTYPES:
            return torch.from_numpy(content.copy()).view(PLAIN_DTYPES[Kind(stored.kind)]).view(stored.shape)
        try:
            return dequantise(content, stored)
        except (NotImplementedError, KeyError, ValueError) as error:
            kind = {kind.value: kind.name for kind in Kind}.get(stored.kind, f"type {stored.kind}")
            raise MapsError(
                f"{part.path} stores {name} as {kind}, which is not supported; use a file of another kind, such as "
                "F16, Q8_0 or Q4_K."
            ) from error

    def stored_tensor(self, name: str) -> StoredTensor:
        """One tensor as it lies in the file, read from disk so that its pages do not count as memory."""
        part, stored = self.locate(name)
        return StoredTensor(str(stored.kind), stored.shape, read_blocks(part.path, stored.start, stored.end))


def read_blocks(path: Path, start: int, end: int) -> Iterator[memoryview]:
    """A range of a file, in blocks that share their memory."""
    block = memoryview(bytearray(min(BLOCK, end - start)))
    with path.open("rb") as file:
        file.seek(start)
        while start < end:
            count = file.readinto(block[: end - start])
            if not count:
                raise MapsError(f"{path} was cut off while it was read; wait until it is written, and try again.")
            start += count
            yield block[:count]


def dequantise(content: numpy.ndarray, tensor: GgufTensor) -> Tensor:
    """A quantised tensor's bytes as float32; a few rows at a time, so that numpy's intermediate values stay small."""
    kind, width = Kind(tensor.kind), tensor.shape[-1]
    block, size = gguf.GGML_QUANT_SIZES[kind]
    rows = content.reshape(-1, width // block * size)
    out = torch.empty(len(rows), width)
    step = max(1, BLOCK // width)
    for start in range(0, len(rows), step):
        out[start : start + step] = torch.from_numpy(gguf.dequantize(rows[start : start + step], kind))
    return out.view(tensor.shape)


def read_gguf(path: Path) -> GgufPart:
    """A GGUF file, mapped into memory, and its header; raises MapsError if it is not a GGUF file or is cut off."""
    try:
        with path.open("rb") as file:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return GgufPart(path, data, read_header(data))
    except OSError as error:
        raise MapsError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnsupportedVersionError as error:
        raise MapsError(
            f"{path} is a GGUF file of version {error}; only little-endian files of versions 2 and 3 are read."
        ) from error
    except ValueError as error:
        raise MapsError(f"{path} is not a complete GGUF file: it may be cut off; download it again.") from error


def read_parts(path: Path) -> list[GgufPart]:
    """All files of the model that a GGUF file belongs to, in order; raises MapsError if some are missing."""
    given = read_gguf(path)
    count = given.header.metadata.get("split.count", 0)
    if count in (0, 1):
        return [given]
    match = PART_PATTERN.fullmatch(path.name)
    if match is None or int(match["count"]) != count:
        raise MapsError(
            f"{path} is one of {count} parts of a model, but its name does not say which; give all parts their names "
            f"back, such as {path.stem}-00001-of-{count:05}.gguf."
        )
    names = [f"{match['name']}-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1)]
    missing = [name for name in names if not (path.parent / name).exists()]
    if missing:
        raise MapsError(f"{path.parent} lacks {name_files(missing)}; download the rest of the model.")
    parts = [read_gguf(path.parent / name) for name in names]
    holders: dict[str, Path] = {}
    for part in parts:
        for name in part.header.tensors:
            if name in holders:
                raise MapsError(f"{holders[name]} and {part.path} both hold {name}; download the model again.")
            holders[name] = part.path
    return parts


def gguf_title(path: Path) -> str:
    """What the model in a GGUF file is called: the file's name, of a part that of the whole."""
    match = PART_PATTERN.fullmatch(path.name)
    return path.stem if match is None else match["name"]


def open_gguf(path: Path, model: str, revision: str | None = None) -> Checkpoint:
    """A checkpoint from a GGUF file; `revision` is its package's version if it comes with one."""
    parts = read_parts(path)
    metadata = parts[0].header.metadata
    source = GgufFile(*parts)
    if metadata.get("general.type") == "adapter":
        raise MapsError(f"{path} is an adapter, not a model; merge it into its model with `llama-export-lora`.")
    if "general.architecture" not in metadata:
        raise MapsError(f"{path} does not say its general.architecture, so the family is not known; use another file.")
    architecture = str(metadata["general.architecture"])
    names = source.names()
    if has_separate_experts(names):
        raise MapsError(
            f"{path} keeps every expert in a tensor of its own, as files of before April 2024 did, which is not read; "
            "use a newer file of the model."
        )
    is_mixture = has_experts(names)
    family = family_of_architecture(architecture, is_mixture, model).variant(metadata, names)
    assert family.gguf is not None  # it has an architecture
    if is_mixture and family.routing is None:
        raise MapsError(
            f"{model} is a mixture of experts of the family {architecture}, which is read without experts only; use a "
            "model without experts."
        )
    entries = ConfigEntries(str(path), metadata, {}, family.layer_kinds is not None)
    shape = read_shape(architecture, entries, family.gguf_keys, family.activation, family.scales_embeddings)
    if family.routing is not None:
        shape = replace(shape, routing=read_gguf_routing(entries, architecture, family.routing))
    if family.has_latents:
        shape = replace(shape, latent=read_gguf_latent(entries, architecture))
    with translate_panics(f"{path} has no readable tokenizer", "use a file with one"):
        vocabulary = read_vocabulary(metadata)
    embedding = family.gguf.names["embedding"]
    if embedding in names:
        vocabulary = fit_to_embedding(vocabulary, source.shape(embedding)[0], model)
    checkpoint = Checkpoint(model, revision, shape, vocabulary, source, family, family.gguf)
    checkpoint = fit_layers(checkpoint, entries)
    # A file without some of them is refused before work begins.
    checkpoint.needed_tensors(checkpoint.shape.layers_with_heads)
    return checkpoint
