"""What lies between a head's write and the scores of targets: U alone, as in the paper, or more of the model.

    paper            scores = y Uᵀ                         y: what the head writes, (d,)
    final norm       scores = (y ⊙ g) Uᵀ                   g: the gain of the final norm
    target map       scores = (y B ⊙ g) Uᵀ                 B: from the stream after the layer to the final stream

Each is linear in y, so it is folded into the output weights of the heads, in float64, and every search stays the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class TargetSide:
    """What a layer's writes pass on the way to U; both parts are None in the paper's reading."""

    map: Tensor | None = None  # (d, d) float64
    gain: Tensor | None = None  # (d,) float64

    @property
    def is_plain(self) -> bool:
        return self.map is None and self.gain is None

    def apply(self, writes: Tensor) -> Tensor:
        """Writes (…, d) in float64, as U reads them."""
        writes = writes if self.map is None else writes @ self.map
        return writes if self.gain is None else writes * self.gain

    def pull_back(self, rows: Tensor) -> Tensor:
        """Rows of U (n, d) in float64 as a write meets them: y · pull_back(u) = apply(y) · u."""
        rows = rows if self.gain is None else rows * self.gain
        return rows if self.map is None else rows @ self.map.T


PAPER_TARGET_SIDE = TargetSide()
