"""Reads the word lists in maps/data/lexicon."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from importlib.resources import files

from maps.describers.offline.lexicon import Lexicon


def _list_rows(name: str) -> list[list[str]]:
    """The lines of a list, split at tabs, without comments."""
    text = files("maps.data").joinpath("lexicon", f"{name}.txt").read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if not line.startswith("#")]


@cache
def load_lexicon() -> Lexicon:
    closed = {name: frozenset(words.split()) for name, words in _list_rows("closed")}
    irregular: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for inflection, word, form in _list_rows("irregular"):
        irregular[inflection].add((word, form))
    rhymes: dict[str, set[int]] = defaultdict(set)
    for number, (group,) in enumerate(_list_rows("rhymes")):
        for word in group.split():
            rhymes[word].add(number)
    return Lexicon(
        semantic_fields={name: frozenset(words.split()) for name, words in _list_rows("fields")},
        # A class whose name begins with + consists of function words.
        closed_classes={name.removeprefix("+"): words for name, words in closed.items()},
        function_words=frozenset().union(*(words for name, words in closed.items() if name.startswith("+"))),
        irregular_forms={name: frozenset(pairs) for name, pairs in irregular.items()},
        rhyme_groups={word: frozenset(numbers) for word, numbers in rhymes.items()},
    )
