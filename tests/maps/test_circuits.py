"""The mathematics of a head against its formulas in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from maps import circuits
from maps.circuits import Heads, Sources, kurtosis, output_factors, saliency, salient_tokens, skewness
from tests.maps.test_mlp import GATED, plain_mlp


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def heads(width: int = 24, head_width: int = 6, count: int = 4, values: int = 2) -> Heads:
    return Heads(normal(values, width, head_width, seed=1), normal(count, head_width, width, seed=2))


def plain_saliency(rows: Tensor, weights: Heads) -> Tensor:
    exact = weights.double()
    norms = [exact.written(rows.double(), head).norm(dim=1) / rows.double().norm(dim=1) for head in range(4)]
    return torch.stack(norms)


def test_sources_are_the_first_mlps_output_in_both_precisions() -> None:
    embedding = normal(50, 24)
    found = Sources.of(embedding, GATED)
    torch.testing.assert_close(found.screen.double(), plain_mlp(embedding, GATED), rtol=1e-4, atol=1e-4)
    picked = torch.tensor([3, 49, 3])
    torch.testing.assert_close(found.exact(picked), plain_mlp(embedding[picked], GATED), rtol=1e-12, atol=1e-12)


def test_without_an_mlp_the_sources_are_the_embedding() -> None:
    embedding = normal(9, 24)
    sources = Sources.of(embedding, None)
    assert torch.equal(sources.screen, embedding)
    assert torch.equal(sources.exact(torch.tensor([8, 0])), embedding[[8, 0]].double())


@pytest.mark.parametrize("rows", [1, 7, 4096])
def test_saliency_is_the_gain_of_a_token_through_a_head(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuits, "ROWS", rows)
    sources = normal(50, 24)
    found = saliency(sources, heads())
    torch.testing.assert_close(found.double(), plain_saliency(sources, heads()), rtol=1e-5, atol=0)


def test_saliency_does_not_depend_on_a_tokens_length_and_is_zero_without_one() -> None:
    sources = normal(3, 24)
    sources[1] = 1000 * sources[0]
    sources[2] = 0
    found = saliency(sources, heads())
    torch.testing.assert_close(found[:, 0], found[:, 1])
    assert found[:, 2].tolist() == [0.0] * 4


def test_the_factors_keep_the_length_of_what_is_written_also_at_a_lower_rank() -> None:
    outputs = normal(3, 6, 24)
    outputs[1, 5] = outputs[1, 4]
    outputs[2] = 0
    z, factors = normal(10, 6, seed=1), output_factors(outputs)
    assert factors.shape == (3, 6, 6)
    torch.testing.assert_close((z @ factors).norm(dim=2), (z @ outputs).norm(dim=2), rtol=1e-5, atol=0)


@pytest.mark.parametrize("count", [1, 30, 200, 500])
@pytest.mark.parametrize("head", range(4))
def test_salient_tokens_are_those_of_float64(head: int, count: int) -> None:
    embedding = normal(200, 24)
    embedding[[17, 120]] = embedding[[90, 3]]
    sources, weights = Sources.of(embedding, GATED), heads()
    rows, which = torch.unique(embedding, dim=0, return_inverse=True)
    sigma = plain_saliency(plain_mlp(rows, GATED), weights)[head][which]
    wanted = sigma.sort(descending=True, stable=True).indices[:count]
    ids, values = salient_tokens(sources, saliency(sources.screen, weights)[head], weights.double(), head, count)
    assert ids.tolist() == wanted.tolist()
    assert values.tolist() == pytest.approx(sigma[wanted].tolist(), rel=1e-12)


def test_near_ties_of_saliency_are_decided_in_float64() -> None:
    embedding = normal(1, 24) + 1e-7 * normal(300, 24, seed=7)
    weights = heads()
    sigma = plain_saliency(embedding, weights)[1]
    wanted = sigma.sort(descending=True, stable=True).indices[:30].tolist()
    screen = saliency(embedding, weights)[1]
    assert screen.topk(30).indices.tolist() != wanted  # else this shows nothing
    ids, _ = salient_tokens(Sources.of(embedding, None), screen, weights.double(), 1, 30)
    assert ids.tolist() == wanted


def test_a_vocabulary_of_equal_tokens_is_listed_by_id() -> None:
    embedding = normal(1, 24).repeat(9, 1)
    sources = Sources.of(embedding, None)
    ids, _ = salient_tokens(sources, saliency(embedding, heads())[0], heads().double(), 0, 4)
    assert ids.tolist() == [0, 1, 2, 3]


def test_skewness_is_the_population_one() -> None:
    # deviations from 2 are -1 -1 2: m2 = 6/3 = 2, m3 = 6/3 = 2, 2 / 2^1.5 = 2^-0.5
    assert skewness(torch.tensor([1.0, 1.0, 4.0])) == pytest.approx(2**-0.5)
    assert skewness(torch.tensor([-1.0, 0.0, 1.0])) == pytest.approx(0.0)
    assert skewness(torch.tensor([2.0, 2.0])) is None


def test_kurtosis_is_the_population_one_by_row() -> None:
    # -1 1 -1 1: m4 / m2^2 = 1. 0 0 0 4: deviations -1 -1 -1 3, m2 = 12/4 = 3, m4 = 84/4 = 21, 21 / 9 = 7/3
    rows = torch.tensor([[-1.0, 1.0, -1.0, 1.0], [0.0, 0.0, 0.0, 4.0]])
    assert kurtosis(rows).tolist() == pytest.approx([1.0, 7 / 3])
    assert rows.tolist() == [[-1.0, 1.0, -1.0, 1.0], [0.0, 0.0, 0.0, 4.0]]
    assert kurtosis(rows).dtype == torch.float64
