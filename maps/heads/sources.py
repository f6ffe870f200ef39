"""The rows of Ẽ: what every token looks like to the heads of a layer.

Layer 0 reads the embedding, Ẽ = E. Later layers read what the first MLP makes of it, Ẽ = MLP₀(norm(E)). Every row
exists twice: in float32 for all tokens, to search among them, and in float64 for the few tokens on which a decision
depends. How far the float32 rows may be off is estimated from a sample and passed on to every search.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from maps.heads.first_mlp import ROWS, FirstMlp, apply_first_mlp, apply_first_mlp_float64

ERROR_SAMPLE_ROWS = 256  # rows of Ẽ that are computed in float64 to measure the error of float32
FAINT_NORM = 1e-12  # below this length the squares of a row's entries lose digits in float32 (tokens never trained)
EXACT_CACHE_BYTES = 1 << 28  # memory for float64 rows of Ẽ that are kept for later


class Sources:
    """The rows of Ẽ for one layer, in float32 (`blocks`) and in float64 (`exact_rows`).

    Without `mlp`, Ẽ = scale · E; with it, Ẽ = MLP₀(norm(scale · E)). E keeps the precision of the checkpoint. A row
    shorter than FAINT_NORM is replaced by its direction (length 1) in float32: a search with these rows must depend
    on directions alone. `faint_ids` are the tokens of these rows.
    """

    def __init__(self, embedding: Tensor, mlp: FirstMlp | None = None, scale: float = 1.0) -> None:
        self.embedding = embedding  # (V, d)
        self.scale = scale
        self.mlp = mlp
        self.rows = embedding if mlp is None else self._apply_mlp(mlp)  # (V, d); E itself is not scaled here
        self._cache_index = torch.full((len(embedding),), -1, device=embedding.device)  # (V,) place in the cache, or -1
        self._cached_rows = embedding.new_empty((0, embedding.shape[1]), dtype=torch.float64)
        self.faint_ids, self._faint_directions = self._cache_index[:0], self._cached_rows[:0].float()
        self.norms = torch.cat([rows.norm(dim=1) for _, rows in self.blocks()])  # (V,); 1 for faint rows
        self._find_faint_rows()
        # (V,): ‖float32 row − exact row‖ is at most this
        self.error_bounds = torch.zeros_like(self.norms) if mlp is None else self._estimate_error_bounds()

    def __len__(self) -> int:
        return len(self.embedding)

    def _apply_mlp(self, mlp: FirstMlp) -> Tensor:
        out = torch.empty(self.embedding.shape, device=self.embedding.device)
        for start in range(0, len(out), ROWS):
            rows = self._scale_rows(self.embedding[start : start + ROWS].float())
            out[start : start + ROWS] = apply_first_mlp(rows, mlp)
        return out

    def _find_faint_rows(self) -> None:
        short_ids = (self.norms < FAINT_NORM).nonzero()[:, 0]
        rows = self.exact_rows(short_ids)
        lengths = rows.norm(dim=1)
        has_direction = lengths > 0
        self.faint_ids = short_ids[has_direction]
        self._faint_directions = (rows[has_direction] / lengths[has_direction, None]).float()
        self.norms[self.faint_ids] = 1

    def _estimate_error_bounds(self) -> Tensor:
        """How far each float32 row may be from the exact one, (V,): an estimate from a sample of tokens, not a proof.

        error bound = 4 × max(length × worst relative error of the sample, median absolute error of the sample)

        The second term is for rows in which large terms of the MLP cancel: a short row is then off by as much as a long
        one, far more than its own length suggests. Faint rows, which have length 1, get the worst relative error.
        """
        sample = torch.arange(0, len(self), max(1, len(self) // ERROR_SAMPLE_ROWS), device=self.embedding.device)
        exact = self.exact_rows(sample)
        is_measured = ~torch.isin(sample, self.faint_ids)
        errors = (self.rows[sample] - exact).norm(dim=1).where(is_measured, 0)
        norms = exact.norm(dim=1).where(is_measured, 0)
        worst_share = float((errors / norms.where(norms > 0, 1)).max())
        bounds = (self.norms * worst_share).clamp_min(float(errors.median()))
        return 4 * bounds.index_fill(0, self.faint_ids, worst_share)

    def _scale_rows(self, rows: Tensor) -> Tensor:
        return rows if self.scale == 1 else rows * self.scale

    def blocks(self) -> Iterator[tuple[int, Tensor]]:
        """All rows of Ẽ in float32 as pairs (first token's id, rows), at most ROWS rows at a time."""
        for start in range(0, len(self.rows), ROWS):
            block = self.rows[start : start + ROWS].float()
            block = block if self.mlp else self._scale_rows(block)
            faint = ((self.faint_ids >= start) & (self.faint_ids < start + len(block))).nonzero()[:, 0]
            if len(faint):
                block = block.index_copy(0, self.faint_ids[faint] - start, self._faint_directions[faint])
            yield start, block

    def exact_rows(self, ids: Tensor) -> Tensor:
        """Rows of Ẽ in float64, (n,) to (n, d). Rows that the first MLP made are kept for the next call."""
        if self.mlp is None:
            return self._scale_rows(self.embedding[ids].double())
        new = ids[self._cache_index[ids] < 0].unique()
        if len(self._cached_rows) + len(new) > max(len(ids), EXACT_CACHE_BYTES // (8 * self.embedding.shape[1])):
            self._cache_index.fill_(-1)  # the cache is full: start again
            self._cached_rows, new = self._cached_rows[:0], ids.unique()
        if len(new):
            rows = apply_first_mlp_float64(self._scale_rows(self.embedding[new].double()), self.mlp)
            self._cache_index[new] = torch.arange(len(new), device=ids.device) + len(self._cached_rows)
            self._cached_rows = torch.cat([self._cached_rows, rows])
        return self._cached_rows[self._cache_index[ids]]
