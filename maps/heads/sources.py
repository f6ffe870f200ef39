"""The rows of Ẽ: what every token looks like to the heads of a layer."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from maps.heads.first_mlp import ROWS, FirstMlp, first_mlp, first_mlp_exactly

SAMPLE = 256  # rows of Ẽ that are measured
FAINT = 1e-12  # length under which float32 loses digits of a row's squares (rows of tokens never trained)
KEPT = 1 << 28  # bytes of float64 rows of Ẽ that are kept


class Sources:
    """What heads of a layer read: the rows of Ẽ, in float32 for screening and in float64 where rows decide.

    Without `mlp`, Ẽ is E times `scale` (layer 0, whose attention comes before the first MLP); with it,
    Ẽ = MLP₀(norm(scale · E)). E is kept in the precision of the checkpoint. `off` (V,) says how far each float32
    row may be from the true one. The rows of the tokens `faint` are at length 1 in float32: what is screened
    with them depends on their direction alone.
    """

    def __init__(self, embedding: Tensor, mlp: FirstMlp | None = None, scale: float = 1.0) -> None:
        self.embedding = embedding  # (V, d)
        self.scale = scale
        self.mlp = mlp
        self.rows = embedding if mlp is None else self._through(mlp)  # (V, d); not scaled where it is E
        self._place = torch.full((len(embedding),), -1, device=embedding.device)
        self._exact = embedding.new_empty((0, embedding.shape[1]), dtype=torch.float64)
        self.faint, self._directions = self._place[:0], self._exact[:0].float()
        self.norms = torch.cat([x.norm(dim=1) for _, x in self.blocks()])  # (V,); 1 where faint
        self._find_faint()
        self.off = torch.zeros_like(self.norms) if mlp is None else self._off()

    def __len__(self) -> int:
        return len(self.embedding)

    def _through(self, mlp: FirstMlp) -> Tensor:
        """Ẽ in float32, a block at a time."""
        out = torch.empty(self.embedding.shape, device=self.embedding.device)
        for start in range(0, len(out), ROWS):
            out[start : start + ROWS] = first_mlp(self._scaled(self.embedding[start : start + ROWS].float()), mlp)
        return out

    def _find_faint(self) -> None:
        """Keeps the directions of rows that are too short for float32; rows of zeros stay what they are."""
        short = (self.norms < FAINT).nonzero()[:, 0]
        rows = self.exact(short)
        lengths = rows.norm(dim=1)
        some = lengths > 0
        self.faint, self._directions = short[some], (rows[some] / lengths[some, None]).float()
        self.norms[self.faint] = 1

    def _off(self) -> Tensor:
        """How far the float32 rows of Ẽ may be from the true ones: four times what some are.

        As a share of its length, but no less than what half of them are: a row may be what terms leave that cancel.
        """
        some = torch.arange(0, len(self), max(1, len(self) // SAMPLE), device=self.embedding.device)
        exact = self.exact(some)
        off, norms = (self.rows[some] - exact).norm(dim=1), exact.norm(dim=1)
        off, norms = (each.where(~torch.isin(some, self.faint), 0) for each in (off, norms))
        share = float((off / norms.where(norms > 0, 1)).max())
        return 4 * (self.norms * share).clamp_min(float(off.median())).index_fill(0, self.faint, share)

    def _scaled(self, rows: Tensor) -> Tensor:
        return rows if self.scale == 1 else rows * self.scale

    def blocks(self) -> Iterator[tuple[int, Tensor]]:
        """All rows of Ẽ in float32, some at a time, each time with the first one's token."""
        for start in range(0, len(self.rows), ROWS):
            block = self.rows[start : start + ROWS].float()
            block = block if self.mlp else self._scaled(block)
            faint = ((self.faint >= start) & (self.faint < start + len(block))).nonzero()[:, 0]
            yield (
                start,
                block.index_copy(0, self.faint[faint] - start, self._directions[faint]) if len(faint) else block,
            )

    def exact(self, ids: Tensor) -> Tensor:
        """Rows of Ẽ in float64, (n, d). What the first MLP makes of a token is computed once and kept."""
        if self.mlp is None:
            return self._scaled(self.embedding[ids].double())
        new = ids[self._place[ids] < 0].unique()
        if len(self._exact) + len(new) > max(len(ids), KEPT // (8 * self.embedding.shape[1])):
            self._place.fill_(-1)
            self._exact, new = self._exact[:0], ids.unique()
        if len(new):
            made = first_mlp_exactly(self._scaled(self.embedding[new].double()), self.mlp)
            self._place[new] = torch.arange(len(new), device=ids.device) + len(self._exact)
            self._exact = torch.cat([self._exact, made])
        return self._exact[self._place[ids]]
