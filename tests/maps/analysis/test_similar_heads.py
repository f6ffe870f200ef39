"""Heads that are like a head: against plain sets, by hand, and in order."""

from __future__ import annotations

import pytest

from maps.analysis.similar_heads import MAPPING_COLUMNS, MappingIndex, SimilarHead, similar_heads
from maps.atlas.reader import Atlas
from maps.atlas.schema import Row, make_table
from maps.types import HeadId
from space.atlases.names import PREBUILT_FOLDER

A, B, C, D = HeadId(0, 0), HeadId(0, 2), HeadId(1, 0), HeadId(1, 1)


def mapped(heads: dict[HeadId, dict[int, list[int]]]) -> MappingIndex:
    """Heads by their sources with targets."""
    rows: list[Row] = [
        {"layer": head.layer, "head": head.head, "source_id": source, "target_ids": targets}
        for head, pairs in heads.items()
        for source, targets in pairs.items()
    ]
    return MappingIndex.from_table(make_table("mappings", rows))


HEADS = {
    A: {1: [10, 11], 2: [10, 12]},
    B: {1: [10, 13], 3: [10, 11]},
    C: {1: [99, 98], 2: [97, 96]},
    D: {10: [1, 2], 11: [1]},
}


def test_similarities_are_shares_of_unions() -> None:
    """A and B share 1 of 3 sources and 1 of 7 pairs, A and C both sources and no pair, A and D nothing."""
    index = mapped(HEADS)
    assert similar_heads(index, A) == [SimilarHead(B, 1 / 7, 1 / 3), SimilarHead(C, 0.0, 1.0)]
    assert similar_heads(index, A, 1) == [SimilarHead(B, 1 / 7, 1 / 3)]
    assert similar_heads(index, D) == similar_heads(index, HeadId(7, 7)) == similar_heads(index, A, 0) == []


def test_equal_heads_are_in_the_order_of_layers_and_the_head_itself_is_not_among_them() -> None:
    same = {head: {1: [5], 2: [6]} for head in (D, B, A, C)}
    assert similar_heads(mapped(same), B, 2) == [SimilarHead(A, 1.0, 1.0), SimilarHead(C, 1.0, 1.0)]


def test_without_mappings_no_head_is_like_another() -> None:
    assert similar_heads(mapped({}), A) == []
    assert similar_heads(mapped({A: {1: [2]}}), A) == []


@pytest.fixture(scope="module")
def seed() -> Atlas:
    return Atlas.open(PREBUILT_FOLDER / "smollm2")


@pytest.mark.parametrize("head", [HeadId(0, 0), HeadId(13, 4), HeadId(26, 2)], ids=str)
def test_the_heads_of_the_bundled_model_are_as_alike_as_their_sets_are(head: HeadId, seed: Atlas) -> None:
    every = seed.mappings_by_head()
    sources = {each: {m.source_id for m in mappings} for each, mappings in every.items()}
    pairs = {each: {(m.source_id, t) for m in mappings for t in m.target_ids} for each, mappings in every.items()}

    def likeness(sets: dict[HeadId, set[int]] | dict[HeadId, set[tuple[int, int]]], other: HeadId) -> float:
        one, two = set(sets[head]), set(sets[other])
        return len(one & two) / len(one | two)

    wanted = [SimilarHead(other, likeness(pairs, other), likeness(sources, other)) for other in every if other != head]
    wanted.sort(key=lambda each: (-each.mappings, -each.sources, each.head))
    similar = similar_heads(MappingIndex.from_table(seed.table("mappings", MAPPING_COLUMNS)), head, 300)
    assert similar == [each for each in wanted if each.sources > 0]
    assert similar


def test_arrays_are_int32(seed: Atlas) -> None:
    assert {each.dtype.name for each in MappingIndex.from_table(seed.table("mappings", MAPPING_COLUMNS))} == {"int32"}
