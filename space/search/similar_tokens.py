"""Which tokens a search means, over all atlases searched, and which others are like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from space.search.index import SearchIndex
from space.search.query import Query
from space.search.results import PageSlice, ResultSection, TokenHit

MAX_NEAREST_TOKENS = 8  # tokens that a misspelt search stands for

TokenDistances = list[dict[int, int]]  # for each index its tokens, each with how far it is from the search


def match_tokens(
    indexes: Sequence[SearchIndex], query: Query, near_tokens: TokenDistances
) -> tuple[TokenDistances, bool]:
    """The tokens that are the search, whatever their case and space; where there is none the nearest ones, and False.

    `near_tokens` are the tokens near the search. The number of a token is 0 where it is just as typed, 1 in other case or
    space; of a near one its typing errors.
    """
    exact = [index.tokens.exact_tokens(query) for index in indexes]
    if any(exact) or not query.text:
        return exact, True
    least = min((errors for each in near_tokens for errors in each.values()), default=0)
    nearest = [{token: errors for token, errors in each.items() if errors == least} for each in near_tokens]
    strings = {index.tokens.string(token): None for index, each in zip(indexes, nearest, strict=True) for token in each}
    kept = set(list(strings)[:MAX_NEAREST_TOKENS])
    return [
        {token: errors for token, errors in each.items() if index.tokens.string(token) in kept}
        for index, each in zip(indexes, nearest, strict=True)
    ], False


@dataclass
class TokenCounts:
    """A string met in some atlases."""

    errors: int
    ids: dict[str, int] = field(default_factory=dict)
    sources: int = 0
    targets: int = 0


def find_similar_tokens(
    indexes: Sequence[SearchIndex], near_tokens: TokenDistances, matching_tokens: TokenDistances, page_slice: PageSlice
) -> ResultSection[TokenHit]:
    """A page of the tokens near the search, beside its own, with the heads that have them."""
    others = [
        {token: errors for token, errors in each.items() if token not in mine}
        for each, mine in zip(near_tokens, matching_tokens, strict=True)
    ]
    strings: dict[str, int] = {}
    for index, each in zip(indexes, others, strict=True):
        for token, distance in each.items():
            string = index.tokens.string(token)
            strings[string] = min(distance, strings.get(string, distance))
    ordered = sorted(strings, key=lambda string: (strings[string], string))
    shown = set(ordered[page_slice.as_slice])
    page = [
        {token: distance for token, distance in each.items() if index.tokens.string(token) in shown}
        for index, each in zip(indexes, others, strict=True)
    ]
    return ResultSection.build(make_token_hits(indexes, page), len(ordered), page_slice)


def make_token_hits(indexes: Sequence[SearchIndex], tokens: TokenDistances) -> tuple[TokenHit, ...]:
    """Tokens with their ids and the heads that have them, by nearness and string."""
    found: dict[str, TokenCounts] = {}
    for index, each in zip(indexes, tokens, strict=True):
        for token, errors in each.items():
            entry = found.setdefault(index.tokens.string(token), TokenCounts(errors))
            entry.ids[index.model] = int(index.tokens.ids[token])
            entry.sources += index.tokens.head_count(index.tokens.source_occurrences([token]).mappings)
            entry.targets += index.tokens.head_count(index.tokens.target_occurrences([token]).mappings)
    made = [TokenHit(string, e.errors, e.ids, e.sources, e.targets) for string, e in found.items()]
    return tuple(sorted(made, key=lambda token: (token.errors, token.string)))
