"""Finds the tokens that match a search, over all atlases searched, and the tokens similar to it."""

from __future__ import annotations

from collections.abc import Sequence

from space.search.index import SearchIndex
from space.search.query import Query
from space.search.results import PageSlice, ResultSection, TokenHit

MAX_NEAREST_TOKENS = 8  # tokens that replace a misspelt search

TokenDistances = list[dict[int, int]]  # for each index its tokens with their distance: 0 exactly as typed, 1 in another
# case or with other space around it; of a misspelt token its number of typing errors


def match_tokens(
    indexes: Sequence[SearchIndex], query: Query, near_tokens: TokenDistances
) -> tuple[TokenDistances, bool]:
    """The tokens that equal the search apart from case and surrounding space, and True.

    If there are none: the nearest of `near_tokens`, at most MAX_NEAREST_TOKENS strings, and False.
    """
    exact = [index.tokens.exact_tokens(query) for index in indexes]
    if any(exact) or not query.text:
        return exact, True
    least = min((errors for distances in near_tokens for errors in distances.values()), default=0)
    nearest = [{token: errors for token, errors in distances.items() if errors == least} for distances in near_tokens]
    strings: list[str] = []
    for index, distances in zip(indexes, nearest, strict=True):
        strings += map(index.tokens.string, distances)
    kept = list(dict.fromkeys(strings))[:MAX_NEAREST_TOKENS]
    return select_strings(indexes, nearest, kept), False


def select_strings(
    indexes: Sequence[SearchIndex], distances_by_index: TokenDistances, strings: Sequence[str]
) -> TokenDistances:
    """Those tokens whose strings are among `strings`."""
    wanted = set(strings)
    return [
        {token: errors for token, errors in distances.items() if index.tokens.string(token) in wanted}
        for index, distances in zip(indexes, distances_by_index, strict=True)
    ]


def find_similar_tokens(
    indexes: Sequence[SearchIndex], near_tokens: TokenDistances, matching_tokens: TokenDistances, page_slice: PageSlice
) -> ResultSection[TokenHit]:
    """A page of the near tokens that are not matching ones, nearest first."""
    others = [
        {token: errors for token, errors in near.items() if token not in matching}
        for near, matching in zip(near_tokens, matching_tokens, strict=True)
    ]
    least_errors: dict[str, int] = {}
    for index, distances in zip(indexes, others, strict=True):
        for token, errors in distances.items():
            string = index.tokens.string(token)
            least_errors[string] = min(errors, least_errors.get(string, errors))
    ordered = sorted(least_errors, key=lambda string: (least_errors[string], string))
    page = select_strings(indexes, others, ordered[page_slice.as_slice])
    return ResultSection.build(make_token_hits(indexes, page), len(ordered), page_slice)


def make_token_hits(indexes: Sequence[SearchIndex], tokens: TokenDistances) -> tuple[TokenHit, ...]:
    """Tokens with their ids and the number of heads that have them, by distance and string."""
    hits: dict[str, TokenHit] = {}
    for index, distances in zip(indexes, tokens, strict=True):
        for token, errors in distances.items():
            string = index.tokens.string(token)
            earlier = hits.get(string) or TokenHit(string, errors, {}, 0, 0)
            ids = {**earlier.ids, index.model: int(index.tokens.ids[token])}
            sources = earlier.sources + index.tokens.head_count(index.tokens.source_occurrences([token]).mappings)
            targets = earlier.targets + index.tokens.head_count(index.tokens.target_occurrences([token]).mappings)
            hits[string] = TokenHit(string, earlier.errors, ids, sources, targets)
    return tuple(sorted(hits.values(), key=lambda hit: (hit.errors, hit.string)))
