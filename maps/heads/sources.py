"""The rows of Ẽ: what every token looks like to the heads of a layer."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from maps.heads.first_mlp import ROWS, FirstMlp, apply_first_mlp, apply_first_mlp_float64

ERROR_SAMPLE_ROWS = 256  # rows of Ẽ that are measured
FAINT_NORM = 1e-12  # length under which float32 loses digits of a row's squares (rows of tokens never trained)
EXACT_CACHE_BYTES = 1 << 28  # bytes of float64 rows of Ẽ that are kept


class Sources:
    """What heads of a layer read: the rows of Ẽ, in float32 for screening and in float64 where rows decide.

    Without `mlp`, Ẽ is E times `scale` (layer 0, whose attention comes before the first MLP); with it,
    Ẽ = MLP₀(norm(scale · E)). E is kept in the precision of the checkpoint. `error_bounds` (V,) says how far each float32
    row may be from the true one. The rows of the tokens `faint_ids` are at length 1 in float32: what is screened
    with them depends on their direction alone.
    """

    def __init__(self, embedding: Tensor, mlp: FirstMlp | None = None, scale: float = 1.0) -> None:
        self.embedding = embedding  # (V, d)
        self.scale = scale
        self.mlp = mlp
        self.rows = embedding if mlp is None else self._apply_mlp(mlp)  # (V, d); not scaled where it is E
        self._cache_index = torch.full((len(embedding),), -1, device=embedding.device)
        self._cached_rows = embedding.new_empty((0, embedding.shape[1]), dtype=torch.float64)
        self.faint_ids, self._faint_directions = self._cache_index[:0], self._cached_rows[:0].float()
        self.norms = torch.cat([x.norm(dim=1) for _, x in self.blocks()])  # (V,); 1 where faint
        self._find_faint_rows()
        self.error_bounds = torch.zeros_like(self.norms) if mlp is None else self._estimate_error_bounds()

    def __len__(self) -> int:
        return len(self.embedding)

    def _apply_mlp(self, mlp: FirstMlp) -> Tensor:
        """Ẽ in float32, a block at a time."""
        out = torch.empty(self.embedding.shape, device=self.embedding.device)
        for start in range(0, len(out), ROWS):
            out[start : start + ROWS] = apply_first_mlp(
                self._scale_rows(self.embedding[start : start + ROWS].float()), mlp
            )
        return out

    def _find_faint_rows(self) -> None:
        """Keeps the directions of rows that are too short for float32; rows of zeros stay what they are."""
        short = (self.norms < FAINT_NORM).nonzero()[:, 0]
        rows = self.exact_rows(short)
        lengths = rows.norm(dim=1)
        some = lengths > 0
        self.faint_ids, self._faint_directions = short[some], (rows[some] / lengths[some, None]).float()
        self.norms[self.faint_ids] = 1

    def _estimate_error_bounds(self) -> Tensor:
        """How far the float32 rows of Ẽ may be from the true ones: four times what some are.

        As a share of its length, but no less than what half of them are: a row may be what terms leave that cancel.
        """
        some = torch.arange(0, len(self), max(1, len(self) // ERROR_SAMPLE_ROWS), device=self.embedding.device)
        exact = self.exact_rows(some)
        off, norms = (self.rows[some] - exact).norm(dim=1), exact.norm(dim=1)
        off, norms = (each.where(~torch.isin(some, self.faint_ids), 0) for each in (off, norms))
        share = float((off / norms.where(norms > 0, 1)).max())
        return 4 * (self.norms * share).clamp_min(float(off.median())).index_fill(0, self.faint_ids, share)

    def _scale_rows(self, rows: Tensor) -> Tensor:
        return rows if self.scale == 1 else rows * self.scale

    def blocks(self) -> Iterator[tuple[int, Tensor]]:
        """All rows of Ẽ in float32, some at a time, each time with the first one's token."""
        for start in range(0, len(self.rows), ROWS):
            block = self.rows[start : start + ROWS].float()
            block = block if self.mlp else self._scale_rows(block)
            faint = ((self.faint_ids >= start) & (self.faint_ids < start + len(block))).nonzero()[:, 0]
            yield (
                start,
                block.index_copy(0, self.faint_ids[faint] - start, self._faint_directions[faint])
                if len(faint)
                else block,
            )

    def exact_rows(self, ids: Tensor) -> Tensor:
        """Rows of Ẽ in float64, (n, d). What the first MLP makes of a token is computed once and kept."""
        if self.mlp is None:
            return self._scale_rows(self.embedding[ids].double())
        new = ids[self._cache_index[ids] < 0].unique()
        if len(self._cached_rows) + len(new) > max(len(ids), EXACT_CACHE_BYTES // (8 * self.embedding.shape[1])):
            self._cache_index.fill_(-1)
            self._cached_rows, new = self._cached_rows[:0], ids.unique()
        if len(new):
            made = apply_first_mlp_float64(self._scale_rows(self.embedding[new].double()), self.mlp)
            self._cache_index[new] = torch.arange(len(new), device=ids.device) + len(self._cached_rows)
            self._cached_rows = torch.cat([self._cached_rows, made])
        return self._cached_rows[self._cache_index[ids]]
