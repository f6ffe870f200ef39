"""The atlases that the app shows: folders, datasets on the Hub, and the prebuilt one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from maps.atlas.reader import Atlas
from maps.atlas.remote import HUB_NAME_PATTERN, load_atlas
from maps.errors import MapsError

PREBUILT_FOLDER = Path(__file__).parents[1] / "seed"


class HubAccess(NamedTuple):
    """How the Hub is reached: by which token and at which address, its own unless named."""

    token: str | None = None
    endpoint: str | None = None


class OpenedAtlases(NamedTuple):
    """The atlases by model, the Hub dataset of those that were read from one, and what was left out, in sentences."""

    atlases: Mapping[str, Atlas]
    hub_datasets: Mapping[str, str]
    skipped_atlas_messages: tuple[str, ...]


def open_atlases(comma_separated_names: str, data: Path, hub: HubAccess = HubAccess()) -> OpenedAtlases:
    """The atlases of MAPS_ATLASES; without it the prebuilt one and those in the data folder.

    A model is listed once: an atlas in the data folder takes the place of the prebuilt one, and a newer one that of
    an older. What is left out is said on the terminal, and what was asked for by name also on the first page.
    """
    return (
        open_named_atlases([name.strip() for name in comma_separated_names.split(",") if name.strip()], hub)
        if comma_separated_names
        else open_default_atlases(data)
    )


def open_named_atlases(names: list[str], hub: HubAccess) -> OpenedAtlases:
    """The atlases of these folders and datasets. A dataset that cannot be read is left out, unless it is the only one.

    Raises MapsError where a folder holds no atlas, and where nothing is left.
    """
    if not names:
        raise MapsError(
            "MAPS_ATLASES names no folder and no dataset; name one, or leave it out for the prebuilt atlas."
        )
    found: dict[str, Atlas] = {}
    datasets: dict[str, str] = {}
    left_out: list[str] = []
    for name in names:
        remote = not Path(name).expanduser().exists() and HUB_NAME_PATTERN.fullmatch(name) is not None
        try:
            atlas = load_atlas(name, token=hub.token, endpoint=hub.endpoint)
        except MapsError as error:
            if not remote:
                raise
            left_out.append(f"The atlas {name} is not shown: {error}")
            continue
        if atlas.model in found:
            left_out.append(f"The atlas {name} is not shown, since another one before it maps {atlas.model} too.")
            continue
        found[atlas.model] = atlas
        if remote:
            datasets[atlas.model] = name
    if not found:
        raise MapsError(" ".join(left_out))
    for sentence in left_out:
        print(sentence, file=sys.stderr)
    return OpenedAtlases(found, datasets, tuple(left_out))


def open_default_atlases(data: Path) -> OpenedAtlases:
    """The prebuilt atlas and those in the data folder."""
    found = {atlas.model: atlas for atlas in map(Atlas.open, sorted(PREBUILT_FOLDER.iterdir()))}
    for atlas in sorted(open_computed_atlases(data / "atlases"), key=lambda atlas: str(atlas.info["created_at"])):
        before = found.get(atlas.model)
        if before is not None and before.folder.parent != PREBUILT_FOLDER:
            print(
                f"Left out: {before.folder}, since {atlas.folder} maps the same model and is newer; "
                f"MAPS_ATLASES={before.folder} shows it.",
                file=sys.stderr,
            )
        found[atlas.model] = atlas
    return OpenedAtlases(found, {}, ())


def open_computed_atlases(folder: Path) -> list[Atlas]:
    """The finished atlases in a folder; what is none is said on the terminal."""
    opened = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            opened.append(Atlas.open(path))
        except MapsError as error:
            print(f"Left out: {error}", file=sys.stderr)
    return opened
