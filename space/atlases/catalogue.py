"""Opens the atlases that the app shows: folders, datasets on the Hub, and the prebuilt one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from maps.atlas.reader import Atlas
from maps.atlas.remote import load_atlas
from maps.atlas.verification import AtlasVerifier
from maps.errors import MapsError
from maps.hub.names import DATASET_NAME_PATTERN
from maps.weights.bundled import is_of_bundled_model
from space.atlases.names import PREBUILT_FOLDER, name_atlas, sort_by_reading
from space.atlases.shown import ShownAtlases


class HubAccess(NamedTuple):
    """The token and the address with which the Hub is asked; by default the user's own token and the public Hub."""

    token: str | None = None
    endpoint: str | None = None


class OpenedAtlases(NamedTuple):
    """The atlases and the Hub datasets from which some were read, both by model; and a sentence per skipped atlas."""

    atlases: ShownAtlases
    hub_datasets: Mapping[str, str]
    skipped_atlas_messages: tuple[str, ...]


def open_atlases(comma_separated_names: str, data: Path, hub: HubAccess = HubAccess()) -> OpenedAtlases:
    """Opens the atlases of MAPS_ATLASES; if that is empty, the prebuilt one and those in the data folder.

    A model is shown once in each reading: an atlas in the data folder replaces a prebuilt one, and a newer atlas an
    older one. Models with different weights and the same name are all shown, see `distinguish`.
    Skipped atlases are named on the terminal; those of MAPS_ATLASES also on the first page.
    """
    if comma_separated_names:
        return open_named_atlases([name.strip() for name in comma_separated_names.split(",") if name.strip()], hub)
    return open_default_atlases(data)


def open_named_atlases(names: list[str], hub: HubAccess) -> OpenedAtlases:
    """Opens folders and Hub datasets, and checks all their values. An atlas that cannot be read is skipped.

    Raises MapsError if no atlas is left.
    """
    if not names:
        raise MapsError(
            "MAPS_ATLASES names neither a folder nor a dataset. Name one, or unset it to show the prebuilt atlas."
        )
    atlases: dict[str, Atlas] = {}
    models: dict[str, Atlas] = {}
    datasets: dict[str, str] = {}
    skipped: list[str] = []
    loaded: list[tuple[str, Atlas]] = []
    with AtlasVerifier() as verifier:
        for name in names:
            try:
                atlas = load_atlas(name, token=hub.token, endpoint=hub.endpoint)
                verifier.verify(atlas.folder)
                loaded.append((name, atlas))
            except MapsError as error:
                skipped.append(f"The atlas {name} is not shown: {error}")
    for name, each in loaded:
        atlas = name_atlas(each, models)
        model = atlas.model
        if model in atlases:
            skipped.append(f"The atlas {name} is not shown, because another atlas of {model} is listed before it.")
            continue
        atlases[model] = atlas
        if not Path(name).expanduser().exists() and DATASET_NAME_PATTERN.fullmatch(name) is not None:
            datasets[model] = name
    if not atlases:
        raise MapsError(" ".join(skipped))
    for sentence in skipped:
        print(sentence, file=sys.stderr)
    return OpenedAtlases(ShownAtlases(atlases, models), datasets, tuple(skipped))


def open_default_atlases(data: Path) -> OpenedAtlases:
    """Opens the prebuilt atlases and those in the data folder."""
    atlases: dict[str, Atlas] = {}
    models: dict[str, Atlas] = {}
    prebuilt = map(Atlas.open, PREBUILT_FOLDER.iterdir())
    # The bundled model comes first: its weights are at hand.
    for atlas in sorted(prebuilt, key=lambda atlas: (not is_of_bundled_model(atlas.info), atlas.folder)):
        named = name_atlas(atlas, models)
        atlases[named.model] = named
    computed = sorted(open_computed_atlases(data / "atlases"), key=lambda atlas: str(atlas.info["created_at"]))
    for each in computed:
        atlas = name_atlas(each, models)
        before = atlases.get(atlas.model)
        if before is not None and before.folder.parent != PREBUILT_FOLDER:
            print(
                f"{before.folder} is not shown, because {atlas.folder} is a newer atlas of the same model and reading. "
                f"Set MAPS_ATLASES={before.folder} to show it.",
                file=sys.stderr,
            )
        atlases[atlas.model] = atlas
    return OpenedAtlases(ShownAtlases(sort_by_reading(atlases, list(models)), models), {}, ())


def open_computed_atlases(folder: Path) -> list[Atlas]:
    """Opens the finished and valid atlases in a folder; anything else in it is named on the terminal."""
    opened = []
    with AtlasVerifier() as verifier:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            try:
                atlas = Atlas.open(path)
                verifier.verify(path)
                opened.append(atlas)
            except MapsError as error:
                print(f"Skipped: {error}", file=sys.stderr)
    return opened
