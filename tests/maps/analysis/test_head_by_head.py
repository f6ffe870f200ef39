"""Head by head on three invented heads, whose similarities are worked out by hand."""

from __future__ import annotations

import pyarrow as pa
import pytest

from maps.analysis.classification import SCORE, SUPPRESSION, HeadRelation
from maps.analysis.head_by_head import (
    ChanceLevel,
    Likeness,
    SourceChange,
    compare_heads,
    have_same_heads,
    have_same_tokens,
    relation_changes,
    source_changes,
)
from maps.analysis.similar_heads import MappingIndex
from maps.types import HeadId, Mapping

FIRST = {  # (layer, head): {source: targets}
    (0, 0): {1: [10, 11], 2: [10]},
    (0, 1): {3: [12, 13]},
    (1, 0): {4: [14]},
}
SECOND = {
    (0, 0): {1: [10, 15], 5: [12]},  # keeps (1, 10), loses (1, 11) and (2, 10), gains (1, 15) and (5, 12)
    (0, 1): {1: [10], 3: [12, 13]},  # keeps both, gains (1, 10)
    (1, 0): {6: [16]},  # nothing in common
}


def index(heads: dict[tuple[int, int], dict[int, list[int]]]) -> MappingIndex:
    rows = [
        {"layer": layer, "head": head, "source_id": source, "target_ids": targets}
        for (layer, head), mappings in heads.items()
        for source, targets in mappings.items()
    ]
    kinds = {"layer": pa.int32(), "head": pa.int32(), "source_id": pa.int32(), "target_ids": pa.list_(pa.int32())}
    return MappingIndex.from_table(pa.Table.from_pylist(rows, schema=pa.schema(list(kinds.items()))))


def test_mappings_kept_lost_and_gained_are_counted() -> None:
    compared = compare_heads(index(FIRST), index(SECOND))
    assert [(str(each.head), each.kept, each.lost, each.gained) for each in compared.heads] == [
        ("L0H0", 1, 2, 2),
        ("L0H1", 2, 0, 1),
        ("L1H0", 0, 1, 1),
    ]


def test_similarity_stands_beside_that_of_different_heads() -> None:
    compared = compare_heads(index(FIRST), index(SECOND))
    # Of the six pairs of different heads, one shares a mapping: L0H0 here and L0H1 there have (1, 10), of 5 in all.
    assert compared.chance["mappings"] == ChanceLevel(6, 0.2 / 6, 0.2)
    assert [each.likeness["mappings"] for each in compared.heads] == [
        Likeness(1 / 5, 5 / 6, 1),
        Likeness(2 / 3, 1.0, 1),
        Likeness(0.0, 0.0, None),
    ]
    sources = [each.likeness["sources"] for each in compared.heads]
    assert [each.similarity for each in sources] == pytest.approx([1 / 3, 1 / 2, 0])  # {1, 2} and {1, 5}; {3}, {1, 3}
    assert [each.rank for each in sources] == [1, 1, None]
    targets = [each.likeness["targets"] for each in compared.heads]
    # {10, 11} and {10, 15, 12}; {12, 13} and {10, 12, 13}. L0H1 there is as like L0H0 as L0H0 there, so not more.
    assert [each.similarity for each in targets] == pytest.approx([1 / 4, 2 / 3, 0])
    assert [each.rank for each in targets] == [1, 1, None]


def test_a_model_is_in_every_head_like_itself() -> None:
    compared = compare_heads(index(FIRST), index(FIRST))
    for change in compared.heads:
        assert (change.lost, change.gained) == (0, 0)
        assert {(each.similarity, each.above, each.rank) for each in change.likeness.values()} == {(1.0, 1.0, 1)}


def test_heads_that_only_one_model_has_are_left_out_and_one_head_has_no_chance() -> None:
    one = {(0, 0): FIRST[0, 0]}
    compared = compare_heads(index(one), index(SECOND))
    assert [str(each.head) for each in compared.heads] == ["L0H0"]
    assert compared.chance["mappings"].pairs == 2
    alone = compare_heads(index(one), index({(0, 0): SECOND[0, 0]}))
    assert alone.chance == {}
    assert alone.heads[0].likeness["mappings"] == Likeness(1 / 5, 0.0, 1)
    assert compare_heads(index(FIRST), index({(7, 7): {1: [1]}})).heads == []


def test_models_are_comparable_by_shape_and_by_the_words_of_their_tokens() -> None:
    info = {"architecture": "llama", "layers": 2, "heads": 2}
    assert have_same_heads(info, {**info, "vocabulary": 7})
    assert not have_same_heads(info, {**info, "layers": 3})
    assert have_same_tokens(pairs((1, " a", 2, " b")), pairs((1, " a", 3, " c")))
    assert not have_same_tokens(pairs((1, " a", 2, " b")), pairs((1, " a", 2, " x")))
    assert not have_same_tokens(pairs((1, " a", 2, " b")), pairs((3, " a", 4, " b")))


def pairs(*rows: tuple[int, str, int, str]) -> pa.Table:
    names = ("source_id", "source", "target_id", "target")
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])


def test_one_heads_mappings_are_compared_source_by_source() -> None:
    before = [
        Mapping(1, 1, " a", 2.0, (10, 11), ("x", "y"), (0.5, 0.4)),
        Mapping(2, 2, " b", 1.0, (10,), ("x",), (0.3,)),
    ]
    after = [
        Mapping(1, 5, " c", 2.0, (12,), ("z",), (0.5,)),
        Mapping(2, 1, " a", 1.0, (15, 10), ("w", "x"), (0.4, 0.1)),
    ]
    assert source_changes(before, after) == [
        SourceChange(" a", (1, 2), kept=("x",), lost=("y",), gained=("w",)),
        SourceChange(" b", (2, None), kept=(), lost=("x",), gained=()),
        SourceChange(" c", (None, 1), kept=(), lost=(), gained=("z",)),
    ]


def test_relations_are_kept_lost_and_gained_by_side() -> None:
    def relation(name: str, side: str = SCORE) -> HeadRelation:
        return HeadRelation(name, "knowledge", side, 0.5, 40)

    head, other = HeadId(0, 0), HeadId(1, 1)
    changes = relation_changes(
        {head: [relation("copying"), relation("antonym")]},
        {head: [relation("copying", SUPPRESSION), relation("antonym")], other: [relation("copying")]},
    )
    assert changes == {
        head: ((("antonym", SCORE),), (("copying", SCORE),), (("copying", SUPPRESSION),)),
        other: ((), (), (("copying", SCORE),)),
    }
