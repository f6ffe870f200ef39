"""Tensors of safetensors files on the Hub: each is fetched by its byte range when it is asked for, and kept."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote

import torch
from huggingface_hub import HfApi, constants, get_session, hf_hub_url
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]
from torch import Tensor

from maps.errors import HubError, MapsError, RangesUnsupportedError
from maps.hub.errors import RETRY_WAITS, call_with_retries, translate_hub_errors
from maps.weights.stored import SafetensorsFiles, tensor_names_in

MAX_HEADER_BYTES = 100_000_000  # bytes, as the safetensors library has it
SAFETENSORS_DTYPES = {
    **{"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16},
    **{"F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "BOOL": torch.bool, "U8": torch.uint8},
    **{"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8},
}


class SafetensorsEntry(NamedTuple):
    """A tensor in a file: its bytes are those from `start` to before `stop`."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True)
class HubSnapshot:
    """A model on the Hub at one commit: `folder` is its place in the Hub's cache, `tensor_folder` the place of its tensors."""

    api: HfApi
    model: str
    folder: Path
    tensor_folder: Path
    file_sizes: Mapping[str, int]
    cache: Path | None = None
    retry_waits: Sequence[float] = RETRY_WAITS

    @property
    def commit(self) -> str:
        """The commit's hash."""
        return self.folder.name

    def file_size(self, file: str) -> int:
        """A file's length; raises MapsError where the repository has no such file."""
        if file not in self.file_sizes:
            raise MapsError(
                f"{self.model} on the Hub lacks {file}, which its index lists; take another revision or another model."
            )
        return self.file_sizes[file]

    def fetch_file(self, file: str) -> Path:
        """A file in the Hub's cache; downloaded where it is not there."""
        path = self.folder / file
        if not path.exists():
            with translate_hub_errors("model", self.model):
                call_with_retries(self.download_call(file), self.retry_waits)
        return path

    def download_call(self, file: str) -> Any:
        """A call that downloads a file."""
        return lambda: self.api.hf_hub_download(self.model, file, revision=self.commit, cache_dir=self.cache)

    def fetch_range(self, file: str, name: str, start: int, stop: int) -> Path:
        """The bytes of a file from `start` to before `stop`, kept on disk as `name`; raises RangesUnsupportedError."""
        place = self.tensor_folder / file / name
        if place.exists() and place.stat().st_size == stop - start:
            return place
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_name(f".{name}.{os.getpid()}")
        try:
            with (
                beside.open("wb") as out,
                wrap_with_progress_bar(out, name, stop - start) as shown,
                translate_hub_errors("model", self.model),
            ):
                self.write_range(shown, file, start, stop)
            beside.replace(place)
        finally:
            beside.unlink(missing_ok=True)
        return place

    def write_range(self, out: BinaryIO, file: str, start: int, stop: int) -> None:
        """Writes a range; where a connection was dropped, asks for the rest and starts the waits again."""
        call_with_retries(lambda: self.request_range(out, file, start, stop), self.retry_waits, received_bytes=out.tell)

    def request_range(self, out: BinaryIO, file: str, start: int, stop: int) -> None:
        """One request for what of a range is still missing."""
        url = hf_hub_url(self.model, file, revision=self.commit, endpoint=self.api.endpoint)
        first = start + out.tell()
        headers = build_hf_headers(token=self.api.token)
        headers |= {"Range": f"bytes={first}-{stop - 1}", "Accept-Encoding": "identity"}
        timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
        with get_session().stream("GET", url, headers=headers, timeout=timeout) as response:
            hf_raise_for_status(response)
            if not response.headers.get("Content-Range", "").startswith(f"bytes {first}-{stop - 1}/"):
                raise RangesUnsupportedError(f"{url} is only sent whole.")
            for chunk in response.iter_raw():
                out.write(chunk)
        missing = stop - start - out.tell()
        if missing:
            raise HubError(
                f"{missing:,} bytes of {file} of {self.model} did not arrive; check the network and try again.",
                is_retryable=True,
            )


def wrap_with_progress_bar(out: BinaryIO, name: str, size: int) -> Any:
    """The file with a bar that moves as it is written, where that takes long."""
    from tqdm import tqdm

    bar = {"unit": "B", "unit_scale": True, "leave": False, "delay": 2, "dynamic_ncols": True}
    return tqdm.wrapattr(out, "write", total=size, desc=name, **bar)


class RangedSafetensors:
    """The tensors of a snapshot's safetensors files; `file_of_tensor` says which file holds which, as an index does.

    A file that is in the Hub's cache is read there. A server that does not send ranges is asked for whole files, and
    only for those whose tensors are wanted.
    """

    def __init__(
        self, snapshot: HubSnapshot, files: Sequence[str], file_of_tensor: Mapping[str, str] | None = None
    ) -> None:
        self.snapshot = snapshot
        self.headers: dict[str, dict[str, SafetensorsEntry]] = {}
        self.has_range_support = True
        self.file_of_tensor = (
            dict(file_of_tensor)
            if file_of_tensor is not None
            else {n: file for file in files for n in self.tensor_names_in(file)}
        )
        self.tensor_names = set(self.file_of_tensor)

    def names(self) -> set[str]:
        """The names of all tensors."""
        return self.tensor_names

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape, from the head of its file."""
        entry = self.entry(name)
        return self.fetch_whole_file(name).shape(name) if entry is None else entry.shape

    def read(self, name: str) -> Tensor:
        """One tensor, in the dtype that it is stored in."""
        entry = self.entry(name)
        if entry is None:
            return self.fetch_whole_file(name).read(name)
        try:
            path = self.snapshot.fetch_range(
                self.file_of_tensor[name], f"{quote(name, safe='')}.tensor", entry.start, entry.stop
            )
        except RangesUnsupportedError:
            self.has_range_support = False
            return self.fetch_whole_file(name).read(name)
        flat = torch.from_file(str(path), shared=False, size=math.prod(entry.shape), dtype=entry.dtype)
        return flat.view(entry.shape)

    def fetch_whole_file(self, name: str) -> SafetensorsFiles:
        """The whole file that holds a tensor."""
        return SafetensorsFiles({name: self.snapshot.fetch_file(self.file_of_tensor[name])})

    def entry(self, name: str) -> SafetensorsEntry | None:
        """Where a tensor lies in its file; None where the file is to be read whole."""
        file = self.file_of_tensor[name]
        header = self.header(file)
        if header is not None and name not in header:
            raise MapsError(f"{file} of {self.snapshot.model} lacks {name}, which its index lists; take another model.")
        return None if header is None else header[name]

    def tensor_names_in(self, file: str) -> list[str]:
        """The tensors of a file."""
        header = self.header(file)
        if header is None:
            return tensor_names_in(self.snapshot.fetch_file(file))
        return list(header)

    def header(self, file: str) -> dict[str, SafetensorsEntry] | None:
        """What a file says of its tensors; None where it is in the cache or its server sends whole files only."""
        if not self.has_range_support or (self.snapshot.folder / file).exists():
            return None
        if file not in self.headers:
            try:
                self.headers[file] = read_header(self.snapshot, file)
            except RangesUnsupportedError:
                self.has_range_support = False
                return None
        return self.headers[file]


def read_header(snapshot: HubSnapshot, file: str) -> dict[str, SafetensorsEntry]:
    """The tensors of a safetensors file by its head; raises MapsError where that is damaged, and forgets it."""
    size = snapshot.file_size(file)
    length = 0 if size < 8 else int.from_bytes(snapshot.fetch_range(file, "length", 0, 8).read_bytes(), "little")
    content = b""
    if 0 < length <= min(MAX_HEADER_BYTES, size - 8):
        content = snapshot.fetch_range(file, "head", 8, 8 + length).read_bytes()
    try:
        return parse_header(content, size)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        for name in ("length", "head"):
            (snapshot.tensor_folder / file / name).unlink(missing_ok=True)
        raise MapsError(
            f"{file} of {snapshot.model} on the Hub is no whole safetensors file; take another revision."
        ) from error


def parse_header(head: bytes, size: int) -> dict[str, SafetensorsEntry]:
    """The tensors that the head of a file of this size speaks of; raises what `parse_entry` does."""
    start = 8 + len(head)
    entries = {name: parse_entry(tensor, start) for name, tensor in json.loads(head).items() if name != "__metadata__"}
    if max((entry.stop for entry in entries.values()), default=start) != size:
        raise ValueError("The head speaks of another length")
    return entries


def parse_entry(tensor: Mapping[str, Any], offset: int) -> SafetensorsEntry:
    """One tensor of a head; raises ValueError, KeyError or TypeError where it does not add up."""
    dtype, shape, (start, stop) = SAFETENSORS_DTYPES[tensor["dtype"]], tuple(tensor["shape"]), tensor["data_offsets"]
    if any(type(n) is not int or n < 0 for n in (*shape, start, stop)):
        raise ValueError(f"{tensor} holds what is no count")
    if math.prod(shape) * dtype.itemsize != stop - start:
        raise ValueError(f"{tensor} has a length that does not fit its shape")
    return SafetensorsEntry(dtype, shape, offset + start, offset + stop)
