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
from maps.heads.rank_tests import count_true
from maps.heads.salient_tokens import SCREEN_ERROR_SHARE, confirm_highest
from maps.heads.sources import Sources
from maps.heads.top_targets import Targets


class QueryKeyWeights(NamedTuple):
    """The weights by which a layer's heads compare: queries (H, d, d_h), keys (KV, d, d_h).

    The gains of norms that follow: (d_h,) where each head has a norm, (heads · d_h,) where all share one, else None.
    """

    queries: Tensor
    keys: Tensor
    query_gain: Tensor | None = None
    key_gain: Tensor | None = None

    @property
    def group_size(self) -> int:
        """How many heads share a key head."""
        return len(self.queries) // len(self.keys)

    def to(self, target: torch.dtype | torch.device) -> QueryKeyWeights:
        """The same in another precision, or on another device."""
        gains = (None if gain is None else gain.to(target) for gain in (self.query_gain, self.key_gain))
        return QueryKeyWeights(self.queries.to(target), self.keys.to(target), *gains)

    def compute_queries(self, rows: Tensor) -> Tensor:
        """q of every head for rows x̃, (n, d) to (n, H, d_h)."""
        return apply_head_norm(project_rows(rows, self.queries), self.query_gain)

    def compute_keys(self, rows: Tensor) -> Tensor:
        """k of every key head for rows x̃, (n, d) to (n, KV, d_h)."""
        return apply_head_norm(project_rows(rows, self.keys), self.key_gain)

    def transposed_key_weights(self) -> Tensor:
        """W_Kᵀ of every head, the gain of the keys' norm on it: (H, d_h, d). q W_Kᵀ is what a query looks for."""
        keys = self.keys
        if self.key_gain is not None:
            keys = keys * self.key_gain.view(-1, 1, keys.shape[2])
        return keys.transpose(1, 2).repeat_interleave(self.group_size, 0)


def project_rows(rows: Tensor, weights: Tensor) -> Tensor:
    """Rows (n, d) through the weights (heads, d, d_h) of all heads, (n, heads, d_h)."""
    return (rows @ weights.transpose(0, 1).flatten(1)).unflatten(1, (len(weights), -1))


def apply_head_norm(z: Tensor, gain: Tensor | None) -> Tensor:
    """z (n, heads, d_h) at a root mean square of 1, times the gain: head by head, or all heads of a row together."""
    if gain is None:
        return z
    together = gain.numel() != z.shape[2]
    squares = z.square().mean((1, 2) if together else 2, keepdim=True)
    return z / squares.where(squares > 0, 1).sqrt() * gain.view(-1, z.shape[2])


def scale_to_root_width(rows: Tensor) -> Tensor:
    """Rows (n, d) at length √d; those of zeros stay."""
    norms = rows.norm(dim=1, keepdim=True)
    return rows * (sqrt(rows.shape[1]) / norms.where(norms > 0, 1))


def lipschitz_bounds(z: Tensor, weights: Tensor, gain: Tensor | None) -> Tensor:
    """How far z (n, heads, d_h), before a norm, moves after it for each unit that its row x̃ moves: (n, heads)."""
    lengths = torch.linalg.matrix_norm(weights)  # (heads,) no smaller than what they stretch by
    if gain is None:
        return lengths.expand(len(z), -1)
    together = gain.numel() != z.shape[2]
    size, lengths = (z[0].numel(), lengths.norm()[None]) if together else (z.shape[2], lengths)
    norms = (z.flatten(1).norm(dim=1, keepdim=True) if together else z.norm(dim=2)).clamp_min(1e-30)
    return (2 * sqrt(size) * float(gain.abs().max()) * lengths / norms).expand(-1, z.shape[1])


class AttentionScreen(NamedTuple):
    """All tokens as keys and queries in float32, and how far each may be off because of its row of Ẽ."""

    keys: Tensor  # (V, KV, d_h)
    key_error_bounds: Tensor  # (V, KV)
    saliency: Tensor  # (H, V) ‖q W_Kᵀ‖ / √d
    saliency_error_bounds: Tensor  # (H, V)


def screen_tokens(sources: Sources, weights: QueryKeyWeights) -> AttentionScreen:
    """Looks at every token, `weights` in float32."""
    factors, root = output_factors(weights.transposed_key_weights()), sqrt(weights.queries.shape[1])
    stretch = torch.linalg.matrix_norm(factors)
    parts = []
    for start, block in sources.blocks():
        here = slice(start, start + len(block))
        norms = sources.norms[here].where(sources.norms[here] > 0, 1)
        rows = block * (root / norms)[:, None]
        moved = (2 * root * sources.error_bounds[here] / norms)[:, None]
        k, q = (project_rows(rows, each) for each in (weights.keys, weights.queries))
        asked = apply_head_norm(q, weights.query_gain)
        saliency = torch.einsum("nhr,hrs->nhs", asked, factors).norm(dim=2) / root
        parts.append(
            (
                apply_head_norm(k, weights.key_gain),
                moved * lipschitz_bounds(k, weights.keys, weights.key_gain),
                saliency,
                moved * lipschitz_bounds(q, weights.queries, weights.query_gain) * stretch / root,
            )
        )
    keys, key_drift, saliency, saliency_drift = (torch.cat(each) for each in zip(*parts, strict=True))
    return AttentionScreen(keys, key_drift, saliency.T.contiguous(), saliency_drift.T.contiguous())


class QueryKeyCircuit:
    """A layer's heads and what they read: salient queries, and the keys that a query attends to most."""

    def __init__(self, sources: Sources, weights: QueryKeyWeights) -> None:
        self.sources, self.exact_weights = sources, weights.to(torch.float64)
        self.screen = screen_tokens(sources, weights.to(torch.float32))
        self.transposed_key_weights = self.exact_weights.transposed_key_weights()
        self.largest_key_norms = self.screen.keys.norm(dim=2).amax(0)  # (KV,)

    def source_rows(self, ids: Tensor) -> Tensor:
        """x̃ of some tokens in float64, (n, d)."""
        return scale_to_root_width(self.sources.exact_rows(ids))

    def salient_queries(self, head: int, wanted: int) -> tuple[Tensor, Tensor]:
        """The tokens of highest ‖q W_Kᵀ‖ / √d under a head: ids (n,) and values in float64 (n,)."""
        screen, drift = self.screen.saliency[head], self.screen.saliency_error_bounds[head]
        root = sqrt(self.transposed_key_weights.shape[2])

        def exactly(ids: Tensor) -> Tensor:
            return (
                self.exact_weights.compute_queries(self.source_rows(ids))[:, head] @ self.transposed_key_weights[head]
            ).norm(dim=1) / root

        return confirm_highest(screen, drift, SCREEN_ERROR_SHARE * float(screen.max()), wanted, exactly)

    def key_scores(self, queries: Tensor, head: int) -> Tensor:
        """The scores of queries q (n, d_h) of a head with all keys in float32, (n, V)."""
        return queries.float() @ self.screen.keys[:, head // self.exact_weights.group_size].T

    def top_keys(self, queries: Tensor, head: int, wanted: int) -> Targets:
        """The keys that queries q (n, d_h, float64) of a head attend to most, by score, then lower id: (n, wanted)."""
        kv = head // self.exact_weights.group_size
        scores, lengths = self.key_scores(queries, head), queries.norm(dim=1).float()
        self.sources.exact_rows(scores.topk(min(2 * wanted, scores.shape[1]), dim=1).indices.unique())  # they are kept
        drift, slack = self.screen.key_error_bounds[:, kv], SCREEN_ERROR_SHARE * float(self.largest_key_norms[kv])

        def best(i: int) -> tuple[Tensor, Tensor]:
            length = lengths[i]
            return confirm_highest(
                scores[i],
                length * drift,
                slack * float(length),
                wanted,
                lambda ids: self.exact_keys(ids, kv) @ queries[i],
            )

        return Targets(*(torch.stack(each) for each in zip(*map(best, range(len(queries))), strict=True)))

    def exact_keys(self, ids: Tensor, key_head: int) -> Tensor:
        """k of some tokens under a key head in float64, (n, d_h)."""
        return self.exact_weights.compute_keys(self.source_rows(ids))[:, key_head]

    def attends_to_itself(self, tokens: Tensor, head: int, wanted: int) -> Tensor:
        """Which tokens (n,) have themselves among the `wanted` keys that they attend to most, (n,) bool.

        A token counts where fewer than `wanted` keys score strictly higher.
        """
        kv, rows = head // self.exact_weights.group_size, self.source_rows(tokens)
        asked = self.exact_weights.compute_queries(rows)[:, head]
        own = torch.linalg.vecdot(asked, self.exact_weights.compute_keys(rows)[:, kv])
        lengths = asked.norm(dim=1)
        slack = lengths * float(
            self.screen.key_error_bounds[:, kv].max() + SCREEN_ERROR_SHARE * self.largest_key_norms[kv]
        )
        scores, high, low = self.key_scores(asked, head), (own + slack).float(), (own - slack).float()
        surely, maybe = (count_true(scores > each[:, None]) < wanted for each in (low, high))
        for i in (maybe & ~surely).nonzero()[:, 0].tolist():
            last = self.top_keys(asked[i : i + 1], head, wanted).scores[0, -1]
            surely[i] = own[i] >= last - 1e-12 * float(lengths[i] * self.largest_key_norms[kv])
        return surely
