"""The plain method, as the authors' code goes about it: the reference that `map_speed.py` measures against.

For every head ẽ W_VO is formed at full width for every token, and every source goes through all of U. Written from the
paper's formulas, in the precision of what comes in: float32 to be timed, float64 to say who is right.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

ROWS_AT_ONCE = 2048  # sources that go through U at once


class FullWidthHead(NamedTuple):
    """What the plain method knows: Ẽ and U (V, d), a head's W_V (d, d_h) and W_O (d_h, d)."""

    sources: Tensor
    unembedding: Tensor
    value: Tensor
    output: Tensor

    def written_rows(self) -> Tensor:
        """ẽ W_VO of every token, (V, d)."""
        return self.sources @ (self.value @ self.output)


def relation_hits(head: FullWidthHead, sources: Tensor, targets: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    """Which pairs (n,) have their target among the k highest, and among the k lowest tokens of the source's row."""
    written, most = head.written_rows(), int(k.max())
    top, bottom = [], []
    for start in range(0, len(sources), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        scores = written[sources[part]] @ head.unembedding.T
        within = torch.arange(most) < k[part, None]
        top.append(((scores.topk(most, dim=1).indices == targets[part, None]) & within).any(1))
        lowest = scores.topk(most, dim=1, largest=False).indices
        bottom.append(((lowest == targets[part, None]) & within).any(1))
    return torch.cat(top), torch.cat(bottom)


class PlainMappings(NamedTuple):
    """A head's salient tokens (n,), their targets (n, t), skewness of σ and mean kurtosis of their rows."""

    tokens: Tensor
    targets: Tensor
    skewness: float
    kurtosis: float


def mappings(head: FullWidthHead, tokens: int = 30, targets: int = 5) -> PlainMappings:
    written = head.written_rows()
    sigma = written.norm(dim=1) / head.sources.norm(dim=1)
    x = sigma - sigma.mean()
    salient = sigma.topk(tokens).indices
    rows = written[salient] @ head.unembedding.T
    y = rows - rows.mean(1, keepdim=True)
    kurtosis = (y.pow(4).mean(1) / y.square().mean(1).square()).mean()
    skewness = x.pow(3).mean() / x.square().mean() ** 1.5
    return PlainMappings(salient, rows.topk(targets, dim=1).indices, float(skewness), float(kurtosis))


def best_targets(head: FullWidthHead, unit: Tensor, low_rank: bool) -> Tensor:
    """The best target of every source, (V,); `unit` (V, d) is U with its columns normalised.

    At full width, or through z = ẽ W_V and W_O U: the plain way for those who see the head's rank.
    """
    rows = head.sources @ head.value if low_rank else head.written_rows()
    columns = head.output @ unit.T if low_rank else unit.T
    return torch.cat([(part @ columns).argmax(1) for part in rows.split(ROWS_AT_ONCE)])
