"""Finds the heads that a search names, such as `L26H2`."""

from __future__ import annotations

from collections.abc import Sequence

from maps.types import HeadId
from space.search.index import SearchIndex
from space.search.query import Query
from space.search.results import PAGE_SIZE, NamedHeadHit, PageSlice, ResultSection


def find_named_heads(
    indexes: Sequence[SearchIndex], query: Query
) -> tuple[ResultSection[NamedHeadHit], tuple[HeadId, ...]]:
    """The first page of the heads that the search names, in each model that has them; and those that none has."""
    named = query.named_heads
    hits = [NamedHeadHit(index.model, head) for head in named for index in indexes if head in index.head_ids]
    found = {hit.head for hit in hits}
    page_slice = PageSlice(1, PAGE_SIZE)
    missing = tuple(head for head in named if head not in found)
    return ResultSection.build(hits[page_slice.as_slice], len(hits), page_slice), missing
