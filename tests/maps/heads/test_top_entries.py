"""The highest entries of a head's M against all of M in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from maps.heads import top_entries
from maps.heads.circuit import HeadWeights
from maps.heads.top_entries import TokenPair, find_highest_entries, mapping_overlap
from maps.heads.top_targets import Targets
from maps.heads.unembedding import Unembedding
from tests.maps.heads.test_mlp import GATED, plain_mlp
from tests.near_ties import near_ties, normal_tensor
from tests.sources import make_sources


def plain(rows: Tensor, unembedding: Tensor, heads: HeadWeights, head: int, wanted: int) -> list[TokenPair]:
    """The highest pairs by the definition, ties by lower ids; equal rows of E and of U tie exactly."""
    (x, row), (u, column) = (
        torch.unique(each, dim=0, return_inverse=True) for each in (rows.double(), unembedding.double())
    )
    scores = (heads.head_output(x, head) @ u.T)[row][:, column].flatten()
    best = scores.sort(descending=True, stable=True).indices[:wanted]
    return [divmod(i, len(unembedding)) for i in best.tolist()]


def heads(width: int = 24) -> HeadWeights:
    return HeadWeights(normal_tensor(2, width, 6, seed=2), normal_tensor(4, 6, width, seed=3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("size", "wanted"),
    [(3, 1), (3, 5000), (70, 150), (1024, 150), pytest.param(1300, 5000, marks=pytest.mark.exhaustive)],
)
def test_the_highest_entries_are_those_of_float64(size: int, wanted: int, dtype: torch.dtype) -> None:
    embedding, unembedding = normal_tensor(size, 24).to(dtype), (normal_tensor(size, 24, seed=1) + 0.3).to(dtype)
    embedding[size // 2], unembedding[size // 3] = embedding[0].clone(), unembedding[size - 1].clone()
    columns, weights = Unembedding.from_tensor(unembedding), heads()
    through = make_sources(embedding, GATED)
    for head in (0, 3):
        pairs = find_highest_entries(make_sources(embedding), weights, head, columns, wanted)
        assert pairs == plain(embedding, unembedding, weights, head, wanted)
    pairs = find_highest_entries(through, weights, 3, columns, wanted)
    assert pairs == plain(plain_mlp(embedding, GATED), unembedding, weights, 3, wanted)


@pytest.mark.parametrize("block", [1, 7, 100, 5000])
def test_block_sizes_change_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(top_entries, "BLOCK", block)
    embedding, unembedding = (
        normal_tensor(90, 24, dtype=torch.float32),
        normal_tensor(90, 24, seed=1, dtype=torch.float32),
    )
    pairs = find_highest_entries(make_sources(embedding), heads(), 1, Unembedding.from_tensor(unembedding), 40)
    assert pairs == plain(embedding, unembedding, heads(), 1, 40)


@pytest.mark.parametrize("spread", [1e-7, 1e-6])
def test_entries_within_rounding_are_ordered_in_float64(spread: float) -> None:
    y, unembedding, scores = near_ties(spread, 0, size=900, width=24)
    eye = torch.eye(24, dtype=torch.float64)[None]
    embedding = y.float().repeat(3, 1)
    scores = embedding[:1].double() @ unembedding.double().T
    assert (embedding[:1] @ unembedding.T).topk(50).indices.tolist() != scores.topk(50).indices.tolist()
    pairs = find_highest_entries(
        make_sources(embedding), HeadWeights(eye, eye), 0, Unembedding.from_tensor(unembedding), 50
    )
    assert pairs == plain(embedding, unembedding, HeadWeights(eye, eye), 0, 50)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
def test_the_size_of_a_heads_weights_does_not_matter(scale: float) -> None:
    embedding, unembedding = (
        normal_tensor(300, 24, dtype=torch.float32),
        normal_tensor(300, 24, seed=1, dtype=torch.float32),
    )
    scaled = HeadWeights(heads().values * scale, heads().outputs * scale)
    pairs = find_highest_entries(make_sources(embedding), scaled, 2, Unembedding.from_tensor(unembedding), 40)
    assert pairs == plain(embedding, unembedding, heads(), 2, 40)


def test_a_head_that_writes_nothing_has_the_first_pairs() -> None:
    """And does not hold all pairs at once."""
    embedding = normal_tensor(30_000, 24, dtype=torch.float32)
    columns, weights = Unembedding.from_tensor(embedding), heads()
    wanted = [(0, i) for i in range(10)]
    silent = HeadWeights(weights.values, torch.zeros_like(weights.outputs))
    deaf = HeadWeights(torch.zeros_like(weights.values), weights.outputs)
    for head in (silent, deaf):
        assert find_highest_entries(make_sources(embedding), head, 0, columns, 10) == wanted
    assert find_highest_entries(make_sources(embedding[:2]), silent, 0, Unembedding.from_tensor(embedding[:2]), 10) == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]


def test_many_equal_tokens_are_listed_by_id() -> None:
    embedding = normal_tensor(1, 24, dtype=torch.float32).repeat(3000, 1)
    pairs = find_highest_entries(make_sources(embedding[:70]), heads(), 0, Unembedding.from_tensor(embedding), 75)
    wanted = [divmod(i, 3000) for i in range(75)]
    assert pairs == wanted


def test_the_overlap_is_the_jaccard_similarity_of_pairs() -> None:
    ids = torch.tensor([[4, 5], [6, 7]])
    targets = Targets(ids, torch.zeros(2, 2, dtype=torch.float64))
    assert mapping_overlap(torch.tensor([1, 2]), targets, [(1, 4), (2, 7), (9, 9), (1, 6)]) == 2 / 6
    assert mapping_overlap(torch.tensor([1, 2]), targets, [(1, 4), (1, 5), (2, 6), (2, 7)]) == 1.0
    assert mapping_overlap(torch.tensor([], dtype=torch.long), Targets(ids[:0], ids[:0].double()), []) is None
