"""Opens GGUF files: shape and tokenizer from the metadata, tensors one by one. Quantised tensors become float32."""

from __future__ import annotations

import hashlib
import mmap
from pathlib import Path

import gguf
import numpy
import torch
from gguf import GGMLQuantizationType as Kind
from torch import Tensor

from maps.errors import MapsError
from maps.weights.checkpoint import Checkpoint
from maps.weights.families import family_of_architecture
from maps.weights.gguf_header import GgufHeader, GgufTensor, read_header
from maps.weights.gguf_tokens import read_vocabulary
from maps.weights.shape import ConfigEntries, read_shape
from maps.weights.tokens import check_embedding_fits

REVISION_BYTES = 1 << 20  # bytes of the file that are hashed for its revision
BLOCK = 1 << 22  # values that are dequantised at once
PLAIN_DTYPES = {Kind.F32: torch.float32, Kind.F16: torch.float16, Kind.BF16: torch.bfloat16}


class GgufFile:
    """The tensors of one GGUF file."""

    def __init__(self, path: Path, data: memoryview, header: GgufHeader) -> None:
        self.path, self.data, self.header = path, data, header
        self.tensor_names = set(header.tensors)

    def names(self) -> set[str]:
        return self.tensor_names

    def shape(self, name: str) -> tuple[int, ...]:
        return self.header.tensors[name].shape

    def read(self, name: str) -> Tensor:
        stored = self.header.tensors[name]
        content = numpy.frombuffer(self.data[stored.start : stored.end], dtype=numpy.uint8)
        if stored.kind in PLAIN_DTYPES:
            return torch.from_numpy(content.copy()).view(PLAIN_DTYPES[Kind(stored.kind)]).view(stored.shape)
        try:
            return dequantise(content, stored)
        except (NotImplementedError, KeyError, ValueError) as error:
            kind = {kind.value: kind.name for kind in Kind}.get(stored.kind, f"type {stored.kind}")
            raise MapsError(
                f"{self.path} stores {name} as {kind}, which is not supported; "
                "use a file quantised as F16, BF16, Q8_0, Q4_0, Q4_1, Q4_K, Q5_K or Q6_K."
            ) from error


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


def read_gguf(path: Path) -> tuple[memoryview, GgufHeader]:
    """A GGUF file, mapped into memory, and its header; raises MapsError if it is not a GGUF file or is cut off."""
    try:
        with path.open("rb") as file:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return data, read_header(data)
    except OSError as error:
        raise MapsError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise MapsError(f"{path} is not a complete GGUF file: it may be cut off; download it again.") from error


def open_gguf(path: Path, model: str, revision: str | None = None) -> Checkpoint:
    """A checkpoint from a GGUF file; `revision` is by default a hash of the file's beginning."""
    data, header = read_gguf(path)
    metadata = header.metadata
    if metadata.get("split.count", 0) not in (0, 1):
        raise MapsError(f"{path} is one of several parts of a model; merge them with `llama-gguf-split --merge`.")
    architecture = str(metadata.get("general.architecture", "unknown"))
    family = family_of_architecture(architecture, model)
    entries = ConfigEntries(str(path), metadata, {})
    shape = read_shape(architecture, entries, family.gguf_keys, family.activation, family.scales_embeddings)
    try:
        vocabulary = read_vocabulary(metadata)
    except Exception as error:  # the tokenizers library raises nothing narrower
        raise MapsError(f"{path} has no readable tokenizer; use a file with one.") from error
    embedding = header.tensors.get(family.gguf.names["embedding"])
    if embedding is not None:
        check_embedding_fits(vocabulary, embedding.shape[0], model)
    source = GgufFile(path, data, header)
    checkpoint = Checkpoint(model, revision or file_revision(path), shape, vocabulary, source, family, family.gguf)
    checkpoint.needed_tensors(range(shape.layers))  # refuses a file without some of them before work begins
    return checkpoint


def file_revision(path: Path) -> str:
    """A revision for a file: a hash of its size and its first mebibyte, which usually has all metadata."""
    with path.open("rb") as file:
        head = file.read(REVISION_BYTES)
    return hashlib.sha256(f"{path.stat().st_size}:".encode() + head).hexdigest()[:16]
