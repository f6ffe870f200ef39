"""Salient tokens and their mappings against the formulas in float64."""

from __future__ import annotations

import pytest
import torch

from maps.heads.circuit import HeadWeights, saliency
from maps.heads.salient_tokens import SalientCounts, find_salient_mappings, find_salient_tokens, head_gains
from maps.heads.unembedding import Unembedding
from tests.cancelling import CANCELLED_TOKEN, cancelling_first_mlp
from tests.maps.heads.test_circuit import heads, plain_saliency
from tests.maps.heads.test_mlp import GATED, normal, plain_mlp
from tests.sources import make_sources


def limit(weights: HeadWeights, head: int) -> float:
    return float(head_gains(weights.to_float64())[head])


def test_the_gain_is_the_product_of_the_spectral_norms() -> None:
    weights = heads().to_float64()
    wanted = [
        torch.linalg.matrix_norm(weights.values[head // 2], 2) * torch.linalg.matrix_norm(weights.outputs[head], 2)
        for head in range(4)
    ]
    torch.testing.assert_close(head_gains(weights), torch.stack(wanted))


@pytest.mark.parametrize("count", [1, 30, 200, 500])
@pytest.mark.parametrize("head", range(4))
def test_salient_tokens_are_those_of_float64(head: int, count: int) -> None:
    embedding = normal(200, 24)
    embedding[[17, 120]] = embedding[[90, 3]]
    sources, weights = make_sources(embedding, GATED), heads()
    rows, which = torch.unique(embedding, dim=0, return_inverse=True)
    sigma = plain_saliency(plain_mlp(rows, GATED), weights)[head][which]
    wanted = sigma.sort(descending=True, stable=True).indices[:count]
    ids, values = find_salient_tokens(
        sources, saliency(sources, weights)[head], weights.to_float64(), head, count, limit(weights, head)
    )
    assert ids.tolist() == wanted.tolist()
    assert values.tolist() == pytest.approx(sigma[wanted].tolist(), rel=1e-12)


def test_near_ties_of_saliency_are_decided_in_float64() -> None:
    embedding = normal(1, 24) + 1e-7 * normal(300, 24, seed=7)
    weights = heads()
    sigma = plain_saliency(embedding, weights)[1]
    wanted = sigma.sort(descending=True, stable=True).indices[:30].tolist()
    screen = saliency(make_sources(embedding), weights)[1]
    assert screen.topk(30).indices.tolist() != wanted  # else this shows nothing
    ids, _ = find_salient_tokens(make_sources(embedding), screen, weights.to_float64(), 1, 30, limit(weights, 1))
    assert ids.tolist() == wanted


def test_a_vocabulary_of_equal_tokens_is_listed_by_id() -> None:
    embedding = normal(1, 24).repeat(9, 1)
    sources = make_sources(embedding)
    ids, _ = find_salient_tokens(sources, saliency(sources, heads())[0], heads().to_float64(), 0, 4, limit(heads(), 0))
    assert ids.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("first", "further"), [(3, 4), (5, 0), (200, 10)])
def test_mappings_are_rows_of_m(first: int, further: int) -> None:
    embedding, unembedding, weights = normal(60, 24), normal(60, 24, seed=9), heads()
    sources, exact = make_sources(embedding, GATED), heads().to_float64()
    mappings = find_salient_mappings(
        sources,
        saliency(sources, weights),
        exact,
        exact,
        Unembedding.from_tensor(unembedding),
        SalientCounts(first, further, 3, True),
    )
    assert mappings.lowest_targets is not None
    first, both = min(first, 60), min(first + further, 60)
    for head in range(4):
        m = exact.head_output(plain_mlp(embedding, GATED), head) @ unembedding.double().T
        rows = m[mappings.sources[head]]
        assert rows.shape[0] == both
        high, low = rows.topk(3, dim=1), rows[:first].topk(3, dim=1, largest=False)
        assert mappings.highest_targets.ids[head].tolist() == high.indices.tolist()
        assert mappings.lowest_targets.ids[head].tolist() == low.indices.tolist()
        torch.testing.assert_close(mappings.highest_targets.scores[head], high.values, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(mappings.lowest_targets.scores[head], low.values, rtol=1e-10, atol=1e-10)
        x = rows[:first] - rows[:first].mean(1, keepdim=True)
        wanted = (x.pow(4).mean(1) / x.square().mean(1).square()).mean()
        torch.testing.assert_close(mappings.kurtosis[head], wanted, rtol=1e-5, atol=0)


def test_tokens_of_the_shortest_rows_may_be_the_most_salient() -> None:
    embedding = normal(300, 24)
    sigma = plain_saliency(embedding, heads())[2]
    wanted = sigma.topk(30).indices.tolist()
    embedding[wanted[3:9]] *= 1e-28
    sources = make_sources(embedding)
    ids, _ = find_salient_tokens(sources, saliency(sources, heads())[2], heads().to_float64(), 2, 30, limit(heads(), 2))
    assert ids.tolist() == wanted


@pytest.mark.parametrize("seed", [2, 8, 10, 13])
def test_a_token_of_which_the_first_mlp_leaves_little_may_be_salient(seed: int) -> None:
    embedding, mlp, exact = cancelling_first_mlp(seed)
    sources, single = make_sources(embedding, mlp), HeadWeights(exact.values.float(), exact.outputs.float())
    rows = sources.exact_rows(torch.arange(len(embedding)))
    wanted = (exact.head_output(rows, 0).norm(dim=1) / rows.norm(dim=1)).topk(30).indices.tolist()
    screen = saliency(sources, single)[0]
    assert CANCELLED_TOKEN in wanted
    assert CANCELLED_TOKEN not in screen.topk(30).indices.tolist()  # else this shows nothing
    ids, _ = find_salient_tokens(sources, screen, exact, 0, 30, float(head_gains(exact)[0]))
    assert ids.tolist() == wanted
