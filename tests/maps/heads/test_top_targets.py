"""The highest targets of rows, and their spread, against float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from maps.heads import top_targets
from maps.heads.top_targets import find_highest_targets, sort_order
from maps.heads.unembedding import Unembedding
from tests.near_ties import near_ties, normal_tensor


def plain(y: Tensor, unembedding: Tensor, wanted: int) -> tuple[list[list[int]], Tensor, Tensor]:
    """Ids, scores and kurtosis by their definitions. Equal rows of U get the very same score."""
    rows, which = torch.unique(unembedding.double(), dim=0, return_inverse=True)
    scores = (y @ rows.T)[:, which]
    x = scores - scores.mean(1, keepdim=True)
    ids = scores.sort(dim=1, descending=True, stable=True).indices[:, :wanted]
    return ids.tolist(), scores.gather(1, ids), x.pow(4).mean(1) / x.square().mean(1).square()


@pytest.mark.parametrize(("size", "wanted"), [(3, 1), (64, 64), (700, 5), (1984, 5), (5000, 5), (5000, 600)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_highest_targets_and_kurtosis_are_those_of_float64(size: int, wanted: int, dtype: torch.dtype) -> None:
    unembedding = (normal_tensor(size, 16, dtype=torch.float32) + 0.5).to(dtype)
    unembedding[size // 2] = unembedding[size - 1]
    y = normal_tensor(9, 16, seed=1)
    ids, scores, kurtosis = plain(y, unembedding, wanted)
    targets, kurtosis_found = find_highest_targets(y, wanted, Unembedding.from_tensor(unembedding), kurtosis_rows=7)
    assert targets.ids.tolist() == ids
    torch.testing.assert_close(targets.scores, scores, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(kurtosis_found, kurtosis[:7], rtol=1e-4, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize(("block", "group", "rows"), [(8, 4, 3), (16, 2, 1), (704, 64, 4)])
def test_block_sizes_change_no_list(block: int, group: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(top_targets, "BLOCK_COLUMNS", block)
    monkeypatch.setattr(top_targets, "GROUP_COLUMNS", group)
    monkeypatch.setattr(top_targets, "ROWS", rows)
    unembedding, y = normal_tensor(1409, 16, dtype=torch.float32), normal_tensor(9, 16, seed=1)
    targets, kurtosis_found = find_highest_targets(y, 5, Unembedding.from_tensor(unembedding), kurtosis_rows=4)
    ids, _, kurtosis = plain(y, unembedding, 5)
    assert targets.ids.tolist() == ids
    torch.testing.assert_close(kurtosis_found, kurtosis[:4], rtol=1e-5, atol=0)


def test_the_best_targets_may_stand_together() -> None:
    """All of the best lie in a few groups, which hold more of them than are candidates."""
    unembedding = normal_tensor(4000, 8, dtype=torch.float32)
    y = normal_tensor(3, 8, seed=1)
    columns = Unembedding.from_tensor(unembedding)
    lead = unembedding[columns.token_ids].clone()
    lead[100:400] = (20 * y[0] / y[0].norm() + 0.01 * normal_tensor(300, 8, seed=2)).float()
    norms = lead.norm(dim=1)
    together = Unembedding(lead, lead, columns.token_ids, columns.row_of_token, norms, 0 * norms, lead.double().mean(0))
    targets, _ = find_highest_targets(y, 40, together)
    ids, _, _ = plain(y, lead[columns.row_of_token], 40)
    assert targets.ids.tolist() == ids


def test_a_row_of_zeros_lists_the_lowest_ids_and_has_no_kurtosis() -> None:
    columns = Unembedding.from_tensor(normal_tensor(300, 8, dtype=torch.float32))
    lists, kurtosis_found = find_highest_targets(torch.zeros(1, 8, dtype=torch.float64), 4, columns, kurtosis_rows=1)
    assert (lists.ids.tolist(), lists.scores.tolist()) == ([[0, 1, 2, 3]], [[0.0] * 4])
    assert kurtosis_found.isnan().tolist() == [True]


def test_kurtosis_is_the_population_one_by_row() -> None:
    # -1 1 -1 1: m4 / m2^2 = 1. 0 0 0 4: deviations -1 -1 -1 3, m2 = 12/4 = 3, m4 = 84/4 = 21, 21 / 9 = 7/3
    unembedding = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [1.0, 4.0]])
    _, kurtosis_found = find_highest_targets(
        torch.eye(2, dtype=torch.float64), 1, Unembedding.from_tensor(unembedding), kurtosis_rows=2
    )
    assert kurtosis_found.tolist() == pytest.approx([1.0, 7 / 3])
    assert kurtosis_found.dtype == torch.float64


@pytest.mark.parametrize("seed", range(5))
def test_lists_of_near_ties_are_those_of_float64(seed: int) -> None:
    y, unembedding, scores = near_ties(1e-7, seed)
    single = unembedding @ y[0].float()
    wanted = scores.argsort(descending=True)[:20]
    assert single.topk(20).indices.tolist() != wanted.tolist()
    columns = Unembedding.from_tensor(unembedding)
    targets = find_highest_targets(y, 20, columns)[0]
    assert targets.ids[0].tolist() == wanted.tolist()
    assert targets.scores[0].tolist() == pytest.approx(scores[wanted].tolist(), rel=1e-14)


def test_a_list_goes_by_lower_id_among_more_ties_than_it_has_room_for() -> None:
    unembedding = normal_tensor(100, 8, dtype=torch.float32)
    y = normal_tensor(1, 8, seed=1)
    best = unembedding[(y[0] @ unembedding.double().T).argmax()].clone()
    twins = torch.arange(2, 100, 3)
    unembedding[twins] = best
    columns = Unembedding.from_tensor(unembedding)
    assert find_highest_targets(y, 5, columns)[0].ids.tolist() == [[2, 5, 8, 11, 14]]


def test_a_list_is_no_longer_than_the_vocabulary() -> None:
    columns = Unembedding.from_tensor(normal_tensor(6, 4, dtype=torch.float32))
    y = normal_tensor(2, 4, seed=1)
    targets = find_highest_targets(y, 50, columns)[0]
    scores = torch.empty(2, 6, dtype=torch.float64)
    scores[:, columns.token_ids] = y @ columns.rows.double().T
    assert targets.ids.tolist() == scores.argsort(dim=1, descending=True).tolist()


def test_order_is_by_score_and_then_by_lower_id() -> None:
    scores = torch.tensor([1.0, 3.0, 2.0, 3.0 + 1e-13, 2.0], dtype=torch.float64)
    ids = torch.tensor([50, 40, 30, 20, 10])
    assert ids[sort_order(scores, ids, 1e-12)].tolist() == [20, 40, 10, 30, 50]
    assert sort_order(scores[:0], ids[:0], 0.0).tolist() == []
    assert ids[sort_order(scores, -ids, 1e-12)].tolist() == [40, 20, 30, 10, 50]


@pytest.mark.parametrize("length", [1e-42, 1e-20, 1e20, 1e42])
def test_lists_and_kurtosis_do_not_depend_on_the_length_of_a_row(length: float) -> None:
    unembedding = normal_tensor(2500, 16, dtype=torch.float32)
    y = normal_tensor(9, 16, seed=1)
    ids, scores, kurtosis = plain(y, unembedding, 5)
    targets, kurtosis_found = find_highest_targets(y * length, 5, Unembedding.from_tensor(unembedding), kurtosis_rows=9)
    assert targets.ids.tolist() == ids
    torch.testing.assert_close(targets.scores, scores * length, rtol=1e-12, atol=0)
    torch.testing.assert_close(kurtosis_found, kurtosis, rtol=1e-4, atol=0)
