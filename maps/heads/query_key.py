"""Which tokens a head attends to: the query-key circuit W_Q W_Kᵀ, read like W_V W_O with keys in place of U.

    score(s, t) = q_s · k_t,    q = x̃ W_Q,  k = x̃ W_K,    x̃ = √d ẽ / ‖ẽ‖

Rows ẽ are brought to length √d, as the norm in front of attention does (its gain apart). Positions are left out, since
rotary embeddings turn nothing at distance 0, and so are biases. Norms of queries and keys are applied, without their
epsilon. As everywhere, all tokens are scored in float32 and what its error leaves open is decided in float64.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor

from maps.heads.circuit import output_factors
from maps.heads.norm import scale_to_root_width
from maps.heads.rank_tests import count_true
from maps.heads.salient_tokens import SCREEN_ERROR_SHARE, confirm_highest
from maps.heads.sources import Sources
from maps.heads.top_targets import Targets


class QueryKeyWeights(NamedTuple):
    """W_Q and W_K of a layer's heads, and the gains of the norms of queries and keys.

    A gain is (d_h,) where each head has a norm of its own, (heads · d_h,) where all share one, None without a norm.
    """

    queries: Tensor  # (H, d, d_h)
    keys: Tensor  # (KV, d, d_h)
    query_gain: Tensor | None = None
    key_gain: Tensor | None = None

    @property
    def group_size(self) -> int:
        """How many heads share a key head."""
        return len(self.queries) // len(self.keys)

    def to(self, target: torch.dtype | torch.device) -> QueryKeyWeights:
        return QueryKeyWeights._make(None if tensor is None else tensor.to(target) for tensor in self)

    def compute_queries(self, rows: Tensor) -> Tensor:
        """q of every head for rows x̃, (n, d) to (n, H, d_h)."""
        return apply_head_norm(project_rows(rows, self.queries), self.query_gain)

    def compute_keys(self, rows: Tensor) -> Tensor:
        """k of every key head for rows x̃, (n, d) to (n, KV, d_h)."""
        return apply_head_norm(project_rows(rows, self.keys), self.key_gain)

    def transposed_key_weights(self) -> Tensor:
        """W_Kᵀ of every head with the gain of the keys' norm on it, (H, d_h, d): q W_Kᵀ is what a query looks for."""
        keys = self.keys
        if self.key_gain is not None:
            keys = keys * self.key_gain.view(-1, 1, keys.shape[2])
        return keys.transpose(1, 2).repeat_interleave(self.group_size, 0)


def project_rows(rows: Tensor, weights: Tensor) -> Tensor:
    """Rows (n, d) through the weights (heads, d, d_h) of all heads, (n, heads, d_h)."""
    return (rows @ weights.transpose(0, 1).flatten(1)).unflatten(1, (len(weights), -1))


def is_shared_norm(z: Tensor, gain: Tensor) -> bool:
    """Whether one norm covers all heads of a row of z (n, heads, d_h), instead of each head alone."""
    return gain.numel() != z.shape[2]


def apply_head_norm(z: Tensor, gain: Tensor | None) -> Tensor:
    """z (n, heads, d_h) divided by its root mean square, times the gain; unchanged without a gain."""
    if gain is None:
        return z
    squares = z.square().mean((1, 2) if is_shared_norm(z, gain) else 2, keepdim=True)
    return z / squares.where(squares > 0, 1).sqrt() * gain.view(-1, z.shape[2])


def lipschitz_bounds(z: Tensor, weights: Tensor, gain: Tensor | None) -> Tensor:
    """How far a query or key moves at most for each unit that its row x̃ moves, (n, heads).

    z (n, heads, d_h) are the vectors x̃ W before their norm. Without a norm the bound is ‖W‖. The norm makes
    g √m z / ‖z‖ of it, with m entries normed together. Two vectors a, b brought to length 1 differ by at most
    2 ‖a − b‖ / ‖a‖, which gives 2 √m max|g| ‖W‖ / ‖z‖.
    """
    lengths = torch.linalg.matrix_norm(weights)  # (heads,) Frobenius norms: no smaller than the spectral ones
    if gain is None:
        return lengths.expand(len(z), -1)
    size = z.shape[2]
    norms = z.norm(dim=2)
    if is_shared_norm(z, gain):
        size, lengths = z[0].numel(), lengths.norm()[None]
        norms = z.flatten(1).norm(dim=1, keepdim=True)
    return (2 * sqrt(size) * float(gain.abs().max()) * lengths / norms.clamp_min(1e-30)).expand(-1, z.shape[1])


class AttentionScreen(NamedTuple):
    """All tokens as keys and as queries in float32, and how far each may be off because its row of Ẽ is."""

    keys: Tensor  # (V, KV, d_h)
    key_error_bounds: Tensor  # (V, KV)
    saliency: Tensor  # (H, V) ‖q W_Kᵀ‖ / √d
    saliency_error_bounds: Tensor  # (H, V)


def screen_tokens(sources: Sources, weights: QueryKeyWeights) -> AttentionScreen:
    """Computes keys and saliency of every token; `weights` in float32."""
    factors, root = output_factors(weights.transposed_key_weights()), sqrt(weights.queries.shape[1])
    stretch = torch.linalg.matrix_norm(factors)  # (H,) ‖q F‖ is at most this times ‖q‖
    parts = []
    for start, block in sources.blocks():
        here = slice(start, start + len(block))
        norms = sources.norms[here].where(sources.norms[here] > 0, 1)
        rows = block * (root / norms)[:, None]
        # If ẽ moves by δ, x̃ moves by at most 2 √d ‖δ‖ / ‖ẽ‖; a query or key moves by its Lipschitz bound times that.
        moved = (2 * root * sources.error_bounds[here] / norms)[:, None]
        k, q = project_rows(rows, weights.keys), project_rows(rows, weights.queries)
        queries = apply_head_norm(q, weights.query_gain)
        saliency = torch.einsum("nhr,hrs->nhs", queries, factors).norm(dim=2) / root
        key_errors = moved * lipschitz_bounds(k, weights.keys, weights.key_gain)
        saliency_errors = moved * lipschitz_bounds(q, weights.queries, weights.query_gain) * stretch / root
        parts.append((apply_head_norm(k, weights.key_gain), key_errors, saliency, saliency_errors))
    keys, key_errors, saliency, saliency_errors = (torch.cat(blocks) for blocks in zip(*parts, strict=True))
    return AttentionScreen(keys, key_errors, saliency.T.contiguous(), saliency_errors.T.contiguous())


class QueryKeyCircuit:
    """The query-key circuits of a layer's heads: salient queries, and the keys that a query attends to most."""

    def __init__(self, sources: Sources, weights: QueryKeyWeights) -> None:
        self.sources, self.exact_weights = sources, weights.to(torch.float64)
        self.screen = screen_tokens(sources, weights.to(torch.float32))
        self.transposed_key_weights = self.exact_weights.transposed_key_weights()  # (H, d_h, d)
        self.largest_key_norms = self.screen.keys.norm(dim=2).amax(0)  # (KV,)

    def source_rows(self, ids: Tensor) -> Tensor:
        """x̃ of some tokens in float64, (n,) to (n, d)."""
        return scale_to_root_width(self.sources.exact_rows(ids))

    def salient_queries(self, head: int, wanted: int) -> tuple[Tensor, Tensor]:
        """The tokens of highest ‖q W_Kᵀ‖ / √d under a head: ids (n,) and values in float64 (n,)."""
        screen, error_bounds = self.screen.saliency[head], self.screen.saliency_error_bounds[head]
        root = sqrt(self.transposed_key_weights.shape[2])

        def exact_saliency(ids: Tensor) -> Tensor:
            queries = self.exact_weights.compute_queries(self.source_rows(ids))[:, head]
            return (queries @ self.transposed_key_weights[head]).norm(dim=1) / root

        return confirm_highest(screen, error_bounds, SCREEN_ERROR_SHARE * float(screen.max()), wanted, exact_saliency)

    def key_scores(self, queries: Tensor, head: int) -> Tensor:
        """Float32 scores of a head's queries q (n, d_h) on all keys, (n, V)."""
        return queries.float() @ self.screen.keys[:, head // self.exact_weights.group_size].T

    def top_keys(self, queries: Tensor, head: int, wanted: int) -> Targets:
        """The keys that a head's queries (n, d_h, float64) attend to most, by score, then lower id: (n, wanted)."""
        kv = head // self.exact_weights.group_size
        scores, lengths = self.key_scores(queries, head), queries.norm(dim=1).float()
        # Most of the rows that the loop needs, computed at once: `sources` keeps them.
        self.sources.exact_rows(scores.topk(min(2 * wanted, scores.shape[1]), dim=1).indices.unique())
        # A score q · k moves by at most ‖q‖ times what k moves by.
        key_errors, slack = self.screen.key_error_bounds[:, kv], SCREEN_ERROR_SHARE * float(self.largest_key_norms[kv])

        def best_keys(i: int) -> tuple[Tensor, Tensor]:
            def exact_scores(ids: Tensor) -> Tensor:
                return self.exact_keys(ids, kv) @ queries[i]

            return confirm_highest(scores[i], lengths[i] * key_errors, slack * float(lengths[i]), wanted, exact_scores)

        keys = [best_keys(i) for i in range(len(queries))]
        return Targets(*map(torch.stack, zip(*keys, strict=True)))

    def exact_keys(self, ids: Tensor, key_head: int) -> Tensor:
        """k of some tokens under a key head in float64, (n,) to (n, d_h)."""
        return self.exact_weights.compute_keys(self.source_rows(ids))[:, key_head]

    def attends_to_itself(self, tokens: Tensor, head: int, wanted: int) -> Tensor:
        """Which tokens (n,) have themselves among the `wanted` keys that they attend to most, (n,) bool.

        A token counts if fewer than `wanted` keys score strictly higher.
        """
        kv, rows = head // self.exact_weights.group_size, self.source_rows(tokens)
        queries = self.exact_weights.compute_queries(rows)[:, head]
        own = torch.linalg.vecdot(queries, self.exact_weights.compute_keys(rows)[:, kv])
        lengths = queries.norm(dim=1)
        largest_error = self.screen.key_error_bounds[:, kv].max() + SCREEN_ERROR_SHARE * self.largest_key_norms[kv]
        slack = lengths * float(largest_error)
        scores, high, low = self.key_scores(queries, head), (own + slack).float(), (own - slack).float()
        is_top = count_true(scores > low[:, None]) < wanted  # sure: even if all that may be higher are
        may_be_top = count_true(scores > high[:, None]) < wanted
        for i in (may_be_top & ~is_top).nonzero()[:, 0].tolist():
            last = self.top_keys(queries[i : i + 1], head, wanted).scores[0, -1]
            is_top[i] = own[i] >= last - 1e-12 * float(lengths[i] * self.largest_key_norms[kv])
        return is_top
