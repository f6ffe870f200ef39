"""U prepared for searches over all targets, and the bounds on how far float32 scores may be off.

A score is a sum of d products, y · u. In float32, added up in any order, it is off by at most γ_d ‖y‖ ‖u‖ with γ_n =
n r / (1 − n r) and r = 2⁻²⁴ the unit roundoff (the standard analysis, with Cauchy–Schwarz). What a search finds in
float32 within this bound is decided in float64, so the result is that of float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

UNIT_ROUNDOFF = 2.0**-24  # of float32: half the distance from 1 to the next number
BLOCK = 1984  # columns of U in one product (31 groups of 64)


def fastest_dtype(device: torch.device) -> torch.dtype:
    """The floating-point precision whose matrix products are fastest on this device."""
    capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return torch.bfloat16 if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else torch.float32


def gamma(terms: int) -> float:
    """γ_n: the largest relative error of a float32 sum of that many products, added up in any order."""
    return terms * UNIT_ROUNDOFF / (1 - terms * UNIT_ROUNDOFF)


class Unembedding(NamedTuple):
    """The rows of U, in the precision of the checkpoint, sorted by falling distance from their mean.

    The mean moves all scores of a row y alike: y · u_j = y · mean + y · (u_j − mean). So tokens far from the mean are
    the first to score very high or very low, and rank tests that begin with them can stop early.
    """

    rows: Tensor  # (V, d)
    coarse_rows: Tensor  # (V, d) the same rows in the fastest precision
    token_ids: Tensor  # (V,) the token of each row
    row_of_token: Tensor  # (V,) the row of each token
    norms: Tensor  # (V,) float32, of `rows`
    rounding_norms: Tensor  # (V,) float32: ‖rows − coarse_rows‖
    mean: Tensor  # (d,) float64

    @classmethod
    def from_tensor(cls, unembedding: Tensor) -> Unembedding:
        """Sorts U, (V, d) with row t the unembedding of token t."""
        parts = unembedding.split(4 * BLOCK)
        mean = torch.stack([part.double().sum(0) for part in parts]).sum(0) / len(unembedding)
        centre = mean.float()
        distances = torch.cat([(part.float() - centre).norm(dim=1) for part in parts])
        token_ids = distances.argsort(descending=True)
        row_of_token = torch.empty_like(token_ids)
        row_of_token[token_ids] = torch.arange(len(token_ids), device=token_ids.device)
        rows = unembedding[token_ids].contiguous()
        coarse_rows = rows.to(fastest_dtype(rows.device))
        norms = torch.cat([part.float().norm(dim=1) for part in rows.split(BLOCK)])
        blocks = zip(rows.split(BLOCK), coarse_rows.split(BLOCK), strict=True)
        rounding_norms = torch.cat([(exact.float() - coarse.float()).norm(dim=1) for exact, coarse in blocks])
        return cls(rows, coarse_rows, token_ids, row_of_token, norms, rounding_norms, mean)

    @property
    def largest_norm(self) -> float:
        """max ‖u‖ over all tokens."""
        return float(self.norms.max())

    def __len__(self) -> int:
        return len(self.rows)

    def rows_of_tokens(self, tokens: Tensor) -> Tensor:
        """The rows of some tokens, (n,) ids to (n, d), in the precision of the checkpoint."""
        return self.rows[self.row_of_token[tokens]]

    def blocks(self, width: int, first_rows: int | None = None) -> Iterator[tuple[int, Tensor]]:
        """All rows, or the first ones, in float32 as pairs (index of the first, rows), `width` rows at a time."""
        rows = self.rows[:first_rows]
        for start in range(0, len(rows), width):
            yield start, rows[start : start + width].float()

    def score_error_bounds(self, y: Tensor) -> Tensor:
        """How far a float32 score of each row of y (n, d, float64) may be off at most, (n,).

        γ_d is for the sum; the two terms more and 2 r are for rounding y and the limits that are compared with to
        float32; 1.01 is for products of errors and for the float32 norms.
        """
        return 1.01 * y.norm(dim=1) * self.largest_norm * (gamma(y.shape[1] + 2) + 2 * UNIT_ROUNDOFF)

    def tie_tolerances(self, y: Tensor) -> Tensor:
        """Two float64 scores of a row of y (n, d) that differ by no more than this are a tie, (n,).

        It is twice float64's own bound, γ_(d+2) with r = 2⁻⁵³: equal rows of U may get scores that far apart.
        """
        return y.norm(dim=1) * self.largest_norm * (y.shape[1] + 2) * 2.0**-52
