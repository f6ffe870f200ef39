"""Rank tests against counting in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from maps.heads import rank_tests
from maps.heads.eight_bit import normalise_rows
from maps.heads.rank_tests import LowRankSieve, count_true, target_hits
from maps.heads.unembedding import Unembedding
from tests.near_ties import near_ties, normal_tensor
from tests.sampling import sampled

NEAR_TIES = [(spread, seed) for spread in (1e-7, 1e-6, 1.2e-5) for seed in range(3) if (spread, seed) != (1.2e-5, 0)]


def counted(y: Tensor, targets: Tensor, k: Tensor, unembedding: Tensor) -> tuple[list[bool], list[bool]]:
    """Hits by the definition. Equal rows of U get the very same score."""
    rows, which = torch.unique(unembedding.double(), dim=0, return_inverse=True)
    scores = (y @ rows.T)[:, which]
    own = scores.gather(1, targets[:, None])
    return ((scores > own).sum(1) < k).tolist(), ((scores < own).sum(1) < k).tolist()


def check(y: Tensor, targets: Tensor, k: Tensor, unembedding: Tensor) -> None:
    hits = target_hits(y, targets, k, Unembedding.from_tensor(unembedding))
    assert (hits.top.tolist(), hits.bottom.tolist()) == counted(y, targets, k, unembedding)


@pytest.mark.parametrize("size", [1, 127, 128, 129, 2048, 2049])
def test_a_target_anywhere_is_counted_right(size: int) -> None:
    unembedding = normal_tensor(size, 8, dtype=torch.float32)
    targets = torch.arange(min(size, 300))
    y = normal_tensor(1, 8, seed=1).repeat(len(targets), 1)
    for k in (1, 10, size, size + 5):
        check(y, targets, torch.full((len(targets),), k), unembedding)


def test_a_target_in_the_first_block_does_not_count_against_itself() -> None:
    columns = Unembedding.from_tensor(normal_tensor(500, 16, dtype=torch.float32))
    first = columns.token_ids[:128]  # tested first, each against itself too
    y = columns.rows[:128].double() * 3
    best = (y @ columns.rows.double().T).argmax(1)
    one = torch.ones(128, dtype=torch.long)
    assert target_hits(y, first, one, columns).top.tolist() == (columns.token_ids[best] == first).tolist()
    assert target_hits(-y, first, one, columns).bottom.tolist() == (columns.token_ids[best] == first).tolist()


def test_equal_rows_tie_and_all_of_them_are_hits() -> None:
    unembedding = normal_tensor(200, 8, dtype=torch.float32)
    y = normal_tensor(1, 8, seed=1)
    best, worst = ((y[0] @ unembedding.double().T).argsort()[i] for i in (-1, 0))
    unembedding[[3, 50, 190]], unembedding[[4, 60]] = unembedding[best].clone(), unembedding[worst].clone()
    targets = torch.tensor([3, 50, 190, 4, 60])
    hits = target_hits(y.repeat(5, 1), targets, torch.ones(5, dtype=torch.long), Unembedding.from_tensor(unembedding))
    assert hits.top.tolist() == [True, True, True, False, False]
    assert hits.bottom.tolist() == [False, False, False, True, True]


def test_a_row_of_zeros_ties_all_tokens() -> None:
    columns = Unembedding.from_tensor(normal_tensor(300, 8, dtype=torch.float32))
    hits = target_hits(torch.zeros(2, 8, dtype=torch.float64), torch.tensor([0, 299]), torch.tensor([1, 10]), columns)
    assert (hits.top.tolist(), hits.bottom.tolist()) == ([True, True], [True, True])


def test_no_pairs_are_no_hits() -> None:
    none = torch.zeros(0, dtype=torch.long)
    hits = target_hits(
        torch.zeros(0, 8, dtype=torch.float64),
        none,
        none,
        Unembedding.from_tensor(normal_tensor(9, 8, dtype=torch.float32)),
    )
    assert (hits.top.tolist(), hits.bottom.tolist()) == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize(("spread", "seed"), [pytest.param(1.2e-5, 0, marks=pytest.mark.canary), *NEAR_TIES])
def test_near_ties_that_float32_gets_wrong_are_decided_in_float64(spread: float, seed: int) -> None:
    y, unembedding, scores = near_ties(spread, seed)
    single = unembedding @ y[0].float()
    targets = scores.argsort()[torch.linspace(0, 2999, 25).long()]
    higher = (scores > scores[targets][:, None]).sum(1)
    assert ((single > single[targets][:, None]).sum(1) != higher).any()  # else this shows nothing
    for k in (higher.clamp_min(1), higher + 1, 2999 - higher, 3000 - higher):
        check(y.repeat(25, 1), targets, k.clamp_min(1), unembedding)


@pytest.mark.parametrize(
    ("size", "block", "group", "rows"),
    [
        pytest.param(250, 3, 4, 2, marks=pytest.mark.exhaustive),
        pytest.param(1500, 100, 7, 7, marks=pytest.mark.slow),
        (1500, 10_000, 64, 10_000),
    ],
)
@pytest.mark.parametrize("retry_share", [0, 1])
@pytest.mark.parametrize("dense_share", [0, 1])
@pytest.mark.parametrize("precision", sampled((torch.bfloat16, torch.float32), (torch.bfloat16,)))
def test_hits_do_not_depend_on_blocks_or_on_the_precision_of_the_screen(
    size: int,
    block: int,
    group: int,
    rows: int,
    dense_share: float,
    retry_share: float,
    precision: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rank_tests, "BLOCK", block)
    monkeypatch.setattr(rank_tests, "GROUP_COLUMNS", group)
    monkeypatch.setattr(rank_tests, "ROWS", rows)
    monkeypatch.setattr(rank_tests, "DENSE_GROUPS_SHARE", dense_share)
    monkeypatch.setattr(rank_tests, "FLOAT32_RETRY_SHARE", retry_share)
    monkeypatch.setattr("maps.heads.unembedding.fastest_dtype", lambda _device: precision)
    unembedding = normal_tensor(size, 12, dtype=torch.float32)  # few for small blocks, which are a product each
    targets = torch.randint(size, (50,), generator=torch.Generator().manual_seed(2))
    check(normal_tensor(50, 12, seed=1), targets, torch.arange(1, size + 1, size // 50), unembedding)


@pytest.mark.parametrize("width", [1, 8, 9, 1984, 2000, 4096])
def test_flags_are_counted(width: int) -> None:
    flags = normal_tensor(30, width) > 0
    flags[0], flags[1] = True, False
    assert count_true(flags).tolist() == flags.sum(1).tolist()


def test_the_precision_of_the_checkpoint_is_kept() -> None:
    unembedding = normal_tensor(700, 12, dtype=torch.float32).bfloat16()
    targets = torch.arange(0, 700, 7)
    check(normal_tensor(100, 12, seed=1), targets, torch.arange(1, 701, 7), unembedding.float())
    columns, whole = Unembedding.from_tensor(unembedding), Unembedding.from_tensor(unembedding.float())
    assert columns.rows.dtype == torch.bfloat16
    y, k = normal_tensor(100, 12, seed=1), torch.arange(1, 701, 7)
    assert [x.tolist() for x in target_hits(y, targets, k, columns)] == [
        x.tolist() for x in target_hits(y, targets, k, whole)
    ]


def survivors(sieve: LowRankSieve, z: Tensor, head: int, k: Tensor) -> tuple[set[int], set[int]]:
    """Which pairs the sieve leaves for the top and for the bottom."""
    top, bottom = sieve.surviving_pairs(normalise_rows(z)[0].float(), head, k)
    return set(top.tolist()), set(bottom.tolist())


@pytest.mark.parametrize(("size", "leading", "few"), [(50, 1024, 128), (1500, 1024, 128), (1500, 64, 24)])
def test_the_sieve_drops_no_hit(size: int, leading: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_tests, "SIEVE_COLUMNS", leading)
    monkeypatch.setattr(rank_tests, "FIRST_SIEVE_COLUMNS", few)
    unembedding, outputs = normal_tensor(size, 24, dtype=torch.float32), normal_tensor(3, 6, 24, seed=1)
    columns = Unembedding.from_tensor(unembedding)
    targets = torch.arange(size)
    z, k = normal_tensor(1, 6, seed=2).repeat(size, 1), torch.full((size,), 10)
    sieve = LowRankSieve.prepare(outputs, targets, columns)
    for head in range(3):
        top, bottom = counted(z @ outputs[head], targets, k, unembedding)
        for live, wanted in zip(survivors(sieve, z, head, k), (top, bottom), strict=True):
            assert {i for i in range(size) if wanted[i]} <= live
            assert len(live) < size or size <= 50


def test_the_sieve_leaves_near_ties_to_the_full_test() -> None:
    """All scores within rounding: whatever the sieve is sure of is so in float64."""
    y, unembedding, scores = near_ties(1e-7, 0, size=900, width=64)
    columns, targets = Unembedding.from_tensor(unembedding), torch.arange(900)
    sieve = LowRankSieve.prepare(torch.eye(64, dtype=torch.float64)[None], targets, columns)
    for k in (1, 5, 440, 455):
        top, bottom = survivors(sieve, y.repeat(900, 1), 0, torch.full((900,), k))
        ranked = scores.argsort().tolist()
        assert set(ranked[-k:]) <= top
        assert set(ranked[:k]) <= bottom


@pytest.mark.parametrize("length", [1e-44, 1e-38, 1e38, 1e50])
def test_hits_do_not_depend_on_the_length_of_a_row_or_of_a_heads_weights(length: float) -> None:
    unembedding, outputs = normal_tensor(1500, 24, dtype=torch.float32), normal_tensor(1, 6, 24, seed=1)
    columns, targets, k = Unembedding.from_tensor(unembedding), torch.arange(0, 1500, 5), torch.full((300,), 300)
    z = normal_tensor(300, 6, seed=2)
    top, bottom = counted(z @ outputs[0], targets, k, unembedding)
    hits = target_hits(z @ outputs[0] * length, targets, k, columns)
    assert (hits.top.tolist(), hits.bottom.tolist()) == (top, bottom)
    for weights, rows in ((outputs * length, z), (outputs, z * length)):
        left = survivors(LowRankSieve.prepare(weights, targets, columns), rows, 0, k)
        for live, wanted in zip(left, (top, bottom), strict=True):
            assert {i for i in range(300) if wanted[i]} <= live
            assert len(live) < 300
