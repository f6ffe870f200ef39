"""Rank tests against counting in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from maps import ranks
from maps.ranks import Columns, blocks, highest, hits, in_order


def counted(y: Tensor, targets: Tensor, k: Tensor, unembedding: Tensor) -> tuple[list[bool], list[bool]]:
    """Hits by the definition. Equal rows of U get the very same score."""
    rows, which = torch.unique(unembedding.double(), dim=0, return_inverse=True)
    scores = (y @ rows.T)[:, which]
    own = scores.gather(1, targets[:, None])
    return ((scores > own).sum(1) < k).tolist(), ((scores < own).sum(1) < k).tolist()


def check(y: Tensor, targets: Tensor, k: Tensor, unembedding: Tensor) -> None:
    found = hits(y, targets, k, Columns.of(unembedding))
    assert (found.top.tolist(), found.bottom.tolist()) == counted(y, targets, k, unembedding)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_blocks_cover_every_column_once() -> None:
    assert blocks(5) == [(0, 5)]
    assert blocks(128) == [(0, 128)]
    assert blocks(5000) == [(0, 128), (128, 512), (512, 1024), (1024, 2048), (2048, 4096), (4096, 5000)]


@pytest.mark.parametrize("size", [1, 127, 128, 129, 2048, 2049])
def test_a_target_anywhere_is_counted_right(size: int) -> None:
    unembedding = normal(size, 8, dtype=torch.float32)
    targets = torch.arange(min(size, 300))
    y = normal(1, 8, seed=1).repeat(len(targets), 1)
    for k in (1, 10, size, size + 5):
        check(y, targets, torch.full((len(targets),), k), unembedding)


def test_a_target_in_the_first_block_does_not_count_against_itself() -> None:
    columns = Columns.of(normal(500, 16, dtype=torch.float32))
    first = columns.ids[:128]  # tested first, each against itself too
    y = columns.rows[:128].double() * 3
    best = (y @ columns.rows.double().T).argmax(1)
    one = torch.ones(128, dtype=torch.long)
    assert hits(y, first, one, columns).top.tolist() == (columns.ids[best] == first).tolist()
    assert hits(-y, first, one, columns).bottom.tolist() == (columns.ids[best] == first).tolist()


def test_equal_rows_tie_and_all_of_them_are_hits() -> None:
    unembedding = normal(200, 8, dtype=torch.float32)
    y = normal(1, 8, seed=1)
    best, worst = ((y[0] @ unembedding.double().T).argsort()[i] for i in (-1, 0))
    unembedding[[3, 50, 190]], unembedding[[4, 60]] = unembedding[best].clone(), unembedding[worst].clone()
    targets = torch.tensor([3, 50, 190, 4, 60])
    found = hits(y.repeat(5, 1), targets, torch.ones(5, dtype=torch.long), Columns.of(unembedding))
    assert found.top.tolist() == [True, True, True, False, False]
    assert found.bottom.tolist() == [False, False, False, True, True]


def test_a_row_of_zeros_ties_all_tokens() -> None:
    columns = Columns.of(normal(300, 8, dtype=torch.float32))
    found = hits(torch.zeros(2, 8, dtype=torch.float64), torch.tensor([0, 299]), torch.tensor([1, 10]), columns)
    assert (found.top.tolist(), found.bottom.tolist()) == ([True, True], [True, True])
    lists = highest(torch.zeros(1, 8, dtype=torch.float64), torch.zeros(1, 300), 4, columns)
    assert (lists.ids.tolist(), lists.scores.tolist()) == ([[0, 1, 2, 3]], [[0.0] * 4])


def test_no_pairs_are_no_hits() -> None:
    none = torch.zeros(0, dtype=torch.long)
    found = hits(torch.zeros(0, 8, dtype=torch.float64), none, none, Columns.of(normal(9, 8, dtype=torch.float32)))
    assert (found.top.tolist(), found.bottom.tolist()) == ([], [])


def near_ties(spread: float, seed: int, size: int = 3000, width: int = 64) -> tuple[Tensor, Tensor, Tensor]:
    """y (1, d), U (V, d) and their scores, all within `spread` of each other though U's rows differ wildly."""
    y = normal(1, width, seed=seed)
    y = y / y.norm()
    noise = normal(size, width, seed=seed + 100)
    noise = noise - (noise @ y.T) * y
    step = torch.linspace(0, spread, size, dtype=torch.float64)[
        torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    ]
    unembedding = (noise / noise.norm(dim=1, keepdim=True) + y * (0.3 + step[:, None])).float()
    return y, unembedding, (y @ unembedding.double().T)[0]


@pytest.mark.parametrize("spread", [1e-7, 1e-6, 1.2e-5])
@pytest.mark.parametrize("seed", range(3))
def test_near_ties_that_float32_gets_wrong_are_decided_in_float64(spread: float, seed: int) -> None:
    y, unembedding, scores = near_ties(spread, seed)
    single = unembedding @ y[0].float()
    targets = scores.argsort()[torch.linspace(0, 2999, 25).long()]
    higher = (scores > scores[targets][:, None]).sum(1)
    assert ((single > single[targets][:, None]).sum(1) != higher).any()  # else this shows nothing
    for k in (higher.clamp_min(1), higher + 1, 2999 - higher, 3000 - higher):
        check(y.repeat(25, 1), targets, k.clamp_min(1), unembedding)


@pytest.mark.parametrize("seed", range(5))
def test_lists_of_near_ties_are_those_of_float64(seed: int) -> None:
    y, unembedding, scores = near_ties(1e-7, seed)
    single = unembedding @ y[0].float()
    wanted = scores.argsort(descending=True)[:20]
    assert single.topk(20).indices.tolist() != wanted.tolist()
    columns = Columns.of(unembedding)
    found = highest(y, y.float() @ columns.rows.T, 20, columns)
    assert found.ids[0].tolist() == wanted.tolist()
    assert found.scores[0].tolist() == pytest.approx(scores[wanted].tolist(), rel=1e-14)


def test_a_list_goes_by_lower_id_among_more_ties_than_it_has_room_for() -> None:
    unembedding = normal(100, 8, dtype=torch.float32)
    y = normal(1, 8, seed=1)
    best = unembedding[(y[0] @ unembedding.double().T).argmax()].clone()
    twins = torch.arange(2, 100, 3)
    unembedding[twins] = best
    columns = Columns.of(unembedding)
    assert highest(y, y.float() @ columns.rows.T, 5, columns).ids.tolist() == [[2, 5, 8, 11, 14]]


def test_a_list_is_no_longer_than_the_vocabulary() -> None:
    columns = Columns.of(normal(6, 4, dtype=torch.float32))
    y = normal(2, 4, seed=1)
    found = highest(y, y.float() @ columns.rows.T, 50, columns)
    scores = torch.empty(2, 6, dtype=torch.float64)
    scores[:, columns.ids] = y @ columns.rows.double().T
    assert found.ids.tolist() == scores.argsort(dim=1, descending=True).tolist()


@pytest.mark.parametrize(("block", "rows"), [(3, 2), (100, 7), (10_000, 10_000)])
def test_hits_do_not_depend_on_blocks(block: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "BLOCK", block)
    monkeypatch.setattr(ranks, "ROWS", rows)
    unembedding = normal(1500, 12, dtype=torch.float32)
    targets = torch.randint(1500, (60,), generator=torch.Generator().manual_seed(2))
    check(normal(60, 12, seed=1), targets, torch.arange(1, 1501, 25), unembedding)


def test_order_is_by_score_and_then_by_lower_id() -> None:
    scores = torch.tensor([1.0, 3.0, 2.0, 3.0 + 1e-13, 2.0], dtype=torch.float64)
    ids = torch.tensor([50, 40, 30, 20, 10])
    assert ids[in_order(scores, ids, 1e-12)].tolist() == [20, 40, 10, 30, 50]
    assert in_order(scores[:0], ids[:0], 0.0).tolist() == []
    assert ids[in_order(scores, -ids, 1e-12)].tolist() == [40, 20, 30, 10, 50]
