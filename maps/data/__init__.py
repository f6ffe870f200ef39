"""The relations that ship with the library, and a user's own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Dictionary
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from maps.errors import MapsError
from maps.types import Relation

# Names of predefined relations, Relation values, or a dictionary of own pairs by name; None: all predefined relations.
RelationChoice = Iterable[Relation | str] | Dictionary[str, Sequence[Sequence[str]]] | None


@cache
def predefined_relations() -> tuple[Relation, ...]:
    """The relations in maps/data/relations, sorted by category, as in the paper, and name."""
    order = ("algorithmic", "knowledge", "linguistic", "translation")
    relations = []
    for file in files("maps.data").joinpath("relations").iterdir():
        if file.name.endswith(".json"):
            data = json.loads(file.read_text(encoding="utf-8"))
            pairs = tuple((source, target) for source, target, _ in data["pairs"])
            relations.append(Relation(data["name"], data["category"], pairs))
    return tuple(sorted(relations, key=lambda r: (order.index(r.category), r.name)))


def select_relations(names: list[str]) -> tuple[Relation, ...]:
    """Predefined relations by name; raises MapsError for an unknown name."""
    known = {relation.name: relation for relation in predefined_relations()}
    for name in names:
        if name not in known:
            raise MapsError(f"There is no relation {name}. Choose from {', '.join(known)}.")
    return tuple(known[name] for name in dict.fromkeys(names))


def resolve_relations(choice: RelationChoice) -> tuple[Relation, ...]:
    """The relations that a choice names; raises MapsError for an invalid choice and for two relations of one name."""
    if choice is None:
        return predefined_relations()
    if isinstance(choice, Dictionary):
        return tuple(parse_relation(name, pairs) for name, pairs in choice.items())
    relations = tuple(dict.fromkeys(map(_resolve_relation, [choice] if isinstance(choice, str) else choice)))
    if len({relation.name for relation in relations}) < len(relations):
        raise MapsError("Two relations have the same name; give each its own.")
    return relations


def _resolve_relation(choice: object) -> Relation:
    if isinstance(choice, Relation):
        return choice
    if isinstance(choice, str):
        return select_relations([choice])[0]
    raise MapsError(
        f'{choice!r} is not a relation: give a name, or your own pairs as {{"capitals": [("France", "Paris")]}}.'
    )


def read_own_relation(spec: str) -> Relation:
    """A user's relation from `NAME=FILE.json`; the file is a list of `[source, target]` pairs."""
    name, _, file = spec.partition("=")
    if not name or not file:
        raise MapsError(f"--relation takes NAME=FILE.json, not {spec!r}.")
    return parse_relation(name, read_own_json(Path(file), "relation file"))


def read_own_json(path: Path, kind: str) -> Any:
    """The JSON value in a user's file; raises MapsError, naming the kind of file, if it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MapsError(f"The {kind} {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise MapsError(f"The {kind} {path} is not JSON in UTF-8: {error}.") from error


def parse_relation(name: str, data: object) -> Relation:
    """A user's relation from a list of `[source, target]` pairs, as lists (from JSON) or tuples."""
    if not isinstance(data, list | tuple) or not data:
        raise MapsError(f'The relation {name} must be a list of pairs such as [["France", "Paris"]].')
    pairs: dict[tuple[str, str], None] = {}
    for number, pair in enumerate(data, start=1):
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(map(is_text, pair)):
            raise MapsError(f"Entry {number} of the relation {name} is not a pair of two non-empty strings.")
        pairs[(pair[0].strip(), pair[1].strip())] = None
    return Relation(name, "", tuple(pairs))


def is_text(value: object) -> bool:
    """Whether a value is a string that is not blank and has no lone surrogate (JSON's `"\\ud800"`)."""
    return isinstance(value, str) and value.strip() != "" and not any("\ud800" <= c <= "\udfff" for c in value)
