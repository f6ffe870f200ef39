"""The settings of a run, kept beside its results."""

from __future__ import annotations

import json
from collections.abc import Mapping as Dictionary
from pathlib import Path
from typing import Any

from maps.errors import MapsError
from maps.files.atomic import read_json


def check_same_settings(
    path: Path, settings: Dictionary[str, Any], holder: str, remedy: str = "choose another --out"
) -> bool:
    """Whether a run noted its settings there, the same ones as now; raises MapsError where they are others."""
    before = read_json(path)
    if before is not None and before != json.loads(json.dumps(settings)):
        raise MapsError(f"{holder} other settings ({settings_difference(before, settings)}); {remedy}.")
    return before is not None


def settings_difference(before: Dictionary[str, Any], after: Dictionary[str, Any]) -> str:
    """The first setting in which two differ, in words."""
    for key in after:
        if before.get(key) != json.loads(json.dumps(after[key])):
            old, new = (json.dumps(x, ensure_ascii=False) for x in (before.get(key), after[key]))
            return f"{key} was {old}, now {new}" if len(old + new) < 120 else f"other {key}"
    return "other settings"
