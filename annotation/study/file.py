"""A study ⇄ the text of its file, which holds all that annotators see and a hash of the whole."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from annotation.study.study import Origin, Settings, Shown, Study
from annotation.types import Item
from maps.errors import MapsError
from maps.types import HeadId, Mapping

FORMAT_VERSION = 1
TIMES = ("deadline", "created_at")


def to_json(study: Study) -> str:
    """The file of a study: JSON with its format, the SHA-256 of what it holds, the settings and the items in order."""
    settings = asdict(study.settings)
    settings |= {name: settings[name] and settings[name].isoformat() for name in TIMES}
    content = {"settings": settings, "items": [_as_data(study, item) for item in study.order]}
    whole = {"format_version": FORMAT_VERSION, "sha256": _hash(content), **content}
    return json.dumps(whole, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str) -> Study:
    """Reads such a file. Raises MapsError where it is damaged, changed, or of another format."""
    try:
        whole = json.loads(text)
        version = whole["format_version"]
        content = {"settings": whole["settings"], "items": whole["items"]}
        sound = whole["sha256"] == _hash(content)
        study = _study(content) if sound and version == FORMAT_VERSION else None
    except (ValueError, KeyError, TypeError) as error:
        raise MapsError("The study's file is damaged; put a sound copy in its place.") from error
    if version != FORMAT_VERSION:
        raise MapsError(
            f"The study's file has format {version}, this version reads {FORMAT_VERSION}; update the project."
        )
    if study is None:
        raise MapsError("The study's file was changed after it was frozen; put the original in its place.")
    return study


def _hash(content: dict[str, Any]) -> str:
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _as_data(study: Study, item: Item) -> dict[str, Any]:
    shown, origin = study.shown[item.key], study.origins[item.key]
    return {
        **asdict(item),
        "own_mapping_hash": origin.mapping_hash,
        "described": str(origin.described),
        "input_strings": shown.input_strings,
        "observed_pattern": shown.observed_pattern,
        "mappings": [asdict(mapping) for mapping in shown.mappings],
    }


def _study(content: dict[str, Any]) -> Study:
    times = {
        name: value and datetime.fromisoformat(value) for name, value in content["settings"].items() if name in TIMES
    }
    order, shown, origins = [], {}, {}
    for row in content["items"]:
        item = Item(**{name: row[name] for name in Item.__dataclass_fields__})
        order.append(item)
        shown[item.key] = Shown(mappings_of(row["mappings"]), row["input_strings"], row["observed_pattern"])
        origins[item.key] = Origin(row["own_mapping_hash"], HeadId.parse(row["described"]))
    return Study(Settings(**content["settings"] | times), tuple(order), shown, origins)


def mappings_of(rows: list[dict[str, Any]]) -> tuple[Mapping, ...]:
    """Mappings as JSON holds them."""
    lists = ("target_ids", "targets", "scores")
    return tuple(Mapping(**row | {name: tuple(row[name]) for name in lists}) for row in rows)
