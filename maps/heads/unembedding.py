"""U prepared for rank tests and for the search of the best targets, and how far float32 sums may be off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

UNIT_ROUNDOFF = 2.0**-24  # half the distance from 1 to the next float32
BLOCK = 1984  # columns of U a product


def fastest_dtype(device: torch.device) -> torch.dtype:
    """The precision of the fastest products of floating-point matrices that a device has."""
    known = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return torch.bfloat16 if known.get("avx512_bf16") or known.get("amx_bf16") else torch.float32


def gamma(terms: int) -> float:
    """Relative error of a float32 sum of that many products, in any order."""
    return terms * UNIT_ROUNDOFF / (1 - terms * UNIT_ROUNDOFF)


class Unembedding(NamedTuple):
    """U prepared for rank tests: its rows by falling distance from their mean, since those beat others soonest.

    They are kept in the precision of the checkpoint.
    """

    rows: Tensor  # (V, d)
    coarse_rows: Tensor  # (V, d) the same in the precision of the fastest products
    token_ids: Tensor  # (V,) token of each row
    row_of_token: Tensor  # (V,) row of each token
    norms: Tensor  # (V,) float32, of each row
    rounding_norms: Tensor  # (V,) float32, of what rounding left of each row: rows − coarse
    mean: Tensor  # (d,) float64

    @classmethod
    def from_tensor(cls, unembedding: Tensor) -> Unembedding:
        """Sorts U, (V, d)."""
        parts = unembedding.split(4 * BLOCK)
        mean = torch.stack([part.double().sum(0) for part in parts]).sum(0) / len(unembedding)
        centre = mean.float()
        ids = torch.cat([(part.float() - centre).norm(dim=1) for part in parts]).argsort(descending=True)
        place = torch.empty_like(ids)
        place[ids] = torch.arange(len(ids), device=ids.device)
        rows = unembedding[ids].contiguous()
        coarse = rows.to(fastest_dtype(rows.device))
        norms = torch.cat([part.float().norm(dim=1) for part in rows.split(BLOCK)])
        pairs = zip(rows.split(BLOCK), coarse.split(BLOCK), strict=True)
        off = torch.cat([(exact.float() - rounded.float()).norm(dim=1) for exact, rounded in pairs])
        return cls(rows, coarse, ids, place, norms, off, mean)

    @property
    def largest_norm(self) -> float:
        """The largest norm of a row."""
        return float(self.norms.max())

    def __len__(self) -> int:
        return len(self.rows)

    def rows_of_tokens(self, tokens: Tensor) -> Tensor:
        """The rows of some tokens as they are kept, (n, d)."""
        return self.rows[self.row_of_token[tokens]]

    def blocks(self, width: int, first_rows: int | None = None) -> Iterator[tuple[int, Tensor]]:
        """The first rows, or all, in float32, `width` at a time, each time with the first one's place."""
        rows = self.rows[:first_rows]
        for start in range(0, len(rows), width):
            yield start, rows[start : start + width].float()

    def score_error_bounds(self, y: Tensor) -> Tensor:
        """How far a float32 score of each row of y (n, d, float64) may be off, (n,)."""
        return 1.01 * y.norm(dim=1) * self.largest_norm * (gamma(y.shape[1] + 2) + 2 * UNIT_ROUNDOFF)

    def tie_tolerances(self, y: Tensor) -> Tensor:
        """Within how much two float64 scores of a row of y are a tie, (n,)."""
        return y.norm(dim=1) * self.largest_norm * (y.shape[1] + 2) * 2.0**-52
