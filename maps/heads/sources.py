"""What every token looks like to the heads of a layer: the rows of Ẽ, prepared for searches among all tokens.

In the paper's reading, layer 0 reads the embedding, Ẽ = E, and later layers what the first MLP makes of it, Ẽ =
MLP₀(norm(E)); other readings make other rows (`source_rows`). A search runs over float32 rows; how far these may be off
is estimated from a sample, and what a search finds within that is decided with float64 rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor

from maps.heads.source_rows import SourceRows

ERROR_SAMPLE_ROWS = 256  # rows that are computed in float64 to measure the error of float32
FAINT_NORM = 1e-12  # below this length the squares of a row's entries lose digits in float32 (tokens never trained)


class Sources:
    """The rows of Ẽ for one layer, in float32 (`blocks`) and in float64 (`exact_rows`).

    A row shorter than FAINT_NORM is replaced by its direction (length 1) in float32: a search with these rows must
    depend on directions alone. `faint_ids` are the tokens of these rows.
    """

    def __init__(self, rows: SourceRows) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return self.rows.vocabulary

    @cached_property
    def norms(self) -> Tensor:
        """‖ẽ‖ of every token, (V,); 1 for faint rows."""
        return self._lengths.index_fill(0, self.faint_ids, 1)

    @cached_property
    def faint_ids(self) -> Tensor:
        """The tokens of faint rows, (n,)."""
        return self._faint_rows[0]

    @cached_property
    def _lengths(self) -> Tensor:
        return torch.cat([self.rows.rows(tokens).norm(dim=1) for tokens in self.rows.blocks()])

    @cached_property
    def _faint_rows(self) -> tuple[Tensor, Tensor]:
        """The tokens of faint rows and their directions: (n,) and (n, d)."""
        short_ids = (self._lengths < FAINT_NORM).nonzero()[:, 0]
        rows = self.exact_rows(short_ids)
        lengths = rows.norm(dim=1)
        has_direction = lengths > 0
        return short_ids[has_direction], (rows[has_direction] / lengths[has_direction, None]).float()

    @cached_property
    def error_bounds(self) -> Tensor:
        """‖float32 row − exact row‖ is at most this for each token, (V,)."""
        return torch.zeros_like(self.norms) if self.rows.is_exact else self._estimate_error_bounds()

    def _estimate_error_bounds(self) -> Tensor:
        """How far each float32 row may be from the exact one, (V,): an estimate from a sample of tokens, not a proof.

        error bound = 4 × max(length × worst relative error of the sample, median absolute error of the sample)

        The second term is for rows in which large terms of the MLP cancel: a short row is then off by as much as a long
        one, far more than its own length suggests. Faint rows, which have length 1, get the worst relative error.
        """
        sample = torch.arange(0, len(self), max(1, len(self) // ERROR_SAMPLE_ROWS), device=self.rows.device)
        exact = self.exact_rows(sample)
        is_measured = ~torch.isin(sample, self.faint_ids)
        errors = (self.rows.rows(sample) - exact).norm(dim=1).where(is_measured, 0)
        norms = exact.norm(dim=1).where(is_measured, 0)
        worst_share = float((errors / norms.where(norms > 0, 1)).max())
        bounds = (self.norms * worst_share).clamp_min(float(errors.median()))
        return 4 * bounds.index_fill(0, self.faint_ids, worst_share)

    def blocks(self) -> Iterator[tuple[int, Tensor]]:
        """All rows of Ẽ in float32 as pairs (first token's id, rows), a few thousand rows at a time."""
        for tokens in self.rows.blocks():
            start, block = tokens.start, self.rows.rows(tokens)
            faint = ((self.faint_ids >= start) & (self.faint_ids < tokens.stop)).nonzero()[:, 0]
            if len(faint):
                block = block.index_copy(0, self.faint_ids[faint] - start, self._faint_rows[1][faint])
            yield start, block

    def exact_rows(self, ids: Tensor) -> Tensor:
        """Rows of Ẽ in float64, (n,) to (n, d)."""
        return self.rows.exact_rows(ids)
