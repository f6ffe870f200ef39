"""The mathematics of a head against its formulas in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from maps.heads.circuit import HeadWeights, output_factors, saliency, skewness
from tests.maps.heads.test_mlp import GATED, normal, plain_mlp
from tests.sources import make_sources


def heads(width: int = 24, head_width: int = 6, count: int = 4, values: int = 2) -> HeadWeights:
    return HeadWeights(normal(values, width, head_width, seed=1), normal(count, head_width, width, seed=2))


ALL = slice(None)


def plain_saliency(rows: Tensor, weights: HeadWeights) -> Tensor:
    exact = weights.to_float64()
    norms = [exact.head_output(rows.double(), head).norm(dim=1) / rows.double().norm(dim=1) for head in range(4)]
    return torch.stack(norms)


def test_sources_are_the_first_mlps_output_in_both_precisions() -> None:
    embedding = normal(50, 24)
    sources = make_sources(embedding, GATED)
    torch.testing.assert_close(sources.rows.rows(ALL).double(), plain_mlp(embedding, GATED), rtol=1e-4, atol=1e-4)
    picked = torch.tensor([3, 49, 3])
    torch.testing.assert_close(sources.exact_rows(picked), plain_mlp(embedding[picked], GATED), rtol=1e-12, atol=1e-12)


def test_without_an_mlp_the_sources_are_the_embedding() -> None:
    embedding = normal(9, 24)
    sources = make_sources(embedding)
    assert torch.equal(sources.rows.rows(ALL), embedding)
    assert torch.equal(sources.exact_rows(torch.tensor([8, 0])), embedding[[8, 0]].double())


@pytest.mark.parametrize("rows", [1, 7, 4096])
def test_saliency_is_the_gain_of_a_token_through_a_head(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maps.heads.source_rows.ROWS", rows)
    sources = normal(50, 24)
    sigma = saliency(make_sources(sources), heads())
    torch.testing.assert_close(sigma.double(), plain_saliency(sources, heads()), rtol=1e-5, atol=0)


def test_saliency_does_not_depend_on_a_tokens_length_and_is_zero_without_one() -> None:
    sources = normal(3, 24)
    sources[1] = 1000 * sources[0]
    sources[2] = 0
    sigma = saliency(make_sources(sources), heads())
    torch.testing.assert_close(sigma[:, 0], sigma[:, 1])
    assert sigma[:, 2].tolist() == [0.0] * 4


def test_the_factors_keep_the_length_of_what_is_written_also_at_a_lower_rank() -> None:
    outputs = normal(3, 6, 24)
    outputs[1, 5] = outputs[1, 4]
    outputs[2] = 0
    z, factors = normal(10, 6, seed=1), output_factors(outputs)
    assert factors.shape == (3, 6, 6)
    torch.testing.assert_close((z @ factors).norm(dim=2), (z @ outputs).norm(dim=2), rtol=1e-5, atol=0)


def test_skewness_is_the_population_one() -> None:
    # deviations from 2 are -1 -1 2: m2 = 6/3 = 2, m3 = 6/3 = 2, 2 / 2^1.5 = 2^-0.5
    assert skewness(torch.tensor([1.0, 1.0, 4.0])) == pytest.approx(2**-0.5)
    assert skewness(torch.tensor([-1.0, 0.0, 1.0])) == pytest.approx(0.0)
    assert skewness(torch.tensor([2.0, 2.0])) is None


def test_sources_are_scaled_as_the_model_scales_them() -> None:
    embedding, m = normal(50, 24).bfloat16(), GATED
    plain = make_sources(embedding, scale=3.0)
    assert torch.equal(torch.cat([block for _, block in plain.blocks()]), 3 * embedding.float())
    assert torch.equal(plain.exact_rows(torch.tensor([4])), 3 * embedding[[4]].double())
    through = make_sources(embedding, m, scale=3.0)
    wanted = plain_mlp(3 * embedding.double(), m)
    torch.testing.assert_close(through.rows.rows(ALL).double(), wanted, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(through.exact_rows(torch.tensor([7, 7, 1])), wanted[[7, 7, 1]], rtol=1e-12, atol=1e-12)


def test_exact_rows_are_kept_and_forgotten_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maps.heads.source_rows.EXACT_CACHE_BYTES", 8 * 24 * 10)  # ten rows
    embedding, m = normal(50, 24), GATED
    sources, wanted = make_sources(embedding, m), plain_mlp(embedding, m)
    for ids in ([1, 2, 3], [3, 2, 9], [*range(9)], [*range(30)], [1], [49, 49], [*range(50)], []):
        torch.testing.assert_close(
            sources.exact_rows(torch.tensor(ids, dtype=torch.long)), wanted[ids], rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize("length", [1e-18, 1e-24, 1e-38])
@pytest.mark.parametrize("through", [False, True])
def test_rows_too_short_for_float32_are_read_in_their_direction(length: float, through: bool) -> None:
    """As of tokens that a model was never trained on: σ does not depend on a row's length."""
    embedding = normal(50, 24)
    embedding[[4, 30]] *= length
    embedding[7] = 0
    mlp = GATED if through else None
    sources = make_sources(embedding, mlp)
    assert sources.faint_ids.tolist() == [4, 30]
    rows = embedding.double() if mlp is None else plain_mlp(embedding, mlp)
    wanted = plain_saliency(rows, heads())
    wanted[:, 7] = 0
    torch.testing.assert_close(saliency(sources, heads()).double(), wanted, rtol=1e-5, atol=0)
    assert float((sources.error_bounds / sources.norms)[wanted[0] > 0].max()) < 1e-4


@pytest.mark.parametrize("scale", [1e-14, 1e14])
def test_saliency_is_right_whatever_the_size_of_a_heads_weights(scale: float) -> None:
    rows, weights = normal(50, 24), heads()
    scaled = HeadWeights(weights.values * scale, weights.outputs * scale)
    wanted = plain_saliency(rows, weights) * scale**2
    torch.testing.assert_close(saliency(make_sources(rows), scaled).double(), wanted, rtol=1e-5, atol=0)
