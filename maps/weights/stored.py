"""Reads single tensors from files on disk: safetensors, and PyTorch's older .bin files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from maps.errors import MapsError
from maps.weights.weight_files import name_files, place_tensors


class StoredTensor(NamedTuple):
    """A tensor as it lies in its file."""

    dtype: str
    shape: tuple[int, ...]
    blocks: Iterable[memoryview]  # its bytes in order; each block is valid until the next

    @classmethod
    def from_tensor(cls, tensor: Tensor) -> StoredTensor:
        content = tensor.contiguous().flatten().view(torch.uint8).numpy()
        return cls(str(tensor.dtype), tuple(tensor.shape), [content.data])


class SplitSource(ABC):
    """Named tensors in one or many files, each in the file that an index names, or that has it."""

    remedy = "download the model again into an empty folder"
    completion = "download the rest of the model"
    choice = "keep the files of one state of the model and move the others away"

    def __init__(
        self,
        owner: str,
        index: str | None = None,
        files: Sequence[str] = (),
        copies: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.owner, self.index = owner, index  # the folder or the model on the Hub, for error messages
        self.files = tuple(files)  # all files of this kind, those that the index does not list too
        self.copies = copies or {}  # without an index: the tensors that lie in several files, and these files
        self.tensor_names: set[str] = set()

    def names(self) -> set[str]:
        return self.tensor_names

    @abstractmethod
    def listed_file(self, name: str) -> str:
        """The name of the file that should hold a tensor."""

    @abstractmethod
    def names_in_file(self, file: str) -> Collection[str]:
        """The tensors that a file has; raises MapsError if it is missing or damaged."""

    def files_with(self, name: str) -> Sequence[str]:
        return self.copies.get(name) or [self.listed_file(name)]

    def copies_error(self, name: str, files: Collection[str]) -> MapsError:
        return MapsError(
            f"{self.owner} has {name} in more than one file ({name_files(files)}), and no index says which of them to "
            f"read; {self.choice}."
        )

    def find_other_file(self, name: str) -> str | None:
        """A file that has a tensor which the index does not place there; None if there is none."""
        listed = self.listed_file(name) if name in self.tensor_names else None
        for file in self.files:
            try:
                if file != listed and name in self.names_in_file(file):
                    return file
            except MapsError:  # a damaged file does not say what it has
                continue
        return None

    def lacking_file_error(self, name: str) -> MapsError:
        """The error for a tensor that is not in the file in which the index lists it."""
        file = self.listed_file(name)
        if self.index is None:
            return MapsError(f"{file} of {self.owner} changed while it was read and lacks {name} now; try again.")
        other = self.find_other_file(name)
        found = f", and {other} has it" if other else ""
        return MapsError(f"{self.index} lists {name} in {file}, which lacks it{found}; {self.remedy}.")

    def unlisted_error(self, name: str, file: str) -> MapsError:
        """The error for a tensor that a file has and the index does not list."""
        return MapsError(f"{self.index} does not list {name}, which {file} has; {self.remedy}.")

    def missing_error(self, names: Iterable[str]) -> MapsError | None:
        """The error for a tensor that the index does not list under any of these names, if a file has it."""
        if self.index is None:
            return None
        found = ((name, self.find_other_file(name)) for name in names)
        return next((self.unlisted_error(name, file) for name, file in found if file is not None), None)

    def check_files(self, names: Iterable[str], readable: Collection[str] = ()) -> None:
        """Raises MapsError if a file that holds one of these tensors is missing, damaged or not as its index says.

        Opens no other file. `readable`: all names that MAPS may read. If an opened file has one that the index does not
        list, the index is refused, because the model would be read without it.
        """
        by_file: dict[str, list[str]] = {}
        for name in names:
            by_file.setdefault(self.listed_file(name), []).append(name)
        missing = [file for file in sorted(by_file) if not self.has_file(file)]
        if missing:
            raise self.missing_files_error(missing, by_file[missing[0]][0])
        for file, listed in sorted(by_file.items()):
            present = self.names_in_file(file)
            if self.index is None:
                continue
            for name in listed:
                if name not in present:
                    raise self.lacking_file_error(name)
            for name in sorted(set(present) - self.tensor_names):
                if name in readable:
                    raise self.unlisted_error(name, file)

    @abstractmethod
    def has_file(self, file: str) -> bool:
        """Whether a file is there, or can be fetched."""

    def missing_files_error(self, files: Sequence[str], name: str) -> MapsError:
        """The error for files that an index lists and that are not there; `name` is a tensor of the first."""
        other = self.find_other_file(name)
        if other is not None:
            return MapsError(f"{self.index} lists {name} in {files[0]}, but {other} has it; {self.remedy}.")
        return MapsError(f"{self.owner} lacks {name_files(files)}, which its index lists; {self.completion}.")


class TensorFiles(SplitSource):
    """Named tensors in files on disk."""

    def __init__(
        self,
        file_of_tensor: Mapping[str, Path],
        index: Path | None = None,
        files: Sequence[Path] = (),
        copies: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        folder = next((path.parent for path in (*files, *file_of_tensor.values())), Path())
        super().__init__(str(folder), None if index is None else str(index), [path.name for path in files], copies)
        self.folder = folder
        self.file_of_tensor = dict(file_of_tensor)
        self.tensor_names = set(self.file_of_tensor)

    @classmethod
    def from_files(cls, files: Sequence[Path]) -> Self:
        """The tensors of files without an index: each file is opened to see what it has."""
        by_name = {path.name: path for path in files}
        opened = cls({}, files=files)
        places, copies = place_tensors({name: opened.names_in_file(name) for name in by_name})
        opened.file_of_tensor = {name: by_name[file] for name, file in places.items()}
        opened.copies, opened.tensor_names = copies, set(places)
        return opened

    def listed_file(self, name: str) -> str:
        return self.file_of_tensor[name].name

    def has_file(self, file: str) -> bool:
        return (self.folder / file).exists()

    def file_holding(self, name: str) -> Path:
        """The file that holds a tensor; raises MapsError if the file is missing."""
        path = self.file_of_tensor[name]
        if not path.exists():
            raise self.missing_files_error([path.name], name)
        return path

    @abstractmethod
    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape, without reading it."""

    @abstractmethod
    def read(self, name: str) -> Tensor:
        """One tensor, in the dtype that it is stored in."""

    def stored_tensor(self, name: str) -> StoredTensor:
        """One tensor as it lies in its file."""
        return StoredTensor.from_tensor(self.read(name))


class SafetensorsFiles(TensorFiles):
    """The tensors of safetensors files."""

    def names_in_file(self, file: str) -> Collection[str]:
        return tensor_names_in(self.folder / file)

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
                raise self.lacking_file_error(name) from error


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

    def __init__(
        self,
        file_of_tensor: Mapping[str, Path],
        index: Path | None = None,
        files: Sequence[Path] = (),
        copies: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(file_of_tensor, index, files, copies)
        self.tensors_by_file: dict[Path, dict[str, Tensor]] = {}

    def names_in_file(self, file: str) -> Collection[str]:
        return self.open_file(self.folder / file)

    def open_file(self, path: Path) -> dict[str, Tensor]:
        """A file's tensors; raises MapsError if it is damaged or holds more than tensors."""
        if path not in self.tensors_by_file:
            self.tensors_by_file[path] = load_tensors(path)
        return self.tensors_by_file[path]

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.read(name).shape)

    def read(self, name: str) -> Tensor:
        """A tensor mapped into memory: its numbers are read when they are used."""
        tensors = self.open_file(self.file_holding(name))
        if name not in tensors:
            raise self.lacking_file_error(name)
        return tensors[name]


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
