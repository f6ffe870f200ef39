"""Heads with a function known from earlier work: groups that ship with the library, and a user's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from maps.data import is_text, read_own_json
from maps.errors import MapsError
from maps.types import HeadId

SCORE_SIDES = ("score", "suppression")


class KnownGroup(NamedTuple):
    """Heads with one function in earlier work, and the relation by which MAPS should find them.

    `side`: whether they promote the targets ("score") or suppress them ("suppression"). `published`: how many of them
    the paper finds; None if it does not say.
    """

    name: str
    relation: str
    side: str
    heads: tuple[HeadId, ...]
    published: int | None
    source: str


def shipped_groups(model: str, architecture: str, layers: int, heads: int) -> tuple[str, tuple[KnownGroup, ...]]:
    """The usual name of the model with that shape, and its groups; raises MapsError if none ships."""
    known_models = json.loads(files("maps.data").joinpath("known_heads.json").read_text(encoding="utf-8"))
    for known in known_models:
        if (known["architecture"], known["layers"], known["heads"]) == (architecture, layers, heads):
            return known["model"], parse_groups(known["groups"])
    names = " and ".join(f"{m['model']} ({m['layers']} layers of {m['heads']} heads)" for m in known_models)
    raise MapsError(
        f"Known heads are available for {names}, but {model} is {architecture} with {layers} layers of {heads} heads. "
        "Give your own list with --known FILE.json."
    )


def read_own_groups(path: Path) -> tuple[KnownGroup, ...]:
    """A user's groups: a list of objects with group, relation and heads; side, published and source are optional."""
    data = read_own_json(path, "file of known heads")
    try:
        return parse_groups(data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MapsError(
            f'{path} must be a list such as [{{"group": "movers", "relation": "name_copying", "heads": ["L9H9"]}}].'
        ) from error


def parse_groups(data: Sequence[dict[str, Any]]) -> tuple[KnownGroup, ...]:
    """The groups in a JSON value; raises various exceptions if it has another form, MapsError for an invalid head."""
    groups = tuple(map(parse_group, data))
    if not groups:
        raise ValueError("no groups")
    return groups


def parse_group(data: dict[str, Any]) -> KnownGroup:
    side, published, source = data.get("side", "score"), data.get("published"), data.get("source", "")
    heads = tuple(dict.fromkeys(HeadId.parse(head) for head in data["heads"]))
    has_texts = is_text(data["group"]) and is_text(data["relation"]) and isinstance(source, str)
    if not has_texts or side not in SCORE_SIDES or not heads or not (published is None or type(published) is int):
        raise ValueError("not a group of heads")
    return KnownGroup(data["group"], data["relation"], side, heads, published, source)
