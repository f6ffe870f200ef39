"""Opens models on the Hugging Face Hub. Only the needed tensors are downloaded, and no code of a model is run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from huggingface_hub import HfApi, constants, get_cached_repo_tree
from huggingface_hub.errors import CachedRepoTreeNotFoundError

from maps.errors import MapsError
from maps.hub.errors import RETRY_WAITS, call_with_retries, translate_hub_errors
from maps.weights.checkpoint import Checkpoint, TensorSource
from maps.weights.folder import build_checkpoint, read_index
from maps.weights.ranged import HubSnapshot, RangedSafetensors
from maps.weights.stored import BinFiles

SAFETENSORS_INDEX = "model.safetensors.index.json"
BIN_INDEX = "pytorch_model.bin.index.json"
SMALL_FILE_PATTERNS = [
    *("config.json", "tokenizer*", "vocab.*", "merges.txt", "special_tokens_map.json", "added_tokens.json"),
    *(SAFETENSORS_INDEX, BIN_INDEX),
]


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
        raise MapsError(
            f"{model} on the Hub has no config.json; use a repository that transformers can read, or download its "
            ".gguf file and give that."
        )
    return build_checkpoint(folder, open_tensor_source(snapshot), model, snapshot.commit)


def list_file_sizes(model: str, folder: Path, cache: Path | None) -> dict[str, int]:
    """The sizes in bytes of the files at a model's commit; without a cached list, of those that were downloaded."""
    try:
        tree = get_cached_repo_tree(model, revision=folder.name, cache_dir=cache)
    except CachedRepoTreeNotFoundError:
        return {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    return {file.path: file.size for file in tree if "/" not in file.path}


def open_tensor_source(snapshot: HubSnapshot) -> TensorSource:
    """The snapshot's weights: safetensors files, or else PyTorch's .bin files."""
    files = sorted(name for name in snapshot.file_sizes if name.endswith(".safetensors"))
    if SAFETENSORS_INDEX in snapshot.file_sizes:
        index = read_index(snapshot.folder / SAFETENSORS_INDEX)
        return RangedSafetensors(snapshot, files, {name: path.name for name, path in index.items()})
    if files:
        return RangedSafetensors(snapshot, ["model.safetensors"] if "model.safetensors" in files else files)
    if BIN_INDEX in snapshot.file_sizes:
        return HubBinFiles(snapshot, read_index(snapshot.folder / BIN_INDEX))
    if "pytorch_model.bin" in snapshot.file_sizes:
        return BinFiles.from_file(snapshot.fetch_file("pytorch_model.bin"))
    raise MapsError(
        f"{snapshot.model} on the Hub has neither safetensors nor pytorch_model.bin files; use a repository with "
        "the model's weights, or download a .gguf file and give that."
    )


class HubBinFiles(BinFiles):
    """Tensors of .bin files; a file is downloaded when one of its tensors is first read."""

    def __init__(self, snapshot: HubSnapshot, file_of_tensor: Mapping[str, Path]) -> None:
        super().__init__(file_of_tensor)
        self.snapshot = snapshot

    def check_files(self, names: Iterable[str]) -> None:
        """Checks nothing: files that are missing are downloaded later."""

    def file_holding(self, name: str) -> Path:
        return self.snapshot.fetch_file(self.file_of_tensor[name].name)
