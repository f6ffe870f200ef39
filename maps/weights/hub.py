"""Opens models on the Hugging Face Hub. Only the needed tensors are downloaded, and no code of a model is run.

A safetensors file begins with the length of its header (8 bytes) and the header, JSON with the byte range of every
tensor. Both are requested first; a tensor's range is requested when the tensor is read. All of it is kept on disk.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import quote

import torch
from huggingface_hub import HfApi, constants, get_cached_repo_tree, get_session, hf_hub_url
from huggingface_hub.errors import CachedRepoTreeNotFoundError
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]
from torch import Tensor

from maps.errors import HubError, MapsError, RangesUnsupportedError
from maps.files.atomic import atomic_writer
from maps.hub.errors import RETRY_WAITS, call_with_retries, translate_hub_errors
from maps.progress import bar_class
from maps.weights.checkpoint import Checkpoint, TensorSource
from maps.weights.folder import build_checkpoint, read_adapter, read_index
from maps.weights.stored import BinFiles, SafetensorsFiles, SplitSource, StoredTensor, tensor_names_in
from maps.weights.unreadable import explain_missing_config, explain_missing_weights
from maps.weights.weight_files import BIN, SAFETENSORS, WeightFiles, check_index, choose_weight_files, place_tensors

SMALL_FILE_PATTERNS = [
    *("config.json", "tokenizer*", "vocab.*", "merges.txt", "special_tokens_map.json", "added_tokens.json"),
    *(SAFETENSORS.index, BIN.index, "adapter_config.json"),
]
HUB_REMEDY = "use another revision or another model"
HUB_CHOICE = "download the files that belong together into a folder and give that"
MAX_HEADER_BYTES = 25_000_000  # of 200,000 tensors; a file with a longer header is refused
MAX_DIMENSIONS = 16
SAFETENSORS_DTYPES = {
    **{"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16},
    **{"F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "BOOL": torch.bool, "U8": torch.uint8},
    **{"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8},
    **{"U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16, "F8_E8M0": torch.float8_e8m0fnu},
}


def open_hub_model(
    model: str,
    revision: str | None = None,
    api: HfApi | None = None,
    home: Path | None = None,
    waits: Sequence[float] = RETRY_WAITS,
) -> Checkpoint:
    """A model by its Hub id; raises MapsError if it does not exist or cannot be read.

    Small files are kept in the Hub's cache and tensors in `HF_HOME/maps`, so a model that was read once is read again
    without the network. `home` replaces HF_HOME; `waits` are the seconds between retries.
    """
    api = api or HfApi()
    cache = None if home is None else home / "hub"

    def small_files() -> str:
        return api.snapshot_download(model, revision=revision, allow_patterns=SMALL_FILE_PATTERNS, cache_dir=cache)

    with translate_hub_errors("model", model):
        folder = Path(call_with_retries(small_files, waits))
    tensors = (home or Path(constants.HF_HOME)) / "maps" / f"models--{model.replace('/', '--')}" / folder.name
    snapshot = HubSnapshot(api, model, folder, tensors, list_file_sizes(model, folder, cache), cache, waits)
    if not (folder / "config.json").exists():
        raise MapsError(explain_missing_config(f"{model} on the Hub", snapshot.file_sizes, read_adapter(folder)))
    source, names = partial(open_tensor_source, snapshot), tuple(snapshot.file_sizes)
    return build_checkpoint(folder, source, model, snapshot.commit, is_on_disk=False, names=names)


def list_file_sizes(model: str, folder: Path, cache: Path | None) -> dict[str, int]:
    """The sizes in bytes of the files at a model's commit; without a cached list, of those that were downloaded."""
    try:
        tree = get_cached_repo_tree(model, revision=folder.name, cache_dir=cache)
    except CachedRepoTreeNotFoundError:
        return {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    return {file.path: file.size for file in tree if "/" not in file.path}


def open_tensor_source(snapshot: HubSnapshot) -> TensorSource:
    """The snapshot's weights: safetensors files, or else PyTorch's .bin files."""
    chosen = choose_weight_files(snapshot.file_sizes)
    if chosen is None:
        owner = f"{snapshot.model} on the Hub"
        raise MapsError(explain_missing_weights(owner, snapshot.file_sizes, read_adapter(snapshot.folder)))
    if chosen.index is None:
        if chosen.form is SAFETENSORS:
            return RangedSafetensors(snapshot, chosen.files)
        return BinFiles.from_files([snapshot.fetch_file(file) for file in chosen.files])
    places = read_index(snapshot.folder / chosen.index)
    check_index(chosen, {path.name for path in places.values()}, f"{snapshot.model} on the Hub", HUB_CHOICE)
    if chosen.form is SAFETENSORS:
        return RangedSafetensors(snapshot, chosen.files, {name: path.name for name, path in places.items()})
    return HubBinFiles(snapshot, places, chosen)


class HubBinFiles(BinFiles):
    """Tensors of .bin files; a file is downloaded when one of its tensors is first read."""

    remedy, completion, choice = HUB_REMEDY, HUB_REMEDY, HUB_CHOICE

    def __init__(self, snapshot: HubSnapshot, file_of_tensor: Mapping[str, Path], chosen: WeightFiles) -> None:
        super().__init__(file_of_tensor, files=[snapshot.folder / file for file in chosen.files])
        self.index, self.snapshot = f"{chosen.index} of {snapshot.model}", snapshot

    def check_files(self, names: Iterable[str], readable: Collection[str] = ()) -> None:
        """Checks nothing: files that are missing are downloaded later."""

    def names_in_file(self, file: str) -> Collection[str]:
        """The tensors of a file that was downloaded; raises MapsError for others, which may be large."""
        if not (self.folder / file).exists():
            raise MapsError(f"{file} of {self.snapshot.model} is not downloaded.")
        return super().names_in_file(file)

    def file_holding(self, name: str) -> Path:
        return self.snapshot.fetch_file(self.file_of_tensor[name].name)


class SafetensorsEntry(NamedTuple):
    """A tensor's place in a file."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int  # its first byte
    stop: int  # the byte after its last


@dataclass(frozen=True)
class HubSnapshot:
    """A model on the Hub at one commit, and where its files are kept on this machine."""

    api: HfApi
    model: str
    folder: Path  # of the commit in the Hub's cache
    tensor_folder: Path  # for headers and tensors that were fetched by their byte range
    file_sizes: Mapping[str, int]  # in bytes
    cache: Path | None = None  # the Hub's cache; None: the usual one
    retry_waits: Sequence[float] = RETRY_WAITS  # seconds

    @property
    def commit(self) -> str:
        return self.folder.name

    def file_size(self, file: str) -> int:
        """A file's size in bytes; raises MapsError if the repository has no such file."""
        if file not in self.file_sizes:
            raise MapsError(
                f"{self.model} on the Hub lacks {file}, which its index lists; use another revision or another model."
            )
        return self.file_sizes[file]

    def fetch_file(self, file: str) -> Path:
        """A file in the Hub's cache, downloaded if it is not there."""
        path = self.folder / file

        def download() -> str:
            return self.api.hf_hub_download(self.model, file, revision=self.commit, cache_dir=self.cache)

        if not path.exists():
            with translate_hub_errors("model", self.model):
                call_with_retries(download, self.retry_waits)
        return path

    def fetch_range(self, file: str, name: str, start: int, stop: int) -> Path:
        """The bytes of a file from `start` to before `stop`, kept on disk as `name`; raises RangesUnsupportedError."""
        path, size = self.tensor_folder / file / name, stop - start
        if path.exists() and path.stat().st_size == size:
            return path
        # The progress bar is shown if writing takes over two seconds.
        bar = {"unit": "B", "unit_scale": True, "leave": False, "delay": 2, "dynamic_ncols": True}
        with (
            translate_hub_errors("model", self.model),
            atomic_writer(path) as out,
            bar_class().wrapattr(out, "write", total=size, desc=name, **bar) as writer,
        ):
            # After a dropped connection only the rest is requested, and the waits start again.
            request = partial(self.request_range, writer, file, start, stop)
            call_with_retries(request, self.retry_waits, received_bytes=writer.tell)
        return path

    def request_range(self, out: IO[bytes], file: str, start: int, stop: int) -> None:
        """One request for the part of a range that `out` does not have yet."""
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


class RangedSafetensors(SplitSource):
    """The tensors of a snapshot's safetensors files.

    `index` has the file of each tensor; without one the headers of all `files` are read. A file that is in the Hub's
    cache is read there. If the server does not support ranges, whole files are downloaded, each when it is needed.
    """

    remedy, completion, choice = HUB_REMEDY, HUB_REMEDY, HUB_CHOICE

    def __init__(self, snapshot: HubSnapshot, files: Sequence[str], index: Mapping[str, str] | None = None) -> None:
        index_name = None if index is None else f"{SAFETENSORS.index} of {snapshot.model}"
        super().__init__(f"{snapshot.model} on the Hub", index_name, files)
        self.snapshot = snapshot
        self.headers: dict[str, dict[str, SafetensorsEntry]] = {}
        self.has_range_support = True
        if index is None:
            index, self.copies = place_tensors({file: self.names_in_file(file) for file in files})
        self.file_of_tensor = dict(index)
        self.tensor_names = set(self.file_of_tensor)

    def listed_file(self, name: str) -> str:
        return self.file_of_tensor[name]

    def has_file(self, file: str) -> bool:
        return file in self.snapshot.file_sizes

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape, from the header of its file."""
        entry = self.entry(name)
        return self.fetch_whole_file(name).shape(name) if entry is None else entry.shape

    def read(self, name: str) -> Tensor:
        entry = self.entry(name)
        if entry is None:
            return self.fetch_whole_file(name).read(name)
        try:
            file = self.file_of_tensor[name]
            path = self.snapshot.fetch_range(file, f"{quote(name, safe='')}.tensor", entry.start, entry.stop)
        except RangesUnsupportedError:
            self.has_range_support = False
            return self.fetch_whole_file(name).read(name)
        flat = torch.from_file(str(path), shared=False, size=math.prod(entry.shape), dtype=entry.dtype)
        return flat.view(entry.shape)

    def stored_tensor(self, name: str) -> StoredTensor:
        return StoredTensor.from_tensor(self.read(name))

    def fetch_whole_file(self, name: str) -> SafetensorsFiles:
        """Downloads the file that holds a tensor."""
        path = self.snapshot.fetch_file(self.file_of_tensor[name])
        if name not in tensor_names_in(path):
            raise self.lacking_file_error(name)
        return SafetensorsFiles({name: path})

    def entry(self, name: str) -> SafetensorsEntry | None:
        """A tensor's place in its file; None if the whole file is to be read."""
        file = self.file_of_tensor[name]
        if not self.has_file(file):
            raise self.missing_files_error([file], name)
        header = self.header(file)
        if header is None:
            return None
        if name not in header:
            raise self.lacking_file_error(name)
        return header[name]

    def names_in_file(self, file: str) -> Collection[str]:
        header = self.header(file)
        return tensor_names_in(self.snapshot.fetch_file(file)) if header is None else header

    def header(self, file: str) -> dict[str, SafetensorsEntry] | None:
        """A file's header; None if the file is in the Hub's cache or the server does not support ranges."""
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
    """Requests a file's header; raises MapsError if it is damaged, and then deletes it so that the next try is new."""
    size = snapshot.file_size(file)
    length = 0 if size < 8 else int.from_bytes(snapshot.fetch_range(file, "length", 0, 8).read_bytes(), "little")
    content = b""
    if 0 < length <= min(MAX_HEADER_BYTES, size - 8):
        content = snapshot.fetch_range(file, "head", 8, 8 + length).read_bytes()
    try:
        return parse_header(content, size)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        for name in ("length", "head"):
            (snapshot.tensor_folder / file / name).unlink(missing_ok=True)
        raise MapsError(
            f"{file} of {snapshot.model} on the Hub is not a complete safetensors file; use another revision."
        ) from error


def parse_header(head: bytes, size: int) -> dict[str, SafetensorsEntry]:
    """The tensors in a header. Raises what `parse_entry` does, and ValueError if they do not fill the file."""
    start = 8 + len(head)
    entries = {name: parse_entry(tensor, start) for name, tensor in json.loads(head).items() if name != "__metadata__"}
    if max((entry.stop for entry in entries.values()), default=start) != size:
        raise ValueError("the header implies another size of the file")
    return entries


def parse_entry(tensor: Mapping[str, Any], offset: int) -> SafetensorsEntry:
    """One tensor of a header; raises ValueError, KeyError or TypeError if its entry makes no sense."""
    dtype, shape, (start, stop) = SAFETENSORS_DTYPES[tensor["dtype"]], tuple(tensor["shape"]), tensor["data_offsets"]
    if len(shape) > MAX_DIMENSIONS or any(type(n) is not int or not 0 <= n < 2**63 for n in (*shape, start, stop)):
        raise ValueError("a tensor has a number that is negative, fractional or too large")
    if math.prod(shape) * dtype.itemsize != stop - start:
        raise ValueError("the bytes of a tensor do not fit its shape")
    return SafetensorsEntry(dtype, shape, offset + start, offset + stop)
