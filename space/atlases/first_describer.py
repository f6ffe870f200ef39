"""Whose descriptions an organiser wants shown first: a name in the folder of each atlas."""

from __future__ import annotations

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.files.atomic import read_json, write_json

DISPLAY_FILE = "display.json"
KEY = "first_describer"


def first_describer(atlas: Atlas) -> str:
    """The describer that was chosen for an atlas; empty for the usual order. A damaged file counts as none."""
    try:
        chosen = (read_json(atlas.folder / DISPLAY_FILE) or {}).get(KEY, "")
    except MapsError:
        return ""
    return chosen if isinstance(chosen, str) else ""


def choose_first_describer(atlas: Atlas, describer: str) -> None:
    """Has a describer shown first; with an empty name, the usual order."""
    write_json(atlas.folder / DISPLAY_FILE, {KEY: describer})
