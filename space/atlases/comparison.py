"""Two atlases head by head; results are kept until a table of either changes."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from maps.analysis.head_by_head import HeadComparison, compare_heads, have_same_heads, have_same_tokens
from maps.analysis.side_by_side import BestHead, best_heads
from maps.atlas.reader import Atlas
from space.atlases import cache

MAX_COMPARISONS = 4  # kept; one of two models of 5,120 heads takes a few megabytes
MAX_ANSWERS = 1024  # whether two models have the same tokens: one bit each
Times = tuple[int, ...]


def are_comparable(first: Atlas, second: Atlas) -> bool:
    """Whether two atlases can be compared head by head: their models have one architecture and the same tokens."""
    if not have_same_heads(first.info, second.info):
        return False
    return _have_same_tokens(first.folder, second.folder, _times(first, second, "pairs"))


def compare_atlases(first: Atlas, second: Atlas) -> HeadComparison:
    """Every head of an atlas with the head in the same place of a comparable one."""
    return _compare_heads(first.folder, second.folder, _times(first, second, "mappings"))


@cache.cache_results("relations")
def best_head_of_relations(atlas: Atlas) -> dict[str, BestHead]:
    """The best head on each relation that some head hits beyond copying."""
    return best_heads(atlas.table("relations"))


def _times(first: Atlas, second: Atlas, table: str) -> Times:
    return cache.table_times(first, [table]) + cache.table_times(second, [table])


@lru_cache(maxsize=MAX_ANSWERS)
def _have_same_tokens(first: Path, second: Path, times: Times) -> bool:  # noqa: ARG001 - part of the key
    return have_same_tokens(Atlas.open(first).table("pairs"), Atlas.open(second).table("pairs"))


@lru_cache(maxsize=MAX_COMPARISONS)
def _compare_heads(first: Path, second: Path, times: Times) -> HeadComparison:  # noqa: ARG001 - part of the key
    return compare_heads(cache.mapping_index(Atlas.open(first)), cache.mapping_index(Atlas.open(second)))
