"""Tensors in files: safetensors, and PyTorch's older .bin files. Which file holds what, and one tensor at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from maps.errors import MapsError


class TensorFiles(ABC):
    """Named tensors in one or many files: `file_of_tensor` says which file holds which tensor."""

    def __init__(self, file_of_tensor: Mapping[str, Path]) -> None:
        self.file_of_tensor = dict(file_of_tensor)
        self.tensor_names = set(self.file_of_tensor)

    def names(self) -> set[str]:
        """The names of all tensors."""
        return self.tensor_names

    def check_files(self, names: Iterable[str]) -> None:
        """Raises MapsError where a file that holds one of these is missing or damaged; looks at no other file."""
        files = sorted({self.file_of_tensor[name] for name in names})
        missing = [file for file in files if not file.exists()]
        if missing:
            raise missing_files_error(missing)
        for file in files:
            self.check_file(file)

    def file_holding(self, name: str) -> Path:
        """The file that holds a tensor; raises MapsError where it is missing."""
        if not self.file_of_tensor[name].exists():
            raise missing_files_error([self.file_of_tensor[name]])
        return self.file_of_tensor[name]

    @abstractmethod
    def check_file(self, file: Path) -> None:
        """Raises MapsError where a file is damaged."""

    @abstractmethod
    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape, without reading it."""

    @abstractmethod
    def read(self, name: str) -> Tensor:
        """One tensor, in the dtype that it is stored in."""


def missing_files_error(files: Sequence[Path]) -> MapsError:
    """What is said where files are missing that an index lists."""
    more = f" and {len(files) - 3} more files" if len(files) > 3 else ""
    named = ", ".join(file.name for file in files[:3])
    return MapsError(f"{files[0].parent} lacks {named}{more}, which its index lists; download the rest of the model.")


class SafetensorsFiles(TensorFiles):
    """The tensors of safetensors files, each read when it is asked for."""

    def check_file(self, file: Path) -> None:
        """Raises MapsError where a file is no whole safetensors file."""
        tensor_names_in(file)

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape, from the head of its file."""
        with (
            open_safetensors(self.file_holding(name)) as file,
            translate_missing_tensor(name, self.file_of_tensor[name]),
        ):
            return tuple(file.get_slice(name).get_shape())

    def read(self, name: str) -> Tensor:
        """One tensor, in the dtype that it is stored in."""
        with (
            open_safetensors(self.file_holding(name)) as file,
            translate_missing_tensor(name, self.file_of_tensor[name]),
        ):
            return file.get_tensor(name)


def open_safetensors(path: Path) -> Any:
    """A safetensors file, open; raises MapsError where it is no whole one."""
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise MapsError(f"{path} is no whole safetensors file ({error}); download it again.") from error


@contextmanager
def translate_missing_tensor(name: str, path: Path) -> Iterator[None]:
    """Raises MapsError where an index said wrongly that a tensor is in a file."""
    try:
        yield
    except SafetensorError as error:
        raise MapsError(f"{path} lacks {name}, which its index lists; download it again.") from error


def tensor_names_in(path: Path) -> list[str]:
    """The tensors of a safetensors file."""
    with open_safetensors(path) as file:
        return list(file.keys())


class BinFiles(TensorFiles):
    """The tensors of PyTorch's .bin files; a file stays open, mapped into memory, once it has been looked at."""

    def __init__(self, file_of_tensor: Mapping[str, Path]) -> None:
        super().__init__(file_of_tensor)
        self.tensors_by_file: dict[Path, dict[str, Tensor]] = {}

    @classmethod
    def from_file(cls, file: Path) -> BinFiles:
        """All tensors of one file."""
        tensors = load_tensors(file)
        files = cls(dict.fromkeys(tensors, file))
        files.tensors_by_file[file] = tensors
        return files

    def check_file(self, file: Path) -> None:
        """Opens a file; raises MapsError where it is damaged or holds more than tensors."""
        if file not in self.tensors_by_file:
            self.tensors_by_file[file] = load_tensors(file)

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape."""
        return tuple(self.mapped_tensor(name).shape)

    def read(self, name: str) -> Tensor:
        """One tensor, in the dtype that it is stored in."""
        return self.mapped_tensor(name)

    def mapped_tensor(self, name: str) -> Tensor:
        """A tensor of a file, not read yet."""
        path = self.file_holding(name)
        self.check_file(path)
        if name not in self.tensors_by_file[path]:
            raise MapsError(f"{path} lacks {name}, which its index lists; download it again.")
        return self.tensors_by_file[path][name]


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a .bin file, mapped into memory. Nothing in the file is run."""
    try:
        content = load_bin_file(path)
    except Exception as error:  # what is damaged may raise anything
        raise MapsError(
            f"{path} is damaged, or holds more than tensors, and no code in it is run; "
            "take the model's safetensors files."
        ) from error
    tensors = content.items() if isinstance(content, dict) else ()
    return {name: tensor for name, tensor in tensors if isinstance(name, str) and isinstance(tensor, Tensor)}


def load_bin_file(path: Path) -> Any:
    """What a .bin file holds; files older than PyTorch 1.6 can't be mapped into memory and are read whole."""
    if is_zip_file(path):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return torch.load(path, map_location="cpu", weights_only=True)


def is_zip_file(path: Path) -> bool:
    """Whether a file is in PyTorch's newer format."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"
