"""Reads single tensors from files on disk: safetensors, and PyTorch's older .bin files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from maps.errors import MapsError


class StoredTensor(NamedTuple):
    """A tensor as it lies in its file."""

    dtype: str
    shape: tuple[int, ...]
    blocks: Iterable[memoryview]  # its bytes in order; each block is valid until the next

    @classmethod
    def from_tensor(cls, tensor: Tensor) -> StoredTensor:
        content = tensor.contiguous().flatten().view(torch.uint8).numpy()
        return cls(str(tensor.dtype), tuple(tensor.shape), [content.data])


class TensorFiles(ABC):
    """Named tensors in one or many files."""

    def __init__(self, file_of_tensor: Mapping[str, Path]) -> None:
        self.file_of_tensor = dict(file_of_tensor)
        self.tensor_names = set(self.file_of_tensor)

    def names(self) -> set[str]:
        return self.tensor_names

    def check_files(self, names: Iterable[str]) -> None:
        """Raises MapsError if a file that holds one of these tensors is missing or damaged; opens no other file."""
        files = sorted({self.file_of_tensor[name] for name in names})
        missing = [file for file in files if not file.exists()]
        if missing:
            raise missing_files_error(missing)
        for file in files:
            self.check_file(file)

    def file_holding(self, name: str) -> Path:
        """The file that holds a tensor; raises MapsError if the file is missing."""
        if not self.file_of_tensor[name].exists():
            raise missing_files_error([self.file_of_tensor[name]])
        return self.file_of_tensor[name]

    @abstractmethod
    def check_file(self, file: Path) -> None:
        """Raises MapsError if a file is damaged."""

    @abstractmethod
    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape, without reading it."""

    @abstractmethod
    def read(self, name: str) -> Tensor:
        """One tensor, in the dtype that it is stored in."""

    def stored_tensor(self, name: str) -> StoredTensor:
        """One tensor as it lies in its file."""
        return StoredTensor.from_tensor(self.read(name))


def missing_files_error(files: Sequence[Path]) -> MapsError:
    """The error for files that an index lists and that are not there; names the first three."""
    names = ", ".join(file.name for file in files[:3])
    more = f" and {len(files) - 3} more files" if len(files) > 3 else ""
    return MapsError(f"{files[0].parent} lacks {names}{more}, which its index lists; download the rest of the model.")


class SafetensorsFiles(TensorFiles):
    """The tensors of safetensors files."""

    def check_file(self, file: Path) -> None:
        """Reads the names in a file's header; raises MapsError if the file is damaged."""
        tensor_names_in(file)

    def shape(self, name: str) -> tuple[int, ...]:
        with self.open_holding(name) as file:
            return tuple(file.get_slice(name).get_shape())

    def read(self, name: str) -> Tensor:
        with self.open_holding(name) as file:
            return file.get_tensor(name)

    @contextmanager
    def open_holding(self, name: str) -> Iterator[Any]:
        """The open file that holds a tensor; turns the library's error for one that is not in it into a MapsError."""
        path = self.file_holding(name)
        with open_safetensors(path) as file:
            try:
                yield file
            except SafetensorError as error:
                raise MapsError(f"{path} lacks {name}, which its index lists; download it again.") from error


def open_safetensors(path: Path) -> Any:
    """An open safetensors file; raises MapsError if it is damaged."""
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise MapsError(f"{path} is not a complete safetensors file ({error}); download it again.") from error


def tensor_names_in(path: Path) -> list[str]:
    with open_safetensors(path) as file:
        return list(file.keys())


class BinFiles(TensorFiles):
    """The tensors of PyTorch's .bin files. A file that was opened once stays open, mapped into memory."""

    def __init__(self, file_of_tensor: Mapping[str, Path]) -> None:
        super().__init__(file_of_tensor)
        self.tensors_by_file: dict[Path, dict[str, Tensor]] = {}

    @classmethod
    def from_file(cls, file: Path) -> BinFiles:
        tensors = load_tensors(file)
        files = cls(dict.fromkeys(tensors, file))
        files.tensors_by_file[file] = tensors
        return files

    def check_file(self, file: Path) -> None:
        """Opens a file; raises MapsError if it is damaged or holds more than tensors."""
        if file not in self.tensors_by_file:
            self.tensors_by_file[file] = load_tensors(file)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.read(name).shape)

    def read(self, name: str) -> Tensor:
        """A tensor mapped into memory: its numbers are read when they are used."""
        path = self.file_holding(name)
        self.check_file(path)
        if name not in self.tensors_by_file[path]:
            raise MapsError(f"{path} lacks {name}, which its index lists; download it again.")
        return self.tensors_by_file[path][name]


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a .bin file, mapped into memory. No code in the file is run."""
    try:
        with path.open("rb") as file:
            is_zip_file = file.read(4) == b"PK\x03\x04"  # else it is from before PyTorch 1.6 and cannot be mapped
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip_file)
    except Exception as error:  # a damaged file may raise anything
        raise MapsError(
            f"{path} is damaged, or holds more than tensors, and no code in it is run; "
            "use the model's safetensors files."
        ) from error
    tensors = content.items() if isinstance(content, dict) else ()
    return {name: tensor for name, tensor in tensors if isinstance(name, str) and isinstance(tensor, Tensor)}
