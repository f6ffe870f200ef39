"""Models of the Hugging Face Hub, of which only what is needed is downloaded. No code of theirs is ever run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import HfApi, constants, get_cached_repo_tree
from huggingface_hub.errors import CachedRepoTreeNotFoundError
from torch import Tensor

from maps.errors import MapsError
from maps.hub.errors import WAITS, asking_for, patiently
from maps.weights.checkpoint import Checkpoint, Source
from maps.weights.folder import checkpoint_of, listed
from maps.weights.ranged import RangedSafetensors, Snapshot
from maps.weights.stored import BinFiles

SAFETENSORS_INDEX = "model.safetensors.index.json"
BIN_INDEX = "pytorch_model.bin.index.json"
SMALL = [
    *("config.json", "tokenizer*", "vocab.*", "merges.txt", "special_tokens_map.json", "added_tokens.json"),
    *(SAFETENSORS_INDEX, BIN_INDEX),
]


def open_hub(
    model: str,
    revision: str | None = None,
    api: HfApi | None = None,
    home: Path | None = None,
    waits: Sequence[float] = WAITS,
) -> Checkpoint:
    """A model by its Hub id; raises MapsError where there is none that can be read.

    Small files go into the Hub's cache, tensors beside it (`HF_HOME/maps`), so that a model that was read before is
    read again without the network. `home` is used instead of HF_HOME; `waits` are those between retries.
    """
    api = api or HfApi()
    cache = None if home is None else home / "hub"

    def small_files() -> str:
        return api.snapshot_download(model, revision=revision, allow_patterns=SMALL, cache_dir=cache)

    with asking_for("model", model):
        folder = Path(patiently(small_files, waits))
    kept = (home or Path(constants.HF_HOME)) / "maps" / f"models--{model.replace('/', '--')}" / folder.name
    snapshot = Snapshot(api, model, folder, kept, files_of(model, folder, cache), cache, waits)
    if not (folder / "config.json").exists():
        raise MapsError(
            f"{model} on the Hub has no config.json; take a repository that transformers can read, or download its "
            ".gguf file and give that."
        )
    return checkpoint_of(folder, source_of(snapshot), model, snapshot.commit)


def files_of(model: str, folder: Path, cache: Path | None) -> dict[str, int]:
    """The files at a model's commit with their sizes; where no list of them is cached, those that are there."""
    try:
        tree = get_cached_repo_tree(model, revision=folder.name, cache_dir=cache)
    except CachedRepoTreeNotFoundError:
        return {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    return {file.path: file.size for file in tree if "/" not in file.path}


def source_of(snapshot: Snapshot) -> Source:
    """The snapshot's weights: safetensors where there are any, else PyTorch's .bin files."""
    files = sorted(name for name in snapshot.sizes if name.endswith(".safetensors"))
    if SAFETENSORS_INDEX in snapshot.sizes:
        index = listed(snapshot.folder / SAFETENSORS_INDEX)
        return RangedSafetensors(snapshot, files, {name: path.name for name, path in index.items()})
    if files:
        return RangedSafetensors(snapshot, ["model.safetensors"] if "model.safetensors" in files else files)
    if BIN_INDEX in snapshot.sizes:
        return WholeFiles(snapshot, BinFiles(listed(snapshot.folder / BIN_INDEX)))
    if "pytorch_model.bin" in snapshot.sizes:
        return BinFiles.of(snapshot.whole("pytorch_model.bin"))
    raise MapsError(
        f"{snapshot.model} on the Hub holds neither safetensors nor pytorch_model.bin files; take a repository with "
        "the model's weights, or download a .gguf file and give that."
    )


class WholeFiles:
    """Tensors of .bin files, each file downloaded when a tensor of it is asked for."""

    def __init__(self, snapshot: Snapshot, files: BinFiles) -> None:
        self.snapshot = snapshot
        self.files = files

    def names(self) -> set[str]:
        """The names of all tensors."""
        return self.files.names()

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape."""
        return self.here(name).shape(name)

    def read(self, name: str) -> Tensor:
        """One tensor, in the dtype that it is stored in."""
        return self.here(name).read(name)

    def here(self, name: str) -> BinFiles:
        """The files, of which the one that holds a tensor is there."""
        self.snapshot.whole(self.files.where[name].name)
        return self.files
