"""Pairs into ids, hits into scores."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from maps.heads import relation_scores
from maps.heads.circuit import HeadWeights
from maps.heads.relation_scores import (
    UsablePairs,
    UsableRelation,
    default_k,
    find_copied_pairs,
    find_layer_hits,
    score_layer_relations,
    scores_from_hits,
    select_usable_pairs,
)
from maps.heads.target_side import PAPER_TARGET_SIDE
from maps.heads.unembedding import Unembedding
from maps.types import Relation, RelationScore
from tests.sources import make_sources

CAPITALS = Relation("country_to_capital", "knowledge", (("France", "Paris"), ("Peru", "Lima"), ("Chad", "N'Djamena")))
IDS = {"France": 3, "Paris": 4, "Peru": 5, "Lima": 6, "Chad": 7, "Pérou": 5}


def single_tokens(words: Sequence[str]) -> list[int | None]:
    return [IDS.get(word) for word in words]


@pytest.mark.parametrize(
    ("name", "category", "vocabulary", "k"),
    [
        ("copying", "algorithmic", 99_999, 1),
        ("name_copying", "algorithmic", 49_152, 1),
        ("country_to_capital", "knowledge", 49_152, 10),
        ("copying", "algorithmic", 100_000, 3),
        ("english_to_french", "translation", 128_256, 25),
        ("copying", "", 49_152, 10),  # a user's own, whatever its name
        ("copying", "", 128_256, 25),
    ],
)
def test_k_is_the_papers(name: str, category: str, vocabulary: int, k: int) -> None:
    assert default_k(Relation(name, category, ()), vocabulary) == k


def test_pairs_whose_strings_are_no_single_tokens_are_left_out() -> None:
    assert select_usable_pairs(CAPITALS, single_tokens, 10) == UsableRelation(CAPITALS, 10, (3, 5), (4, 6))


def test_a_pair_of_ids_counts_once() -> None:
    twice = Relation("own", "", (("Peru", "Lima"), ("Pérou", "Lima"), ("Peru", "Paris")))
    assert select_usable_pairs(twice, single_tokens, 1) == UsableRelation(twice, 1, (5, 5), (6, 4))


@pytest.mark.parametrize("pairs_at_once", [1, 9, 2048])
def test_scores_are_shares_of_pairs(pairs_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two heads, worked by hand: M is the identity under the first and its negative under the second."""
    monkeypatch.setattr(relation_scores, "POOLED_ROWS", pairs_at_once)
    one = torch.eye(8)
    heads = HeadWeights(one[None], torch.stack([one, -one]))
    copies, none = Relation("copying", "algorithmic", ()), Relation("none", "", ())
    wanted = [
        UsableRelation(copies, 1, (1, 2, 3, 4), (1, 2, 3, 5)),  # three of four are the best of their row
        UsableRelation(none, 10, (), ()),
        UsableRelation(CAPITALS, 2, (3, 5), (4, 5)),  # all zeros of a row tie behind its one
    ]
    pairs, sources, columns = UsablePairs.from_relations(wanted), make_sources(one), Unembedding.from_tensor(one)
    copied = find_copied_pairs(pairs, sources, PAPER_TARGET_SIDE, columns)
    assert copied.tolist() == [True, True, True, False, True, True]
    scores = score_layer_relations(pairs, sources, heads.to_float64(), columns, copied)
    assert scores == [
        [
            RelationScore("copying", "algorithmic", 1, 4, 0.75, 0.25, identity=0.75, beyond_copying_pairs=1),
            RelationScore("none", "", 10, 0, None, None),
            RelationScore("country_to_capital", "knowledge", 2, 2, 1.0, 0.5, identity=1.0),
        ],
        [
            RelationScore("copying", "algorithmic", 1, 4, 0.25, 0.75, identity=0.75, beyond_copying_pairs=1),
            RelationScore("none", "", 10, 0, None, None),
            RelationScore("country_to_capital", "knowledge", 2, 2, 0.5, 1.0, identity=1.0),
        ],
    ]


def test_what_copying_hits_is_taken_out_of_the_score_that_classifies() -> None:
    usable = UsableRelation(CAPITALS, 1, tuple(range(30)), tuple(range(30)))
    top, bottom, copied = torch.zeros(3, 30, dtype=torch.bool).unbind()
    top[:20] = bottom[25:] = copied[:18] = copied[29] = True
    [score] = scores_from_hits([usable], top, bottom, copied)
    assert (score.score, score.suppression, score.identity) == (20 / 30, 5 / 30, 19 / 30)
    assert (score.beyond_copying_pairs, score.beyond_copying, score.suppression_beyond_copying) == (11, 2 / 11, 4 / 11)
    assert (score.classified_score, score.classified_suppression) == (2 / 11, 4 / 11)
    copied[18:20] = True  # nine pairs are left: too few
    [score] = scores_from_hits([usable], top, bottom, copied)
    assert (score.beyond_copying_pairs, score.beyond_copying, score.classified_score) == (9, None, None)


def test_copying_itself_is_classified_by_its_whole_score() -> None:
    hits = torch.ones(30, dtype=torch.bool)
    for relation, wanted in (
        (Relation("name_copying", "algorithmic", ()), 1.0),
        (Relation("copying", "", ()), None),  # a user's own, whatever its name
    ):
        [score] = scores_from_hits([UsableRelation(relation, 1, (1,) * 30, (1,) * 30)], hits, ~hits, hits)
        assert (score.identity, score.beyond_copying, score.classified_score) == (1.0, None, wanted)


def test_a_layer_without_relations_has_no_scores() -> None:
    one = torch.eye(4)
    heads = HeadWeights(one[None].double(), one[None].double())
    pairs, columns = UsablePairs.from_relations([]), Unembedding.from_tensor(one)
    copied = find_copied_pairs(pairs, make_sources(one), PAPER_TARGET_SIDE, columns)
    assert score_layer_relations(pairs, make_sources(one), heads, columns, copied) == [[]]


@pytest.mark.parametrize("pool", [1, 100, 2048])
def test_the_hits_of_a_layer_are_those_of_float64(pool: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relation_scores, "POOLED_ROWS", pool)
    generator = torch.Generator().manual_seed(0)
    embedding, unembedding = torch.randn(400, 16, generator=generator), torch.randn(400, 16, generator=generator)
    unembedding[[7, 9]] = unembedding[[300, 9]]
    heads = HeadWeights(
        torch.randn(2, 16, 4, generator=generator), torch.randn(4, 4, 16, generator=generator)
    ).to_float64()
    ids = torch.randint(400, (2, 300), generator=generator)
    pairs = UsablePairs((), ids[0], ids[1], torch.randint(1, 60, (300,), generator=generator))
    hits = find_layer_hits(pairs, make_sources(embedding), heads, Unembedding.from_tensor(unembedding))
    rows, which = torch.unique(unembedding.double(), dim=0, return_inverse=True)
    for head in range(4):
        scores = (heads.head_output(embedding[ids[0]].double(), head) @ rows.T)[:, which]
        own = scores.gather(1, ids[1][:, None])
        assert hits.top[head].tolist() == ((scores > own).sum(1) < pairs.k).tolist()
        assert hits.bottom[head].tolist() == ((scores < own).sum(1) < pairs.k).tolist()
