"""Which of a model's files hold its weights, by their names: one rule for folders and for the Hub.

The rule is that of transformers: model.safetensors, else the files of its index; if there are none, the same for
pytorch_model.bin. Other *.safetensors files are read if there is no index. Where an old and a new state of a model may
lie side by side, nothing is guessed: the model is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from maps.errors import MapsError

SHOWN_FILES = 3  # names of files that a sentence lists


@dataclass(frozen=True)
class WeightFormat:
    """The names that transformers gives to files of weights of one kind."""

    single: str
    index: str
    part: re.Pattern[str]

    def is_usual(self, name: str) -> bool:
        return name == self.single or self.part.fullmatch(name) is not None


SAFETENSORS = WeightFormat(
    "model.safetensors", "model.safetensors.index.json", re.compile(r"model-\d+-of-\d+\.safetensors")
)
BIN = WeightFormat("pytorch_model.bin", "pytorch_model.bin.index.json", re.compile(r"pytorch_model-\d+-of-\d+\.bin"))
ADAPTER_PREFIX = "adapter_"  # adapter_model.safetensors holds no weights of the model
VARIANT_PATTERN = re.compile(r"model\.[^.]+\.safetensors")  # model.fp16.safetensors: read on request only


@dataclass(frozen=True)
class WeightFiles:
    """The files with a model's weights."""

    form: WeightFormat
    index: str | None
    files: tuple[str, ...]  # of this kind, sorted; with an index, those that it does not list too


def choose_weight_files(names: Collection[str]) -> WeightFiles | None:
    """The files that hold the weights, of all file names of a model; None if there are none."""
    for form, files in ((SAFETENSORS, safetensors_files(names)), (BIN, [name for name in names if BIN.is_usual(name)])):
        if form.index in names or files:
            return WeightFiles(form, form.index if form.index in names else None, tuple(sorted(files)))
    return None


def safetensors_files(names: Iterable[str]) -> list[str]:
    """The safetensors files without adapters, and without variants if there are files of the usual names."""
    files = [name for name in names if name.endswith(".safetensors") and not name.startswith(ADAPTER_PREFIX)]
    if any(map(SAFETENSORS.is_usual, files)):
        return [name for name in files if not VARIANT_PATTERN.fullmatch(name)]
    return files


def check_index(chosen: WeightFiles, listed_files: Collection[str], owner: str, remedy: str) -> None:
    """Raises MapsError for an index beside a single file that it does not list.

    Transformers reads the single file then, but the index belongs to other files: either may be the newer state.
    `owner`: the folder, or the model on the Hub.
    """
    if chosen.form.single in chosen.files and chosen.form.single not in listed_files:
        raise MapsError(
            f"{owner} may hold two states of the model: {chosen.form.single}, and {name_files(listed_files)} that "
            f"{chosen.index} lists; {remedy}."
        )


def name_files(files: Collection[str]) -> str:
    """The first three files in a sentence, and how many more there are."""
    names = sorted(files)
    more = f" and {len(names) - SHOWN_FILES} more files" if len(names) > SHOWN_FILES else ""
    return ", ".join(names[:SHOWN_FILES]) + more


def place_tensors(names_by_file: Mapping[str, Iterable[str]]) -> tuple[dict[str, str], dict[str, Sequence[str]]]:
    """The file of each tensor, and the tensors that lie in several files with all of these."""
    files_of: dict[str, list[str]] = {}
    for file, names in names_by_file.items():
        for name in names:
            files_of.setdefault(name, []).append(file)
    copies: dict[str, Sequence[str]] = {name: files for name, files in files_of.items() if len(files) > 1}
    return {name: files[0] for name, files in files_of.items()}, copies
