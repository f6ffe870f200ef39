"""Checks `atlas.json` (docs/contract.md). An atlas may come from anybody, so no entry is used before it was checked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

MAX_LAYERS = MAX_HEADS = 10_000  # the name of a head has at most four digits for each
MAX_MAPPED_HEADS = 100_000  # six times as many as the largest model has
MAX_VOCABULARY = 1 << 22
MAX_TOKENS = 100_000_000  # sources and targets of all mappings: fifty times those of a model of 70 billion parameters
MAX_NAME_LENGTH = 4_000  # characters
MAX_RELATIONS = 10_000
INFO_BYTES = 4_000_000  # the longest atlas.json that is read
YEARS = range(1970, 10_000)

NAMES = ("model", "asked_for")  # of people: a folder may have any name, so pages and commands escape it
TEXTS = ("revision", "architecture", "created_at")  # of programs: on one line
COUNTS = {
    **{"layers": MAX_LAYERS, "heads": MAX_HEADS, "kv_heads": MAX_HEADS},
    **{"width": MAX_VOCABULARY, "head_width": MAX_VOCABULARY, "vocabulary": MAX_VOCABULARY},
}
SETTINGS_COUNTS = {"salient": 1, "targets": 1, "heldout": 0, "min_pairs": 1}  # the lowest value of each
SETTINGS_SWITCHES = ("suppressive", "output_space", "top_scoring")  # may be missing


class AtlasSizes(NamedTuple):
    """The sizes in `atlas.json` against which tables are checked."""

    layers: tuple[int, ...]  # that are mapped
    heads: int
    kv_heads: int
    vocabulary: int
    salient: int
    heldout: int
    targets: int
    relations: int

    @property
    def mapped_heads(self) -> int:
        return len(self.layers) * self.heads

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> AtlasSizes:
        """Checks every entry that is read anywhere; raises ValueError that names the first that is not valid."""
        check_texts(info)
        for key, highest in COUNTS.items():
            check_count(info, key, 1, highest)
        if "tokens_without_rows" in info:
            check_count(info, "tokens_without_rows", 0, MAX_VOCABULARY)
        if info["kv_heads"] > info["heads"]:
            raise ValueError("kv_heads is larger than heads")
        if not is_number_between(info.get("capitalised_share"), 0, 1):
            raise ValueError("capitalised_share is not a number from 0 to 1")
        settings = check_settings(info)
        layers = check_mapped_layers(settings, info)
        if len(layers) * info["heads"] > MAX_MAPPED_HEADS:
            raise ValueError(f"it has more than {MAX_MAPPED_HEADS:,} heads")
        mappings = len(layers) * info["heads"] * (settings["salient"] + settings["heldout"])
        if mappings * (settings["targets"] + 1) > MAX_TOKENS:
            raise ValueError(f"its mappings have more than {MAX_TOKENS:,} tokens")
        return cls(
            layers=layers,
            heads=info["heads"],
            kv_heads=info["kv_heads"],
            vocabulary=info["vocabulary"],
            salient=settings["salient"],
            heldout=settings["heldout"],
            targets=settings["targets"],
            relations=len(settings["relations"]),
        )


def check_texts(info: Mapping[str, Any]) -> None:
    for key in (*NAMES, *TEXTS):
        if not is_text(info.get(key)) or not (key in NAMES or info[key].isprintable()):
            raise ValueError(f"{key} is not a valid text")
    weights = info.get("weights")
    if weights is not None and not (is_text(weights) and weights.isprintable()):
        raise ValueError("weights is not a valid text")
    try:
        created_at = datetime.fromisoformat(info["created_at"])
    except ValueError:
        raise ValueError("created_at is not a valid time") from None
    if created_at.year not in YEARS:
        raise ValueError("created_at is not a valid time")
    versions = info.get("versions", {})
    if not isinstance(versions, dict) or not all(v is None or is_text(v) for v in versions.values()):
        raise ValueError("versions is not valid")


def check_settings(info: Mapping[str, Any]) -> dict[str, Any]:
    """The entry `settings`, checked."""
    settings = info.get("settings")
    if not isinstance(settings, dict):
        raise ValueError("it has no settings")
    for key, lowest in SETTINGS_COUNTS.items():
        check_count(settings, key, lowest, MAX_VOCABULARY)
    if settings.get("k") is not None:
        check_count(settings, "k", 1, MAX_VOCABULARY)
    if not is_number_between(settings.get("tau"), 0, 1):
        raise ValueError("tau is not a number from 0 to 1")
    if not all(isinstance(settings.get(key, False), bool) for key in SETTINGS_SWITCHES):
        raise ValueError("a setting is neither true nor false")
    if not is_text(settings.get("reading")) or not settings["reading"].isprintable():
        raise ValueError("reading is not a valid text")
    if not is_text(settings.get("calibration") or ""):
        raise ValueError("calibration is not a valid text")
    relations = settings.get("relations")
    if not isinstance(relations, dict) or len(relations) > MAX_RELATIONS:
        raise ValueError("relations is not valid")
    if not all(is_text(name) and is_text(hash_) for name, hash_ in relations.items()):
        raise ValueError("relations is not valid")
    return settings


def check_mapped_layers(settings: Mapping[str, Any], info: Mapping[str, Any]) -> tuple[int, ...]:
    """The mapped layers."""
    layers, with_heads = info["layers"], info.get("head_layers")
    mapped = settings.get("layers") or (0, layers - 1)
    if not isinstance(mapped, list | tuple) or len(mapped) != 2 or not all(type(n) is int for n in mapped):
        raise ValueError("the mapped layers are not two numbers")
    first, last = mapped
    if not 0 <= first <= last < layers:
        raise ValueError("the mapped layers are not among the model's")
    if with_heads is None:
        return tuple(range(first, last + 1))
    if not isinstance(with_heads, list) or not all(type(n) is int and 0 <= n < layers for n in with_heads):
        raise ValueError("head_layers are not layers of the model")
    if sorted(set(with_heads)) != with_heads:
        raise ValueError("head_layers are not in order")
    mapped = tuple(layer for layer in with_heads if first <= layer <= last)
    if not mapped:
        raise ValueError("none of the mapped layers has heads")
    return mapped


def check_count(entries: Mapping[str, Any], key: str, lowest: int, highest: int) -> None:
    value = entries.get(key)
    if type(value) is not int or not lowest <= value <= highest:
        raise ValueError(f"{key} is not a whole number from {lowest} to {highest:,}")


def is_number_between(value: object, lowest: float, highest: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and lowest <= value <= highest


def is_text(value: object) -> bool:
    """Whether this is text of a sane length that UTF-8 can hold (no half characters)."""
    if not isinstance(value, str) or len(value) > MAX_NAME_LENGTH:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)
