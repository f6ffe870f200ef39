"""Converts values to JSON and checks arguments."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.types import HeadId

JsonRows = list[dict[str, Any]]


def json_value(value: Any) -> Any:
    """A value for JSON: heads by their names, times as text."""
    if isinstance(value, HeadId):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: json_value(each) for name, each in value.items()}
    return [json_value(each) for each in value] if isinstance(value, list | tuple) else value


def threshold_or_default(tau: float | None, atlas: Atlas) -> float:
    """The threshold in an argument, or the atlas's own; raises MapsError if it is not above 0 and at most 1."""
    if tau is None:
        return float(atlas.info["settings"]["tau"])
    if not 0 < tau <= 1:
        raise MapsError("The threshold must be a number above 0 and at most 1.")
    return tau
