"""The first MLP against torch's own layers in float64."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear, rms_norm, silu

from maps.heads import mlp
from maps.heads.mlp import ACTIVATIONS, UP_ACTIVATIONS, Mlp, apply_mlp, apply_mlp_float64
from maps.heads.norm import Norm
from tests.near_ties import normal_tensor

D, INNER = 24, 40
normal = partial(normal_tensor, dtype=torch.float32)

GATED = Mlp(
    norm=Norm(normal(D, seed=3), 1e-5),
    gate=normal(INNER, D, seed=4),
    up=normal(INNER, D, seed=5),
    down=normal(D, INNER, seed=6),
    activation=silu,
)
BIASED = replace(
    GATED,
    norm=Norm(normal(D, seed=3), 1e-5, bias=normal(D, seed=7)),
    gate_bias=normal(INNER, seed=8),
    up_bias=normal(INNER, seed=9),
    down_bias=normal(D, seed=10),
)
KINDS = {
    "gated, RMS norm": GATED,
    "gated, biases": BIASED,
    "gated, no norm": replace(GATED, norm=None),
    "plain, LayerNorm, biases": replace(
        BIASED, gate=None, gate_bias=None, norm=Norm(normal(D, seed=3), 1e-5, True, normal(D, seed=7))
    ),
    "plain, LayerNorm": replace(GATED, gate=None, norm=Norm(normal(D, seed=3), 1e-5, subtracts_mean=True)),
}


def plain_mlp(rows: Tensor, m: Mlp) -> Tensor:
    """The formula with torch's layers, in float64."""
    m, x = m.to(torch.float64), rows.double()
    if (n := m.norm) is not None:
        x = layer_norm(x, (D,), n.gain, n.bias, n.epsilon) if n.subtracts_mean else rms_norm(x, (D,), n.gain, n.epsilon)
        x = x if n.bias is None or n.subtracts_mean else x + n.bias
    inner = linear(x, m.up, m.up_bias)
    inner = m.activation(inner) if m.gate is None else m.activation(linear(x, m.gate, m.gate_bias)) * inner
    return linear(inner, m.down, m.down_bias)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [1, 7, 4096])
def test_the_first_mlp_is_its_formula_whatever_the_blocks(
    rows: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlp, "ROWS", rows)
    m, embedding = KINDS[kind], normal(50, D)
    torch.testing.assert_close(apply_mlp(embedding, m).double(), plain_mlp(embedding, m), rtol=1e-4, atol=1e-4)
    monkeypatch.setattr(mlp, "INNER_BLOCK", rows)
    exact = apply_mlp_float64(embedding.double(), m)
    torch.testing.assert_close(exact, plain_mlp(embedding, m), rtol=1e-12, atol=1e-12)


def test_the_rows_that_come_in_stay_as_they_are() -> None:
    embedding = normal(50, D)
    apply_mlp(embedding, replace(BIASED, norm=None))
    assert torch.equal(embedding, normal(50, D))


def test_activations_are_those_of_transformers() -> None:
    from transformers.activations import ACT2FN

    x = torch.linspace(-6, 6, 200, dtype=torch.float64)
    for name, ours in ACTIVATIONS.items():
        if name in UP_ACTIVATIONS:  # gpt-oss has its own, which is compared with its modules as a family
            continue
        torch.testing.assert_close(ours(x), ACT2FN[name](x), rtol=1e-9, atol=1e-8)
