"""What a block makes of a token in an average context, where nothing is known of the other tokens.

With x what the block reads at the token, and n₁ and n₂ the norms in front of attention and of the MLP:

    m  = x + Σ_h α_h n₁(x) W_V,h W_O,h + c        with attention as it is on average
    x' = m + s MLP(n₂(m))                         MLP(n₂(x)) where attention and MLP run in parallel

α_h is how much head h attends to the token itself, and c what attention adds whatever the token is. Both are fitted to
the running model (`maps calibrate`); everything else is the model's weights and, in s, its configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from maps.heads.mixture import Mixture
from maps.heads.mlp import Mlp
from maps.heads.norm import Norm


class AverageAttention(NamedTuple):
    """What a layer's attention does on average at a token that ends a prompt."""

    own: Tensor  # (H,) α: the share of each head's attention on the token itself
    constant: Tensor  # (d,) c


@dataclass(frozen=True, eq=False)
class AverageBlock:
    """The weights of a block, with its attention replaced by what it does on average."""

    norm: Norm | None  # in front of attention
    own: Tensor  # Σ_h α_h W_V,h W_O,h, (d, d)
    constant: Tensor  # c, (d,)
    mlp: Mlp | Mixture
    post_norm: Norm | None  # behind the MLP
    is_parallel: bool  # the MLP reads what attention reads
    mlp_scale: float = 1.0  # s

    def apply(self, rows: Tensor) -> Tensor:
        """From x to x', (n, d) both, in the precision of x."""
        after = self.add_attention(rows)
        added = self.mlp.apply(rows if self.is_parallel else after)
        added = added if self.post_norm is None else self.post_norm.apply(added)
        return after + (added if self.mlp_scale == 1 else added * self.mlp_scale)

    def add_attention(self, rows: Tensor) -> Tensor:
        """From x to m, (n, d) both."""
        read = rows if self.norm is None else self.norm.apply(rows)
        return rows + torch.addmm(self.constant.to(rows.dtype), read, self.own.to(rows.dtype))

    def find_unsure(self, rows: Tensor) -> Tensor | None:
        """Which rows x (n, d) may go to other experts in another precision, (n,) bool; None if there are no experts."""
        if isinstance(self.mlp, Mlp):
            return None
        return self.mlp.find_unsure(rows if self.is_parallel else self.add_attention(rows))
