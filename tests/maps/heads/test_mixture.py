"""A mixture of experts: who goes where, and that float32 and float64 agree about it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import silu

from maps.heads.average_block import AverageBlock
from maps.heads.mixture import Mixture, Routing
from maps.heads.mlp import Mlp
from maps.heads.source_rows import BlockRows, EmbeddingRows, FirstMlpRows
from tests.oracle import plain_mixture

WIDTH, EXPERTS = 16, 6
ROUTINGS = {
    "softmax": Routing(EXPERTS, 2),
    "not normalised": Routing(EXPERTS, 3, normalises=False),
    "sigmoid": Routing(EXPERTS, 2, "sigmoid", scale=2.5),
    "groups": Routing(EXPERTS, 2, "sigmoid", groups=3, chosen_groups=2),
    "all": Routing(EXPERTS, EXPERTS),
}


def random_mixture(routing: Routing, seed: int = 0) -> Mixture:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    experts = [Mlp(None, draw(8, WIDTH), draw(8, WIDTH), draw(WIDTH, 8), silu) for _ in range(EXPERTS)]
    choice_bias = draw(EXPERTS) if routing.score == "sigmoid" else None
    return Mixture(None, routing, draw(EXPERTS, WIDTH), experts, choice_bias=choice_bias, shared=experts[0])


@pytest.mark.parametrize("name", ROUTINGS)
def test_rows_go_to_the_experts_with_the_highest_scores(name: str) -> None:
    mixture = random_mixture(ROUTINGS[name])
    rows = torch.randn(50, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    wanted = plain_mixture(rows, mixture)
    torch.testing.assert_close(mixture.apply(rows), wanted, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(mixture.apply(rows.float()).double(), wanted, rtol=1e-3, atol=1e-3)
    used = mixture.route(rows).experts.unique()
    assert len(used) >= 4


def nearly_tied_rows(mixture: Mixture, count: int = 60) -> Tensor:
    """Rows for which the second and the third expert's scores differ by less than float32 can tell."""
    generator = torch.Generator().manual_seed(2)
    rows = torch.randn(count, WIDTH, dtype=torch.float64, generator=generator)
    router = mixture.router.double()
    outputs = rows @ router.T
    order = outputs.sort(1, descending=True).indices
    second, third = router[order[:, 1]], router[order[:, 2]]
    direction = second - third
    gap = ((rows * direction).sum(1) / direction.square().sum(1))[:, None]
    distance = 1e-9 * torch.randn(count, 1, dtype=torch.float64, generator=generator)
    return rows - (gap + distance) * direction


def test_where_rounding_would_choose_other_experts_float64_decides() -> None:
    mixture = random_mixture(ROUTINGS["softmax"])
    tied = nearly_tied_rows(mixture)
    apart = torch.randn(40, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    embedding = torch.cat([tied, apart])
    others = mixture.apply(embedding.float()).double() - mixture.apply(embedding)
    assert int((others.abs().amax(1) > 1e-2).sum()) > 5  # without the care, these rows are others
    unsure = mixture.find_unsure(embedding.float())
    assert unsure[:60].all()
    assert int(unsure[60:].sum()) < 3
    block = AverageBlock(None, torch.zeros(WIDTH, WIDTH), torch.zeros(WIDTH), mixture, None, is_parallel=False)
    for rows in (
        FirstMlpRows(EmbeddingRows(embedding), mixture),
        BlockRows(EmbeddingRows(embedding), block),
        BlockRows(EmbeddingRows(embedding), replace(block, is_parallel=True)),
    ):
        exact = rows.exact_rows(torch.arange(len(embedding)))
        torch.testing.assert_close(rows.rows(slice(None)).double(), exact, rtol=1e-3, atol=1e-3)


def test_plain_mlps_are_always_sure() -> None:
    expert = random_mixture(ROUTINGS["softmax"]).experts[0]
    rows = torch.randn(3, WIDTH)
    block = AverageBlock(None, torch.zeros(WIDTH, WIDTH), torch.zeros(WIDTH), expert, None, is_parallel=False)
    assert block.find_unsure(rows) is None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_experts_in_the_checkpoints_precision_are_used_as_they_are(dtype: torch.dtype) -> None:
    mixture = random_mixture(ROUTINGS["softmax"])
    stored = replace(mixture, experts=[expert.to(dtype) for expert in mixture.experts])
    as_float = replace(mixture, experts=[expert.to(dtype).to(torch.float32) for expert in mixture.experts])
    for kind in (torch.float32, torch.float64):
        rows = torch.randn(20, WIDTH, dtype=kind, generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(stored.apply(rows), as_float.apply(rows), rtol=1e-6, atol=1e-6)
