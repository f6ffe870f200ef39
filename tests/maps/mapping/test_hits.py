"""Pairs and hits of an atlas; shares of hits are the scores."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from maps.atlas.reader import Atlas
from maps.heads.relation_scores import UsableRelation
from maps.mapping.mapper import map_model
from maps.mapping.rows import HeadHits, hit_rows, pair_rows
from maps.mapping.settings import MappingSettings
from maps.types import HeadId, Relation
from tests.small_models import WORDS

NEXT = Relation("next", "", tuple(zip(WORDS, [*WORDS[1:], WORDS[0]], strict=True)))
COPYING = Relation("copying", "algorithmic", (*((word, word) for word in WORDS), ("amber", "no single token")))
SETTINGS = MappingSettings((COPYING, NEXT, Relation("none", "", (("?!", "?!"),))), k=60, min_pairs=5)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, small_model: Path) -> Atlas:
    """An atlas with hits."""
    return map_model(str(small_model), tmp_path_factory.mktemp("hits") / "atlas", SETTINGS)


def test_the_share_of_hits_is_the_score(whole: Atlas) -> None:
    found = 0
    for head in whole.head_ids:
        for score in whole.relation_scores(head):
            rows = whole.pairs(score.relation, head).to_pylist()
            assert [row["pair"] for row in rows] == list(range(score.pairs))
            hits, suppressed = (sum(row[name] for row in rows) for name in ("hit", "suppressed"))
            assert (hits, suppressed) == ((score.score or 0) * score.pairs, (score.suppression or 0) * score.pairs)
            found += hits + suppressed
    assert found > 0


def test_a_head_has_a_row_for_each_relation_with_a_hit(whole: Atlas) -> None:
    for head in whole.head_ids:
        rows = {row["relation"]: row for row in whole.hits(head).to_pylist()}
        some = [s.relation for s in whole.relation_scores(head) if s.score or s.suppression]
        assert list(rows) == some
        assert all(row["hits"] is not None and row["suppressed"] is not None for row in rows.values())


def test_pairs_are_the_usable_ones_by_number_as_tokens(whole: Atlas) -> None:
    rows = whole.pairs("copying").to_pylist()
    assert len(rows) == 15
    assert [(row["category"], row["pair"], row["source"], row["target"]) for row in rows[:2]] == [
        ("algorithmic", 0, " amber", " amber"),
        ("algorithmic", 1, " basket", " basket"),
    ]
    assert all(row["source_id"] == row["target_id"] for row in rows)
    assert whole.pairs("next").to_pylist()[0]["category"] is None
    assert whole.pairs("none").to_pylist() == whole.pairs("unheard of").to_pylist() == []
    assert whole.table("pairs")["relation"].unique().to_pylist() == ["copying", "next"]


def test_rows_of_hits_and_pairs_by_hand() -> None:
    one = UsableRelation(Relation("one", "knowledge", ()), 1, (0, 2), (1, 0))
    other, none = (
        UsableRelation(Relation("other", "", ()), 1, (1,), (1,)),
        UsableRelation(Relation("-", "", ()), 1, (), ()),
    )
    tested = HeadHits(
        HeadId(3, 1),
        torch.tensor([False, True, False]),
        torch.tensor([True, True, False]),
        torch.zeros(3, dtype=torch.bool),
    )
    assert hit_rows(tested, (one, none, other)) == [
        {"layer": 3, "head": 1, "relation": "one", "hits": [1], "suppressed": [0, 1]}
    ]
    assert [tuple(row.values()) for row in pair_rows((one, none, other), ("a", "b", "c"))] == [
        ("one", "knowledge", 0, 0, "a", 1, "b"),
        ("one", "knowledge", 1, 2, "c", 0, "a"),
        ("other", None, 0, 1, "b", 1, "b"),
    ]
