"""Heads whose function earlier work found: those that ship with the library, and a user's own, out of JSON files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from maps.data import is_text
from maps.errors import MapsError
from maps.types import HeadId

SCORE_SIDES = ("score", "suppression")


class KnownGroup(NamedTuple):
    """Heads that earlier work gives one function, and the relation that MAPS would know them by.

    `side`: whether they promote its targets (score) or hold them down (suppression). `published`: how many of them the
    paper classifies likewise; None where it does not say.
    """

    name: str
    relation: str
    side: str
    heads: tuple[HeadId, ...]
    published: int | None
    source: str


def shipped_groups(model: str, architecture: str, layers: int, heads: int) -> tuple[str, tuple[KnownGroup, ...]]:
    """The groups of the model of that shape, with the name that it goes by; MapsError where none ships."""
    known = json.loads(files("maps.data").joinpath("known_heads.json").read_text(encoding="utf-8"))
    for each in known:
        if (each["architecture"], each["layers"], each["heads"]) == (architecture, layers, heads):
            return each["model"], parse_groups(each["groups"])
    names = " and ".join(f"{x['model']} ({x['layers']} layers of {x['heads']} heads)" for x in known)
    raise MapsError(
        f"Heads are known of {names}; {model} is {architecture} with {layers} layers of {heads} heads: give your own "
        "list with --known FILE.json."
    )


def read_own_groups(path: Path) -> tuple[KnownGroup, ...]:
    """A user's groups: a list of objects with group, relation and heads, and side, published and source if wanted."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MapsError(f"The file of known heads {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise MapsError(f"The file of known heads {path} is no JSON in UTF-8: {error}.") from error
    try:
        found = parse_groups(data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MapsError(
            f'{path} must be a list such as [{{"group": "movers", "relation": "name_copying", "heads": ["L9H9"]}}].'
        ) from error
    return found


def parse_groups(data: Sequence[dict[str, Any]]) -> tuple[KnownGroup, ...]:
    """Groups as JSON gives them; what is raised where they are none is no MapsError, but for what is no head."""
    found = tuple(map(parse_group, data))
    if not found:
        raise ValueError("no groups")
    return found


def parse_group(data: dict[str, Any]) -> KnownGroup:
    """One group."""
    side, published, source = data.get("side", "score"), data.get("published"), data.get("source", "")
    heads = tuple(dict.fromkeys(HeadId.parse(head) for head in data["heads"]))
    named = is_text(data["group"]) and is_text(data["relation"]) and isinstance(source, str)
    if not named or side not in SCORE_SIDES or not heads or not (published is None or type(published) is int):
        raise ValueError("no group of heads")
    return KnownGroup(data["group"], data["relation"], side, heads, published, source)
