"""Which tokens a search means, over all atlases searched, and which others are like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from space.search.index import Index
from space.search.query import Query
from space.search.results import Cut, Section, Token

MOST_MEANT = 8  # tokens that a misspelt search stands for

Meant = list[dict[int, int]]  # for each index its tokens, each with how far it is from the search


def meant(indexes: Sequence[Index], query: Query, around: Meant) -> tuple[Meant, bool]:
    """The tokens that are the search, whatever their case and space; where there is none the nearest ones, and False.

    `around` are the tokens near the search. The number of a token is 0 where it is just as typed, 1 in other case or
    space; of a near one its typing errors.
    """
    exact = [index.tokens.exact(query) for index in indexes]
    if any(exact) or not query.text:
        return exact, True
    least = min((errors for each in around for errors in each.values()), default=0)
    nearest = [{token: errors for token, errors in each.items() if errors == least} for each in around]
    strings = {index.tokens.string(token): None for index, each in zip(indexes, nearest, strict=True) for token in each}
    kept = set(list(strings)[:MOST_MEANT])
    return [
        {token: errors for token, errors in each.items() if index.tokens.string(token) in kept}
        for index, each in zip(indexes, nearest, strict=True)
    ], False


@dataclass
class Counted:
    """A string met in some atlases."""

    errors: int
    ids: dict[str, int] = field(default_factory=dict)
    sources: int = 0
    targets: int = 0


def alike(indexes: Sequence[Index], around: Meant, own: Meant, cut: Cut) -> Section[Token]:
    """A page of the tokens near the search, beside its own, with the heads that have them."""
    others = [
        {token: errors for token, errors in each.items() if token not in mine}
        for each, mine in zip(around, own, strict=True)
    ]
    strings: dict[str, int] = {}
    for index, each in zip(indexes, others, strict=True):
        for token, distance in each.items():
            string = index.tokens.string(token)
            strings[string] = min(distance, strings.get(string, distance))
    ordered = sorted(strings, key=lambda string: (strings[string], string))
    shown = set(ordered[cut.part])
    page = [
        {token: distance for token, distance in each.items() if index.tokens.string(token) in shown}
        for index, each in zip(indexes, others, strict=True)
    ]
    return Section.of(counted(indexes, page), len(ordered), cut)


def counted(indexes: Sequence[Index], tokens: Meant) -> tuple[Token, ...]:
    """Tokens with their ids and the heads that have them, by nearness and string."""
    found: dict[str, Counted] = {}
    for index, each in zip(indexes, tokens, strict=True):
        for token, errors in each.items():
            entry = found.setdefault(index.tokens.string(token), Counted(errors))
            entry.ids[index.model] = int(index.tokens.ids[token])
            entry.sources += index.tokens.head_count(index.tokens.as_source([token]).mappings)
            entry.targets += index.tokens.head_count(index.tokens.as_target([token]).mappings)
    made = [Token(string, e.errors, e.ids, e.sources, e.targets) for string, e in found.items()]
    return tuple(sorted(made, key=lambda token: (token.errors, token.string)))
