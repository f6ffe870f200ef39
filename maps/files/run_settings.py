"""The settings of a run, kept beside its results."""

from __future__ import annotations

import json
from collections.abc import Mapping as Dictionary
from pathlib import Path
from typing import Any

from maps.errors import MapsError
from maps.files.atomic import read_json


def check_same(path: Path, now: Dictionary[str, Any], holds: str, remedy: str = "choose another --out") -> bool:
    """Whether a run noted its settings there, the same ones as now; raises MapsError where they are others."""
    before = read_json(path)
    if before is not None and before != json.loads(json.dumps(now)):
        raise MapsError(f"{holds} other settings ({difference(before, now)}); {remedy}.")
    return before is not None


def difference(before: Dictionary[str, Any], now: Dictionary[str, Any]) -> str:
    """The first setting in which two differ, in words."""
    for key in now:
        if before.get(key) != json.loads(json.dumps(now[key])):
            old, new = (json.dumps(x, ensure_ascii=False) for x in (before.get(key), now[key]))
            return f"{key} was {old}, now {new}" if len(old + new) < 120 else f"other {key}"
    return "other settings"
