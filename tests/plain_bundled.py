"""The bundled model by the plain formula in float64, one head at a time, with equal rows of E tied exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import silu

from maps.data import predefined_relations
from maps.heads.circuit import HeadWeights
from maps.heads.mlp import Mlp
from maps.heads.relation_scores import find_layer_hits
from maps.heads.salient_tokens import SalientCounts, find_salient_mappings
from maps.heads.top_targets import Targets
from maps.mapping.model import Model
from maps.weights.mlp_reader import read_mlp
from maps.weights.open import open_checkpoint

ROWS_AT_ONCE = 1024  # rows of M at once
SPARE_TARGETS = 64  # more than there are equal rows


@cache
def open_bundled_model() -> Model:
    return Model.open("smollm2")


@dataclass(frozen=True)
class DistinctRows:
    """The different rows of E and of Ẽ in float64, and which of them is every token's."""

    embedding: Tensor  # (n, d)
    through_mlp: Tensor  # (n, d): MLP₀(norm(E))
    row_of_token: Tensor  # (V,)
    repeated_rows: Tensor  # (m,) rows that several tokens have
    extra_counts: Tensor  # (m,) by how many more tokens than one


@cache
def distinct_rows() -> DistinctRows:
    """They are computed as the formula stands."""
    checkpoint = open_checkpoint("smollm2")
    e, which, counts = torch.unique(checkpoint.embedding().double(), dim=0, return_inverse=True, return_counts=True)
    mlp = read_mlp(checkpoint).to(torch.float64)
    assert isinstance(mlp, Mlp)
    assert mlp.gate is not None
    assert mlp.norm is not None
    parts = []
    for x in e.split(ROWS_AT_ONCE):
        x = x / (x.square().mean(1, keepdim=True) + mlp.norm.epsilon).sqrt() * mlp.norm.gain
        parts.append((silu(x @ mlp.gate.T) * (x @ mlp.up.T)) @ mlp.down.T)
    more = (counts > 1).nonzero()[:, 0]
    return DistinctRows(e, torch.cat(parts), which, more, counts[more] - 1)


@dataclass(frozen=True)
class PlainHead:
    """One head: M = Ẽ W_V W_O Eᵀ, tied embeddings, a few rows at a time."""

    read_rows: Tensor  # (n, d_h): Ẽ W_V of the different rows
    target_columns: Tensor  # (d_h, n): W_O u of the different rows
    sigma: Tensor  # (V,)

    @classmethod
    def from_weights(cls, heads: HeadWeights, layer: int, head: int) -> PlainHead:
        """From a layer's weights in float64."""
        value, output = heads.values[head // heads.group_size], heads.outputs[head]
        all_rows = distinct_rows()
        source = all_rows.through_mlp if layer else all_rows.embedding
        read = source @ value
        sigma = (read @ output).norm(dim=1) / source.norm(dim=1)
        return cls(read, output @ all_rows.embedding.T, sigma[all_rows.row_of_token])

    def hits(self, sources: Tensor, targets: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Which pairs' targets are among the k highest and the k lowest of their source's row, (n,) each."""
        different = distinct_rows()
        ids, which = sources.unique(return_inverse=True)
        top, bottom = torch.zeros_like(k, dtype=torch.bool), torch.zeros_like(k, dtype=torch.bool)
        for start in range(0, len(ids), ROWS_AT_ONCE):
            scores = self.read_rows[different.row_of_token[ids[start : start + ROWS_AT_ONCE]]] @ self.target_columns
            for pair in ((which >= start) & (which < start + ROWS_AT_ONCE)).nonzero()[:, 0].tolist():
                row = scores[which[pair] - start]
                own = row[different.row_of_token[targets[pair]]]
                several = row[different.repeated_rows]
                higher = (row > own).sum() + different.extra_counts[several > own].sum()
                lower = (row < own).sum() + different.extra_counts[several < own].sum()
                top[pair], bottom[pair] = higher < k[pair], lower < k[pair]
        return top, bottom

    def salient_tokens(self, count: int) -> Tensor:
        """The tokens of highest saliency, ties by lower id."""
        return self.sigma.sort(descending=True, stable=True).indices[:count]

    def top_targets(self, sources: Tensor, count: int) -> Targets:
        """The highest targets of some sources, ties by lower id."""
        different = distinct_rows()
        scores = (self.read_rows[different.row_of_token[sources]] @ self.target_columns)[:, different.row_of_token]
        near = scores.topk(count + SPARE_TARGETS, dim=1).indices.sort(dim=1).values
        best = scores.gather(1, near).sort(dim=1, descending=True, stable=True)
        return Targets(near.gather(1, best.indices)[:, :count], best.values[:, :count])

    def best_targets(self, sources: Tensor) -> Tensor:
        """Each source's best target, U's columns normalised: the lowest id among ties, (n,)."""
        different = distinct_rows()
        unit = self.target_columns / different.embedding.norm(dim=1)
        first = torch.full((len(different.embedding),), len(different.row_of_token))
        first = first.scatter_reduce(0, different.row_of_token, torch.arange(len(different.row_of_token)), "amin")
        parts = different.row_of_token[sources].split(ROWS_AT_ONCE)
        best = torch.cat([(self.read_rows[part] @ unit).argmax(1) for part in parts])
        return first[best]


def check_layer(layer: int, heads: range) -> int:
    """Compares the shipped code with the formula on some heads of a layer, whole sets; the number of hits."""
    model, ours = open_bundled_model(), open_bundled_model().layer(layer)
    sources, pairs, exact = ours.sources, model.usable_pairs(predefined_relations()), ours.exact_heads
    found = find_layer_hits(pairs, sources, exact, model.unembedding)
    wanted = SalientCounts(with_lowest_targets=True)
    mapped = find_salient_mappings(sources, ours.saliency, exact, exact, model.unembedding, wanted)
    assert mapped.lowest_targets is not None
    hits = 0
    for head in heads:
        plain = PlainHead.from_weights(exact, layer, head)
        top, bottom = plain.hits(pairs.sources, pairs.targets, pairs.k)
        assert torch.equal(found.top[head], top)
        assert torch.equal(found.bottom[head], bottom)
        salient = plain.salient_tokens(wanted.salient + wanted.heldout)
        assert mapped.sources[head].tolist() == salient.tolist()
        torch.testing.assert_close(mapped.saliency[head], plain.sigma[salient], rtol=1e-9, atol=0)
        targets = plain.top_targets(salient, wanted.targets)
        assert mapped.highest_targets.ids[head].tolist() == targets.ids.tolist()
        torch.testing.assert_close(mapped.highest_targets.scores[head], targets.scores, rtol=1e-9, atol=1e-9)
        lowest = replace(plain, read_rows=-plain.read_rows).top_targets(salient[: wanted.salient], wanted.targets)
        assert mapped.lowest_targets.ids[head].tolist() == lowest.ids.tolist()
        hits += int(top.sum() + bottom.sum())
    return hits
