"""The relations that ship with the library, and a user's own: JSON files into values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Dictionary
from functools import cache
from importlib.resources import files
from pathlib import Path

from maps.errors import MapsError
from maps.types import Relation

# Names of the predefined relations and values, or the pairs of own ones by name; None: the predefined ones.
RelationChoice = Iterable[Relation | str] | Dictionary[str, Sequence[Sequence[str]]] | None


@cache
def predefined_relations() -> tuple[Relation, ...]:
    """The relations of maps/data/relations, by category and name as the paper lists them."""
    order = ("algorithmic", "knowledge", "linguistic", "translation")
    read = []
    for file in files("maps.data").joinpath("relations").iterdir():
        if file.name.endswith(".json"):
            data = json.loads(file.read_text(encoding="utf-8"))
            pairs = tuple((source, target) for source, target, _ in data["pairs"])
            read.append(Relation(data["name"], data["category"], pairs))
    return tuple(sorted(read, key=lambda r: (order.index(r.category), r.name)))


def select_relations(names: list[str]) -> tuple[Relation, ...]:
    """Those of the predefined relations; raises MapsError for a name that is none."""
    known = {relation.name: relation for relation in predefined_relations()}
    for name in names:
        if name not in known:
            raise MapsError(f"There is no relation {name}; the relations are {', '.join(known)}.")
    return tuple(known[name] for name in dict.fromkeys(names))


def resolve_relations(choice: RelationChoice) -> tuple[Relation, ...]:
    """Relations as people name them; raises MapsError for what is none, and where two have one name."""
    if choice is None:
        return predefined_relations()
    if isinstance(choice, Dictionary):
        return tuple(parse_relation(name, pairs) for name, pairs in choice.items())
    relations = tuple(dict.fromkeys(map(_resolve_relation, [choice] if isinstance(choice, str) else choice)))
    if len({relation.name for relation in relations}) < len(relations):
        raise MapsError("Two relations have the same name; give each its own.")
    return relations


def _resolve_relation(choice: object) -> Relation:
    """One of the predefined relations by its name, or a value as it is."""
    if isinstance(choice, Relation):
        return choice
    if isinstance(choice, str):
        return select_relations([choice])[0]
    raise MapsError(f'{choice!r} is no relation: give a name, or own pairs as {{"capitals": [("France", "Paris")]}}.')


def read_own_relation(spec: str) -> Relation:
    """A relation from `NAME=FILE.json`, the file a list of `[source, target]` pairs."""
    name, _, file = spec.partition("=")
    if not name or not file:
        raise MapsError(f"--relation takes NAME=FILE.json, not {spec!r}.")
    path = Path(file)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MapsError(f"The relation file {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise MapsError(f"The relation file {path} is no JSON in UTF-8: {error}.") from error
    return parse_relation(name, data)


def parse_relation(name: str, data: object) -> Relation:
    """A user's own relation: a list of `[source, target]` pairs of strings, as JSON gives it, or of tuples."""
    if not isinstance(data, list | tuple) or not data:
        raise MapsError(f'The relation {name} must be a list of pairs such as [["France", "Paris"]].')
    pairs: dict[tuple[str, str], None] = {}
    for number, pair in enumerate(data, start=1):
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(map(is_text, pair)):
            raise MapsError(f"Entry {number} of the relation {name} is no pair of two non-empty strings.")
        pairs[(pair[0].strip(), pair[1].strip())] = None
    return Relation(name, "", tuple(pairs))


def is_text(value: object) -> bool:
    """Whether a value is a string with something in it and no half of a character (JSON's `"\\ud800"`)."""
    return isinstance(value, str) and value.strip() != "" and not any("\ud800" <= c <= "\udfff" for c in value)
