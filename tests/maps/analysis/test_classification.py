"""What relation scores say of heads, worked by hand."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from maps.analysis.classification import (
    CATEGORIES,
    HeadRelation,
    categories_table,
    classification_summary,
    classify,
    heads_per_relation,
)
from maps.analysis.value_groups import value_group_similarity
from maps.atlas.schema import SCHEMAS, make_table
from maps.types import HeadId

HEADS = [HeadId(0, 0), HeadId(0, 1), HeadId(1, 0), HeadId(1, 1)]
# relation: category, pairs, then score and suppression of each of the four heads
SCORES: dict[str, tuple[str | None, int, list[tuple[float | None, float | None]]]] = {
    "copying": ("algorithmic", 20, [(3 / 20, 0.0), (2 / 20, 0.0), (0.5, 0.0), (0.0, 0.0)]),
    "country_to_capital": ("knowledge", 30, [(0.0, 0.0), (0.0, 0.0), (0.2, 0.0), (0.0, 0.4)]),
    "work_to_location": ("knowledge", 30, [(0.0, 0.0), (0.0, 0.0), (0.15, 0.15), (0.0, 0.0)]),
    "noun_to_pronoun": ("linguistic", 19, [(0.9, 0.0), (0.9, 0.0), (0.0, 0.0), (0.0, 0.8)]),
    "year_to_following": ("algorithmic", 0, [(None, None)] * 4),
    "mine": (None, 25, [(0.0, 0.0), (0.6, 0.0), (0.3, 0.0), (0.0, 0.0)]),
}
TAU, MIN_PAIRS = 0.15, 20


def scored(scores: dict[str, Any] = SCORES) -> pa.Table:
    return make_table(
        "relations",
        [
            {
                **{"layer": head.layer, "head": head.head, "relation": name, "category": category, "k": 10},
                **{"pairs": pairs, "score": values[number][0], "suppression": values[number][1], "reading": "mlp"},
                **{"identity": 0.0, "beyond_copying": values[number][0], "beyond_copying_pairs": pairs},
                "suppression_beyond_copying": values[number][1],
            }
            for number, head in enumerate(HEADS)
            for name, (category, pairs, values) in scores.items()
        ],
    )


def counts(relations: pa.Table, heads: list[HeadId] = HEADS, min_pairs: int = MIN_PAIRS) -> dict[str, tuple[Any, ...]]:
    """The summary as (count, of, share, note) by measure."""
    per_relation = heads_per_relation(relations, TAU, min_pairs)
    rows = classification_summary(heads, classify(relations, TAU, min_pairs), per_relation).to_pylist()
    return {row["measure"]: (row["count"], row["of"], row["share"], row["note"]) for row in rows}


def test_what_copying_gives_does_not_classify_a_head_but_for_copying_itself() -> None:
    """All of a head's hits are the identity's, of a relation and of copying."""
    rows = scored({"copying": ("algorithmic", 40, [(0.5, 0.3)] * 4), "mine": (None, 40, [(0.5, 0.3)] * 4)}).to_pylist()
    for row in rows:
        row |= {"identity": 0.9, "beyond_copying": 0.1, "suppression_beyond_copying": None, "beyond_copying_pairs": 12}
    table = make_table("relations", rows)
    for found in classify(table, TAU, MIN_PAIRS).values():
        assert [(each.relation, each.side) for each in found] == [("copying", "score"), ("copying", "suppression")]
    by_relation = {row["relation"]: row for row in heads_per_relation(table, TAU, MIN_PAIRS).to_pylist()}
    assert [by_relation["mine"][name] for name in ("heads", "suppression_heads", "either")] == [0, 0, 0]
    assert [by_relation["copying"][name] for name in ("heads", "suppression_heads", "either")] == [4, 4, 4]


def test_a_head_does_what_reaches_the_threshold_with_enough_pairs_strongest_first() -> None:
    assert classify(scored(), TAU, MIN_PAIRS) == {
        HeadId(0, 0): [HeadRelation("copying", "algorithmic", "score", 0.15, 20)],  # exactly at τ, exactly at min_pairs
        HeadId(0, 1): [HeadRelation("mine", "", "score", 0.6, 25)],
        HeadId(1, 0): [
            HeadRelation("copying", "algorithmic", "score", 0.5, 20),
            HeadRelation("mine", "", "score", 0.3, 25),
            HeadRelation("country_to_capital", "knowledge", "score", 0.2, 30),
            HeadRelation("work_to_location", "knowledge", "score", 0.15, 30),
            HeadRelation("work_to_location", "knowledge", "suppression", 0.15, 30),
        ],
        HeadId(1, 1): [HeadRelation("country_to_capital", "knowledge", "suppression", 0.4, 30)],
    }
    assert classify(scored(), 0.95, MIN_PAIRS) == {}


def test_one_pair_less_than_needed_classifies_no_head() -> None:
    assert HeadId(0, 0) not in classify(scored(), TAU, 21)
    assert "noun_to_pronoun" in {x.relation for does in classify(scored(), TAU, 19).values() for x in does}


def test_every_head_has_a_row_with_its_categories_and_relations() -> None:
    assert categories_table(HEADS, classify(scored(), TAU, MIN_PAIRS)).to_pylist() == [
        {"layer": 0, "head": 0, "categories": ["algorithmic"], "relations": ["copying"], "suppressed": None},
        {"layer": 0, "head": 1, "categories": None, "relations": ["mine"], "suppressed": None},
        {
            **{"layer": 1, "head": 0, "categories": ["algorithmic", "knowledge"]},
            "relations": ["copying", "mine", "country_to_capital", "work_to_location"],
            "suppressed": ["work_to_location"],
        },
        {"layer": 1, "head": 1, "categories": ["knowledge"], "relations": None, "suppressed": ["country_to_capital"]},
    ]


def test_each_relation_has_its_counts_and_its_best_heads() -> None:
    rows = heads_per_relation(scored(), TAU, MIN_PAIRS).to_pylist()
    names = ("relation", "category", "pairs", "counted", "heads", "suppression_heads", "either")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("copying", "algorithmic", 20, True, 2, 0, 2),
        ("country_to_capital", "knowledge", 30, True, 1, 1, 2),
        ("work_to_location", "knowledge", 30, True, 1, 1, 1),
        ("noun_to_pronoun", "linguistic", 19, False, None, None, None),
        ("year_to_following", "algorithmic", 0, False, None, None, None),
        ("mine", None, 25, True, 2, 0, 2),
    ]
    best = ("best_head", "best_score", "best_suppression_head", "best_suppression")
    assert [tuple(row[name] for name in best) for row in rows] == [
        ("L1H0", 0.5, None, 0.0),  # no head suppresses it at all: there is no best one
        ("L1H0", 0.2, "L1H1", 0.4),
        ("L1H0", 0.15, "L1H0", 0.15),
        ("L0H0", 0.9, "L1H1", 0.8),  # the first of two equal heads
        (None, None, None, None),
        ("L0H1", 0.6, None, 0.0),
    ]


def test_the_summary_counts_heads_and_shares_of_the_classified() -> None:
    assert counts(scored()) == {
        "heads": (4, None, None, None),
        "classified": (4, 4, 1.0, None),
        "algorithmic": (2, 4, 0.5, None),
        "knowledge": (2, 4, 0.5, None),
        "linguistic": (0, 4, 0.0, None),
        "translation": (0, 4, 0.0, None),
        "own_relations_only": (1, 4, 0.25, None),
        "several_categories": (1, 4, 0.25, None),  # of the classified heads: L1H0 alone
        "suppression": (2, 4, 0.5, None),
        "relations_left_out": (2, 6, 2 / 6, "too few pairs: noun_to_pronoun, year_to_following"),
    }


def test_shares_of_no_classified_head_are_undefined() -> None:
    summary = counts(scored(), min_pairs=31)
    assert summary["classified"] == (0, 4, 0.0, None)
    assert summary["several_categories"] == summary["suppression"] == (0, 0, None, "no head is classified")
    nothing = counts(SCHEMAS["relations"].empty_table(), [])
    assert nothing["classified"] == (0, 0, None, "no head was mapped")
    assert nothing["relations_left_out"] == (0, 0, None, "no relation was scored")


def test_a_category_that_is_none_of_the_four_is_counted_after_them() -> None:
    summary = counts(scored({"rhyme": ("poetry", 30, [(0.5, 0.0)] * 4)}))
    assert list(summary)[2:7] == [*CATEGORIES, "poetry"]
    assert summary["poetry"] == (4, 4, 1.0, None)


# Layer 0 has two value heads of two heads each; sources and targets of each head, by hand.
MAPPINGS = {
    HeadId(0, 0): [(1, [7, 8]), (2, [7, 9])],
    HeadId(0, 1): [(1, [7, 6]), (2, [5, 4])],  # the same sources, one of seven mappings in common
    HeadId(0, 2): [(1, [8, 3]), (3, [1, 2])],  # one of three sources in common with each of these
    HeadId(0, 3): [(4, [1, 2]), (5, [1, 2])],
}


def likeness(
    kv_heads: list[int], relations: dict[HeadId, list[HeadRelation]]
) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """(pairs, similarity, reason) by (layer, sets, heads)."""
    heads = [{"layer": 0, "head": head, "kv_head": kv} for head, kv in enumerate(kv_heads)]
    mapped = [
        {"layer": 0, "head": head.head, "source_id": source, "target_ids": targets}
        for head, rows in MAPPINGS.items()
        if head.head < len(kv_heads)
        for source, targets in rows
    ]
    rows = value_group_similarity(make_table("heads", heads), make_table("mappings", mapped), relations).to_pylist()
    return {(row["layer"], row["sets"], row["heads"]): (row["pairs"], row["similarity"], row["reason"]) for row in rows}


def does(*names: str) -> list[HeadRelation]:
    """Relations implemented, or suppressed with a minus."""
    return [HeadRelation(n.lstrip("-"), "knowledge", "suppression" if n[0] == "-" else "score", 0.5, 40) for n in names]


def test_heads_of_a_group_are_compared_apart_from_heads_of_two_groups() -> None:
    similarity = likeness([0, 0, 1, 1], {HeadId(0, 0): does("a", "b"), HeadId(0, 1): does("a", "-b")})
    for layer in (0, None):
        assert similarity[layer, "sources", "within"] == (2, pytest.approx((1 + 0) / 2), None)
        assert similarity[layer, "sources", "between"] == (4, pytest.approx((1 / 3 + 0 + 1 / 3 + 0) / 4), None)
        assert similarity[layer, "mappings", "within"] == (2, pytest.approx((1 / 7 + 0) / 2), None)
        assert similarity[layer, "mappings", "between"] == (4, pytest.approx((1 / 7 + 0 + 0 + 0) / 4), None)
        # a suppressed relation is another than the implemented one; L0H2 with L0H3 is no pair: neither is classified
        assert similarity[layer, "relations", "within"] == (1, pytest.approx(1 / 3), None)
        assert similarity[layer, "relations", "between"] == (4, 0.0, None)
    assert len(similarity) == 12


def test_likeness_is_undefined_where_there_is_no_pair_of_that_kind() -> None:
    nothing = (0, None, "no head of such a pair is classified")
    apart, together = likeness([0, 1, 2, 3], {}), likeness([0, 0, 0, 0], {})
    own, one = (0, None, "each head has a value head of its own"), (0, None, "all heads share one value head")
    for layer in (0, None):
        assert [apart[layer, sets, "within"] for sets in ("sources", "mappings", "relations")] == [own] * 3
        assert [together[layer, sets, "between"] for sets in ("sources", "mappings", "relations")] == [one] * 3
        assert apart[layer, "relations", "between"] == together[layer, "relations", "within"] == nothing
    alone = likeness([0], {})
    assert alone[0, "sources", "within"][:2] == alone[0, "sources", "between"][:2] == (0, None)
