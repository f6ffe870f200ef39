"""Output space: the best target of every source against plain float64 products."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor

from maps.heads import output_space
from maps.heads.circuit import HeadWeights
from maps.heads.eight_bit import RoundedRows, has_fast_int8
from maps.heads.output_space import best_targets, output_space_sizes, random_rotation, unit_targets
from maps.heads.target_side import TargetSide
from maps.heads.unembedding import Unembedding
from tests.cancelling import cancelling_first_mlp
from tests.maps.heads.test_mlp import GATED, plain_mlp
from tests.near_ties import near_ties, normal_tensor
from tests.sampling import sampled
from tests.sources import make_sources

SIZES = (1, 2, 7, 8, 100, 257, 1023, 1024, 1025, 2500)


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def plain(z: Tensor, c: Tensor) -> Tensor:
    """The best targets by their definition, ties to the lower id: (n, d_h) and (V, d_h) to (n,). Equal rows tie."""
    (rows, row), (columns, column) = (
        torch.unique(z, dim=0, return_inverse=True),
        torch.unique(c, dim=0, return_inverse=True),
    )
    scores = torch.cat([part @ columns.T for part in rows.split(1024)])[:, column]
    return (scores >= scores.amax(1, keepdim=True)).int().argmax(1)[row]


def computed_best(z: Tensor, c: Tensor, screened: bool, off: float = 0.0) -> Tensor:
    """What the module finds; `z` off by that share where it is screened."""
    turn = random_rotation(z.shape[1], z)
    noise = normal_tensor(*z.shape, seed=99)
    inexact = z + off * z.norm(dim=1, keepdim=True) * noise / noise.norm(dim=1, keepdim=True)
    read = RoundedRows.from_exact(inexact @ turn)
    return best_targets(read, c @ turn, torch.full((len(z),), off), lambda ids: z[ids] @ turn, screened)


@pytest.mark.parametrize("screened", [True, False])
@pytest.mark.parametrize("width", sampled((1, 8, 12, 64, 80, 128), (1, 12, 64)))
@pytest.mark.parametrize("size", sampled(SIZES, (1, 7, 257, 1025)))
def test_best_targets_are_those_of_float64(size: int, width: int, screened: bool) -> None:
    z, c = normal_tensor(size, width), normal_tensor(size, width, seed=1)
    c = c + 2 * normal_tensor(1, width, seed=2)  # a direction that all share, as in real models
    c[size // 2] = c[size - 1]
    c[size // 3] = c[0]
    assert torch.equal(computed_best(z, c, screened), plain(z, c))


@pytest.mark.parametrize("screened", [True, False])
@pytest.mark.parametrize("spread", [1e-7, 1e-6, 1e-3])
def test_scores_within_rounding_of_each_other_are_decided_in_float64(spread: float, screened: bool) -> None:
    y, c, _ = near_ties(spread, 0, size=1500, width=24)
    z = y * normal_tensor(40, 1, seed=5) + spread * normal_tensor(40, 24, seed=6)
    wanted = plain(z, c.double())
    single = (z.float() @ c.T).argmax(1)
    assert torch.equal(single, wanted) is (spread > 1e-6)  # else this shows nothing
    assert torch.equal(computed_best(z, c.double(), screened), wanted)


@pytest.mark.parametrize("screened", [True, False])
def test_nearly_equal_targets_keep_their_ties_and_their_order(screened: bool) -> None:
    c = normal_tensor(1, 16) + 1e-8 * normal_tensor(900, 16, seed=1)
    c[500:] = c[:400]
    z = normal_tensor(300, 16, seed=2)
    assert torch.equal(computed_best(z, c, screened), plain(z, c))
    assert int(computed_best(z, c, screened).max()) < 500


@pytest.mark.parametrize("screened", [True, False])
def test_sources_that_are_off_in_float32_are_looked_at_in_float64(screened: bool) -> None:
    z, c = normal_tensor(1200, 16), normal_tensor(1200, 16, seed=1)
    assert torch.equal(computed_best(z, c, screened, off=1e-3), plain(z, c))


@pytest.mark.parametrize("screened", [True, False])
def test_equal_sources_share_their_best_target(screened: bool) -> None:
    z, c = normal_tensor(1, 8).repeat(1300, 1), normal_tensor(1300, 8, seed=1)
    c[[40, 900]] = c[(c @ z[0]).argmax()].clone()
    assert computed_best(z, c, screened).unique().tolist() == [min(40, int((c @ z[0]).argmax()))]


@pytest.mark.parametrize("screened", [True, False])
def test_a_head_or_a_source_of_zeros_promotes_the_first_token(screened: bool) -> None:
    z, c = normal_tensor(1300, 8), normal_tensor(1300, 8, seed=1)
    assert computed_best(z, torch.zeros_like(c), screened).tolist() == [0] * 1300
    z[[3, 1100]] = 0
    assert computed_best(z, c, screened)[[3, 1100]].tolist() == [0, 0]
    assert torch.equal(computed_best(z, c, screened), plain(z, c))


@pytest.mark.parametrize("screened", [True, False])
@pytest.mark.parametrize("scale", [1e-42, 1e-25, 1e25, 1e42])
def test_the_lengths_of_sources_and_targets_do_not_matter(scale: float, screened: bool) -> None:
    z, c = normal_tensor(1100, 12), normal_tensor(1100, 12, seed=1)
    wanted = plain(z, c)
    assert torch.equal(computed_best(z * scale, c, screened), wanted)
    assert torch.equal(computed_best(z, c * scale, screened), wanted)
    mixed = z * 10.0 ** (30 * normal_tensor(1100, 1, seed=3).clamp(-1, 1))
    assert torch.equal(computed_best(mixed, c, screened), wanted)


@pytest.mark.parametrize("screened", [True, False])
def test_entries_of_huge_dynamic_range(screened: bool) -> None:
    z = normal_tensor(1100, 16) * 10.0 ** (6 * normal_tensor(1100, 16, seed=3).clamp(-2, 2))
    c = normal_tensor(1100, 16, seed=1) * 10.0 ** (6 * normal_tensor(1100, 16, seed=4).clamp(-2, 2))
    assert torch.equal(computed_best(z, c, screened), plain(z, c))


@pytest.mark.parametrize("screened", [True, False])
@pytest.mark.parametrize(("block", "sample"), [(16, 1), (37, 5), (1000, 700), (4096, 5000)])
def test_blocks_and_threads_change_nothing(
    block: int, sample: int, screened: bool, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_space, "BLOCK", block)
    monkeypatch.setattr(output_space, "SAMPLE_SOURCES", sample)
    y, near, _ = near_ties(1e-7, 1, size=701, width=24)
    z, c = torch.cat([normal_tensor(700, 24), y]), torch.cat([normal_tensor(700, 24, seed=1), near.double()])
    assert torch.equal(computed_best(z, c, screened), plain(z, c))
    assert torch.get_num_threads() == threads


def shares(sources: Tensor, unembedding: Tensor, heads: HeadWeights) -> list[Fraction]:
    unit = unembedding.double() / unembedding.double().norm(dim=1, keepdim=True)
    (rows, _), (columns, column) = (
        torch.unique(sources, dim=0, return_inverse=True),
        torch.unique(unit, dim=0, return_inverse=True),
    )
    out = []
    for head in range(len(heads.outputs)):
        scores = (heads.head_output(rows, head) @ columns.T)[:, column]
        best = (scores >= scores.amax(1, keepdim=True)).int().argmax(1)
        out.append(Fraction(len(best.unique()), len(unembedding)))
    return out


@pytest.mark.parametrize("kept", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("gained", [True, False])
@pytest.mark.parametrize("fallback", [True, False])
def test_the_share_is_that_of_all_of_m(
    kept: torch.dtype, gained: bool, fallback: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fallback:
        monkeypatch.setattr(output_space, "has_fast_int8", lambda _device: False)
    embedding, unembedding = normal_tensor(1301, 24).to(kept), (normal_tensor(1301, 24, seed=1) + 0.3).to(kept)
    embedding[[70, 1200]], unembedding[[5, 900]] = embedding[[3, 4]], unembedding[[800, 901]]
    heads = HeadWeights(normal_tensor(2, 24, 6, seed=2), normal_tensor(4, 6, 24, seed=3))
    gain = normal_tensor(24, seed=4) if gained else None
    seen = unembedding.double() if gain is None else unembedding.double() * gain
    for sources, rows in (
        (make_sources(embedding), embedding.double()),
        (make_sources(embedding, GATED), plain_mlp(embedding, GATED)),
    ):
        wanted = [float(share) for share in shares(rows, seen, heads)]
        assert output_space_sizes(sources, heads, Unembedding.from_tensor(unembedding), TargetSide(gain=gain)) == wanted


@pytest.mark.parametrize("size", [1, 8, 256])
def test_every_token_may_be_its_own_best_target(size: int) -> None:
    embedding = normal_tensor(size, 12, dtype=torch.float32)
    embedding = embedding / embedding.norm(dim=1, keepdim=True)
    turn = random_rotation(12, normal_tensor(1))
    heads = HeadWeights(turn[None], turn.T[None])
    assert output_space_sizes(make_sources(embedding), heads, Unembedding.from_tensor(embedding)) == [1.0]


def test_heads_of_a_group_may_be_done_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    embedding, unembedding = (
        normal_tensor(300, 24, dtype=torch.float32),
        normal_tensor(300, 24, seed=1, dtype=torch.float32),
    )
    heads = HeadWeights(normal_tensor(1, 24, 6, seed=2), normal_tensor(4, 6, 24, seed=3))
    together = output_space_sizes(make_sources(embedding), heads, Unembedding.from_tensor(unembedding))
    monkeypatch.setattr(output_space, "TARGET_BYTES", 1)
    assert output_space_sizes(make_sources(embedding), heads, Unembedding.from_tensor(unembedding)) == together


def test_a_column_of_zeros_scores_zero() -> None:
    unembedding = normal_tensor(10, 4, dtype=torch.float32)
    unembedding[3] = 0
    targets = unit_targets(
        Unembedding.from_tensor(unembedding),
        normal_tensor(2, 3, 4, seed=1),
        random_rotation(3, normal_tensor(1)),
        TargetSide(),
    )
    assert targets[:, 3].tolist() == [[0.0] * 3] * 2
    assert bool(targets.isfinite().all())


def saturating(rows: Tensor, columns: Tensor) -> Tensor:
    """An eight-bit product as processors without exact ones make it: pairs of (a + 128) b summed in sixteen bits."""
    pairs = ((rows.int() + 128)[:, :, None] * columns.int()).unflatten(1, (-1, 2)).sum(2).clamp(-(2**15), 2**15 - 1)
    return pairs.sum(1) - 128 * columns.int().sum(0)


def test_products_that_saturate_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Tensor:
        raise RuntimeError("not here")

    assert not has_fast_int8(torch.device("meta"))
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": "x86_64", "avx512_vnni": True})
    for product, wanted in ((saturating, False), (lambda a, b: a.int() @ b.int(), True), (refuse, False)):
        monkeypatch.setattr(torch, "_int_mm", product)
        assert has_fast_int8(torch.device("cpu")) is wanted


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        ({"architecture": "x86_64", "avx2": True, "avx512_vnni": False}, False),
        ({"architecture": "x86_64", "avx2": True, "avx_vnni": True}, True),
        ({"architecture": "aarch64"}, True),
    ],
)
def test_products_that_are_slow_are_not_used(
    known: dict[str, Any], wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "_int_mm", lambda a, b: a.int() @ b.int())
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known)
    assert has_fast_int8(torch.device("cpu")) is wanted


@pytest.mark.parametrize("seed", [2, 8, 10, 13])
def test_a_token_of_which_the_first_mlp_leaves_little_finds_its_best_target(seed: int) -> None:
    embedding, mlp, heads = cancelling_first_mlp(seed)
    sources, unembedding = make_sources(embedding, mlp), normal_tensor(2000, 24, seed=1, dtype=torch.float32)
    wanted = shares(sources.exact_rows(torch.arange(2000)), unembedding, heads)
    assert output_space_sizes(sources, heads, Unembedding.from_tensor(unembedding)) == [
        float(share) for share in wanted
    ]
