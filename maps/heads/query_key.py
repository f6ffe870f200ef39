"""Which tokens a head attends to: W_Q W_Kᵀ read like W_V W_O, with keys in place of U.

Rows of Ẽ at length √d, x̃, stand for what the norm in front of attention gives (its gain apart). Positions are left out
(rotary turns nothing at distance 0), and so are biases; norms of queries and keys are applied, without their epsilon. A
score is q · k with q = x̃ W_Q and k = x̃ W_K. Screened in float32, decided in float64.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor

from maps.heads.circuit import output_factors
from maps.heads.rank_tests import count
from maps.heads.salient_tokens import SCREEN, confirmed
from maps.heads.sources import Sources
from maps.heads.top_targets import Targets


class Comparing(NamedTuple):
    """The weights by which a layer's heads compare: queries (H, d, d_h), keys (KV, d, d_h).

    The gains of norms that follow: (d_h,) where each head has a norm, (heads · d_h,) where all share one, else None.
    """

    queries: Tensor
    keys: Tensor
    query_gain: Tensor | None = None
    key_gain: Tensor | None = None

    @property
    def group(self) -> int:
        """How many heads share a key head."""
        return len(self.queries) // len(self.keys)

    def to(self, where: torch.dtype | torch.device) -> Comparing:
        """The same in another precision, or on another device."""
        gains = (None if gain is None else gain.to(where) for gain in (self.query_gain, self.key_gain))
        return Comparing(self.queries.to(where), self.keys.to(where), *gains)

    def asked(self, rows: Tensor) -> Tensor:
        """q of every head for rows x̃, (n, d) to (n, H, d_h)."""
        return normed(projected(rows, self.queries), self.query_gain)

    def answered(self, rows: Tensor) -> Tensor:
        """k of every key head for rows x̃, (n, d) to (n, KV, d_h)."""
        return normed(projected(rows, self.keys), self.key_gain)

    def looked_for(self) -> Tensor:
        """W_Kᵀ of every head, the gain of the keys' norm on it: (H, d_h, d). q W_Kᵀ is what a query looks for."""
        keys = self.keys
        if self.key_gain is not None:
            keys = keys * self.key_gain.view(-1, 1, keys.shape[2])
        return keys.transpose(1, 2).repeat_interleave(self.group, 0)


def projected(rows: Tensor, weights: Tensor) -> Tensor:
    """Rows (n, d) through the weights (heads, d, d_h) of all heads, (n, heads, d_h)."""
    return (rows @ weights.transpose(0, 1).flatten(1)).unflatten(1, (len(weights), -1))


def normed(z: Tensor, gain: Tensor | None) -> Tensor:
    """z (n, heads, d_h) at a root mean square of 1, times the gain: head by head, or all heads of a row together."""
    if gain is None:
        return z
    together = gain.numel() != z.shape[2]
    squares = z.square().mean((1, 2) if together else 2, keepdim=True)
    return z / squares.where(squares > 0, 1).sqrt() * gain.view(-1, z.shape[2])


def at_length(rows: Tensor) -> Tensor:
    """Rows (n, d) at length √d; those of zeros stay."""
    norms = rows.norm(dim=1, keepdim=True)
    return rows * (sqrt(rows.shape[1]) / norms.where(norms > 0, 1))


def reach(z: Tensor, weights: Tensor, gain: Tensor | None) -> Tensor:
    """How far z (n, heads, d_h), before a norm, moves after it for each unit that its row x̃ moves: (n, heads)."""
    lengths = torch.linalg.matrix_norm(weights)  # (heads,) no smaller than what they stretch by
    if gain is None:
        return lengths.expand(len(z), -1)
    together = gain.numel() != z.shape[2]
    size, lengths = (z[0].numel(), lengths.norm()[None]) if together else (z.shape[2], lengths)
    norms = (z.flatten(1).norm(dim=1, keepdim=True) if together else z.norm(dim=2)).clamp_min(1e-30)
    return (2 * sqrt(size) * float(gain.abs().max()) * lengths / norms).expand(-1, z.shape[1])


class Screen(NamedTuple):
    """All tokens as keys and queries in float32, and how far each may be off because of its row of Ẽ."""

    keys: Tensor  # (V, KV, d_h)
    key_drift: Tensor  # (V, KV)
    saliency: Tensor  # (H, V) ‖q W_Kᵀ‖ / √d
    saliency_drift: Tensor  # (H, V)


def screened(sources: Sources, comparing: Comparing) -> Screen:
    """Looks at every token, `comparing` in float32."""
    factors, root = output_factors(comparing.looked_for()), sqrt(comparing.queries.shape[1])
    stretch = torch.linalg.matrix_norm(factors)
    parts = []
    for start, block in sources.blocks():
        here = slice(start, start + len(block))
        norms = sources.norms[here].where(sources.norms[here] > 0, 1)
        rows = block * (root / norms)[:, None]
        moved = (2 * root * sources.off[here] / norms)[:, None]
        k, q = (projected(rows, each) for each in (comparing.keys, comparing.queries))
        asked = normed(q, comparing.query_gain)
        saliency = torch.einsum("nhr,hrs->nhs", asked, factors).norm(dim=2) / root
        parts.append(
            (
                normed(k, comparing.key_gain),
                moved * reach(k, comparing.keys, comparing.key_gain),
                saliency,
                moved * reach(q, comparing.queries, comparing.query_gain) * stretch / root,
            )
        )
    keys, key_drift, saliency, saliency_drift = (torch.cat(each) for each in zip(*parts, strict=True))
    return Screen(keys, key_drift, saliency.T.contiguous(), saliency_drift.T.contiguous())


class Attending:
    """A layer's heads and what they read: salient queries, and the keys that a query attends to most."""

    def __init__(self, sources: Sources, comparing: Comparing) -> None:
        self.sources, self.exact = sources, comparing.to(torch.float64)
        self.screen = screened(sources, comparing.to(torch.float32))
        self.looked_for = self.exact.looked_for()
        self.longest = self.screen.keys.norm(dim=2).amax(0)  # (KV,)

    def rows(self, ids: Tensor) -> Tensor:
        """x̃ of some tokens in float64, (n, d)."""
        return at_length(self.sources.exact(ids))

    def salient(self, head: int, wanted: int) -> tuple[Tensor, Tensor]:
        """The tokens of highest ‖q W_Kᵀ‖ / √d under a head: ids (n,) and values in float64 (n,)."""
        screen, drift = self.screen.saliency[head], self.screen.saliency_drift[head]
        root = sqrt(self.looked_for.shape[2])

        def exactly(ids: Tensor) -> Tensor:
            return (self.exact.asked(self.rows(ids))[:, head] @ self.looked_for[head]).norm(dim=1) / root

        return confirmed(screen, drift, SCREEN * float(screen.max()), wanted, exactly)

    def scores(self, asked: Tensor, head: int) -> Tensor:
        """The scores of queries q (n, d_h) of a head with all keys in float32, (n, V)."""
        return asked.float() @ self.screen.keys[:, head // self.exact.group].T

    def keys(self, asked: Tensor, head: int, wanted: int) -> Targets:
        """The keys that queries q (n, d_h, float64) of a head attend to most, by score, then lower id: (n, wanted)."""
        kv = head // self.exact.group
        scores, lengths = self.scores(asked, head), asked.norm(dim=1).float()
        self.sources.exact(scores.topk(min(2 * wanted, scores.shape[1]), dim=1).indices.unique())  # they are kept
        drift, slack = self.screen.key_drift[:, kv], SCREEN * float(self.longest[kv])

        def best(i: int) -> tuple[Tensor, Tensor]:
            length = lengths[i]
            return confirmed(
                scores[i], length * drift, slack * float(length), wanted, lambda ids: self.answers(ids, kv) @ asked[i]
            )

        return Targets(*(torch.stack(each) for each in zip(*map(best, range(len(asked))), strict=True)))

    def answers(self, ids: Tensor, kv: int) -> Tensor:
        """k of some tokens under a key head in float64, (n, d_h)."""
        return self.exact.answered(self.rows(ids))[:, kv]

    def own_among(self, tokens: Tensor, head: int, wanted: int) -> Tensor:
        """Which tokens (n,) have themselves among the `wanted` keys that they attend to most, (n,) bool.

        A token counts where fewer than `wanted` keys score strictly higher.
        """
        kv, rows = head // self.exact.group, self.rows(tokens)
        asked = self.exact.asked(rows)[:, head]
        own = torch.linalg.vecdot(asked, self.exact.answered(rows)[:, kv])
        lengths = asked.norm(dim=1)
        slack = lengths * float(self.screen.key_drift[:, kv].max() + SCREEN * self.longest[kv])
        scores, high, low = self.scores(asked, head), (own + slack).float(), (own - slack).float()
        surely, maybe = (count(scores > each[:, None]) < wanted for each in (low, high))
        for i in (maybe & ~surely).nonzero()[:, 0].tolist():
            last = self.keys(asked[i : i + 1], head, wanted).scores[0, -1]
            surely[i] = own[i] >= last - 1e-12 * float(lengths[i] * self.longest[kv])
        return surely
