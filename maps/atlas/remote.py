"""Atlases on the Hugging Face Hub: an atlas is a dataset with one config for each table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maps.atlas.card import atlas_card
from maps.atlas.random_csv import RANDOM_CSV
from maps.atlas.reader import CALIBRATION_FILE, Atlas, list_atlas_files, list_card_files
from maps.atlas.schema import SCHEMAS
from maps.errors import MapsError
from maps.files.atomic import json_bytes
from maps.hub.names import DATASET_NAME_PATTERN

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

ATLAS_FILES = ["atlas.json", "README.md", RANDOM_CSV, *(f"{name}.parquet" for name in SCHEMAS)]
COMMIT_PATTERN = re.compile(r"[0-9a-f]{40}")
PENDING_FILE_GLOB = "*.pending.jsonl"  # rows of an interrupted run


def push(
    folder: Path,
    repo: str,
    token: str | None = None,
    private: bool = False,
    endpoint: str | None = None,
    waits: Sequence[float] | None = None,
) -> str:
    """Uploads an atlas to a dataset on the Hub in one commit; returns the commit's URL.

    Creates the dataset where it is missing; with `private`, raises MapsError where it exists and is public. Nothing is
    deleted: a table of an earlier push that this atlas lacks stays, but the card no longer lists it. Repeating a push
    is safe. Layers and rows of an unfinished run are left out.
    """
    from huggingface_hub import HfApi, get_token

    from maps.hub.errors import LOGIN_HINT, RETRY_WAITS, call_with_retries, translate_hub_errors

    atlas = Atlas.open(folder)
    if not DATASET_NAME_PATTERN.fullmatch(repo):
        raise MapsError(f"{repo!r} is not a valid name of a dataset on the Hub; write it as user/name.")
    if token is None and get_token() is None:
        raise MapsError(f"Uploading to the Hub needs a token: {LOGIN_HINT}.")
    api, retry_waits = HfApi(endpoint=endpoint, token=token), RETRY_WAITS if waits is None else waits
    unreachable = f"The Hub cannot be reached, so {repo} is not up to date; check the network and push again."
    with translate_hub_errors("dataset", repo, unreachable):
        call_with_retries(lambda: ensure_dataset(api, repo, private), retry_waits)
        commit = call_with_retries(
            lambda: api.create_commit(
                repo, commit_operations(atlas), commit_message=f"Atlas of {atlas.model}", repo_type="dataset"
            ),
            retry_waits,
        )
    return str(commit.commit_url)


def ensure_dataset(api: HfApi, repo: str, private: bool) -> None:
    """Creates the dataset where it is missing; raises MapsError where it must be private and is public."""
    api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
    if private and not api.dataset_info(repo).private:
        raise MapsError(f"The dataset {repo} is public; make it private on its page, or push to another one.")


def commit_operations(atlas: Atlas) -> list[CommitOperationAdd]:
    """The files of a push; only a changed file is uploaded."""
    from huggingface_hub import CommitOperationAdd

    info, files = remove_local_paths(atlas.info), list_atlas_files(atlas.folder)
    if (atlas.folder / CALIBRATION_FILE).exists():  # visitors do not need it, so `download_atlas` leaves it out
        files.append(CALIBRATION_FILE)
    return [
        CommitOperationAdd("README.md", atlas_card(info, list_card_files(atlas.folder)).encode()),
        CommitOperationAdd("atlas.json", json_bytes(info)),
        *(CommitOperationAdd(file, atlas.folder / file) for file in files),
    ]


def remove_local_paths(info: dict[str, Any]) -> dict[str, Any]:
    """The content of `atlas.json` without paths of the machine that made it: of a model's path only the last part."""
    if COMMIT_PATTERN.fullmatch(str(info["revision"])):  # `asked_for` is a Hub id
        return info
    return {**info, "asked_for": Path(info["asked_for"]).name}


def list_pending_files(folder: Path) -> list[str]:
    """The files with rows of an interrupted run, which a push leaves out."""
    return sorted(path.name for path in folder.glob(PENDING_FILE_GLOB) if path.stat().st_size)


def download_atlas(
    name: str,
    revision: str | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    cache: Path | None = None,
) -> Path:
    """Downloads what is missing of a dataset's atlas; returns its folder in the Hub's cache (or `cache`)."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RemoteEntryNotFoundError

    from maps.hub.errors import call_with_retries, translate_hub_errors

    api = HfApi(endpoint=endpoint, token=token)

    def download() -> str:
        # First the file that distinguishes an atlas from other datasets, then the other files of the same commit.
        info = api.hf_hub_download(name, "atlas.json", repo_type="dataset", revision=revision, cache_dir=cache)
        return api.snapshot_download(
            name, repo_type="dataset", revision=Path(info).parent.name, allow_patterns=ATLAS_FILES, cache_dir=cache
        )

    with translate_hub_errors("dataset", name):
        try:
            return Path(call_with_retries(download))
        except RemoteEntryNotFoundError as error:
            raise MapsError(f"The dataset {name} is not an atlas: it has no atlas.json.") from error


def load_atlas(
    name_or_folder: str | Path,
    revision: str | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    cache: Path | None = None,
) -> Atlas:
    """Opens the atlas in a folder or, where there is no such folder, in a dataset on the Hub."""
    folder = Path(name_or_folder).expanduser()
    if folder.exists() or not DATASET_NAME_PATTERN.fullmatch(str(name_or_folder)):
        return Atlas.open(folder)
    return Atlas.open(download_atlas(str(name_or_folder), revision, token, endpoint, cache))
