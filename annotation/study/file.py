"""Converts a study to and from its file: JSON with everything that annotators see, and a hash of it."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, overload

from annotation.study.panel import PanelSettings
from annotation.study.study import ItemContent, ItemOrigin, Study, StudyNotice, StudySettings
from annotation.types import StudyItem
from maps.errors import MapsError
from maps.types import HeadId, Mapping

FORMAT_VERSION = 1
TIME_SETTINGS = ("deadline", "created_at")


def study_to_json(study: Study) -> str:
    """The text of a study's file: format version, SHA-256 of the content, settings, and items in order."""
    settings = asdict(study.settings)
    settings |= {name: settings[name] and settings[name].isoformat() for name in TIME_SETTINGS}
    content = {"settings": settings, "items": [_item_to_data(study, item) for item in study.order]}
    whole = {"format_version": FORMAT_VERSION, "sha256": _content_hash(content), **content}
    return json.dumps(whole, ensure_ascii=False, allow_nan=False) + "\n"


class StoredMappings(Sequence[Mapping]):
    """The mappings of an item as they are in the file, read at each use: objects take thirty times the memory."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.length, self._packed = len(rows), zlib.compress(_canonical_json(rows).encode(), level=1)

    @property
    def text(self) -> bytes:
        """Compact JSON with sorted keys."""
        return zlib.decompress(self._packed)

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> Mapping: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Mapping]: ...
    def __getitem__(self, index: int | slice) -> Mapping | Sequence[Mapping]:
        return mappings_from_data(json.loads(self.text))[index]

    def __iter__(self) -> Iterator[Mapping]:
        return iter(mappings_from_data(json.loads(self.text)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(self._packed)


def _store_mappings(row: dict[str, Any]) -> dict[str, Any]:
    """An object of the file as it is read: an item's mappings are packed before the next item is read."""
    return row | {"mappings": StoredMappings(row["mappings"])} if "mappings" in row else row


def study_from_json(text: str) -> Study:
    """The study in the text of such a file. Raises MapsError if it is damaged, was changed, or has another format."""
    try:
        whole = json.loads(text, object_hook=_store_mappings)
        version = whole["format_version"]
        content = {"settings": whole["settings"], "items": whole["items"]}
        is_unchanged = whole["sha256"] == _content_hash(content)
        study = _study_from_data(content) if is_unchanged and version == FORMAT_VERSION else None
    except (ValueError, KeyError, TypeError) as error:
        raise MapsError("The study's file is damaged; replace it with an intact copy.") from error
    if version != FORMAT_VERSION:
        raise MapsError(
            f"The study's file has format {version}, but this version reads {FORMAT_VERSION}; update the project."
        )
    if study is None:
        raise MapsError("The study's file was changed after the study was created; replace it with the original.")
    return study


def _content_hash(content: dict[str, Any]) -> str:
    """SHA-256 of settings and items as compact JSON with sorted keys, of which only one item is held at a time."""
    digest = hashlib.sha256(b'{"items":[')
    for number, item in enumerate(content["items"]):
        digest.update((b"," if number else b"") + _canonical_item(item))
    digest.update(b'],"settings":' + _canonical_json(content["settings"]).encode() + b"}")
    return digest.hexdigest()


def _canonical_item(item: dict[str, Any]) -> bytes:
    mappings = item["mappings"]
    text = mappings.text if isinstance(mappings, StoredMappings) else _canonical_json(mappings).encode()
    before = _canonical_json({name: value for name, value in item.items() if name < "mappings"}).encode()
    after = _canonical_json({name: value for name, value in item.items() if name > "mappings"}).encode()
    return before[:-1] + b',"mappings":' + text + b"," + after[1:]


def _canonical_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _item_to_data(study: Study, item: StudyItem) -> dict[str, Any]:
    content, origin = study.contents[item.key], study.origins[item.key]
    return {
        **asdict(item),
        "own_mapping_hash": origin.mapping_hash,
        "described": str(origin.described_head),
        "input_strings": content.input_strings,
        "observed_pattern": content.observed_pattern,
        "mappings": [asdict(mapping) for mapping in content.mappings],
    }


def _study_from_data(content: dict[str, Any]) -> Study:
    settings = content["settings"]
    times = {name: settings[name] and datetime.fromisoformat(settings[name]) for name in TIME_SETTINGS}
    order, contents, origins = [], {}, {}
    for row in content["items"]:
        item = StudyItem(**{name: row[name] for name in StudyItem.__dataclass_fields__})
        order.append(item)
        contents[item.key] = ItemContent(row["mappings"], row["input_strings"], row["observed_pattern"])
        origins[item.key] = ItemOrigin(row["own_mapping_hash"], HeadId.parse(row["described"]))
    nested = {  # studies from before they existed have none
        "notice": StudyNotice(**settings.get("notice", {})),
        "panel": PanelSettings(**settings.get("panel", {})),
    }
    return Study(StudySettings(**settings | times | nested), tuple(order), contents, origins)


def mappings_from_data(rows: list[dict[str, Any]]) -> tuple[Mapping, ...]:
    lists = ("target_ids", "targets", "scores")
    return tuple(Mapping(**row | {name: tuple(row[name]) for name in lists}) for row in rows)
