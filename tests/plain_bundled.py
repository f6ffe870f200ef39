"""The bundled model by the plain formula in float64, one head at a time, with equal rows of E tied exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import silu

from maps.data import predefined
from maps.heads.circuit import Heads
from maps.heads.relation_scores import hits_of_layer
from maps.heads.salient_tokens import Wanted, salient_mappings
from maps.heads.top_targets import Targets
from maps.mapping.model import Model
from maps.weights import open_checkpoint

ROWS = 1024  # rows of M at once
SPARE = 64  # more than there are equal rows


@cache
def bundled() -> Model:
    """The bundled model, opened once."""
    return Model.open("smollm2")


@dataclass(frozen=True)
class Rows:
    """The different rows of E and of Ẽ in float64, and which of them is every token's."""

    embedding: Tensor  # (n, d)
    through: Tensor  # (n, d): MLP₀(norm(E))
    which: Tensor  # (V,)
    more: Tensor  # (m,) rows that several tokens have
    times: Tensor  # (m,) by how many more tokens than one


@cache
def rows() -> Rows:
    """They are computed as the formula stands."""
    checkpoint = open_checkpoint("smollm2")
    e, which, counts = torch.unique(checkpoint.embedding().double(), dim=0, return_inverse=True, return_counts=True)
    mlp = checkpoint.first_mlp().to(torch.float64)
    assert mlp.gate is not None
    assert mlp.norm is not None
    parts = []
    for x in e.split(ROWS):
        x = x / (x.square().mean(1, keepdim=True) + mlp.epsilon).sqrt() * mlp.norm
        parts.append((silu(x @ mlp.gate.T) * (x @ mlp.up.T)) @ mlp.down.T)
    more = (counts > 1).nonzero()[:, 0]
    return Rows(e, torch.cat(parts), which, more, counts[more] - 1)


@dataclass(frozen=True)
class PlainHead:
    """One head: M = Ẽ W_V W_O Eᵀ, tied embeddings, a few rows at a time."""

    read: Tensor  # (n, d_h): Ẽ W_V of the different rows
    columns: Tensor  # (d_h, n): W_O u of the different rows
    sigma: Tensor  # (V,)

    @classmethod
    def of(cls, heads: Heads, layer: int, head: int) -> PlainHead:
        """From a layer's weights in float64."""
        value, output = heads.values[head // heads.group], heads.outputs[head]
        all_rows = rows()
        source = all_rows.through if layer else all_rows.embedding
        read = source @ value
        sigma = (read @ output).norm(dim=1) / source.norm(dim=1)
        return cls(read, output @ all_rows.embedding.T, sigma[all_rows.which])

    def hits(self, sources: Tensor, targets: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Which pairs' targets are among the k highest and the k lowest of their source's row, (n,) each."""
        different = rows()
        ids, which = sources.unique(return_inverse=True)
        top, bottom = torch.zeros_like(k, dtype=torch.bool), torch.zeros_like(k, dtype=torch.bool)
        for start in range(0, len(ids), ROWS):
            scores = self.read[different.which[ids[start : start + ROWS]]] @ self.columns
            for pair in ((which >= start) & (which < start + ROWS)).nonzero()[:, 0].tolist():
                row = scores[which[pair] - start]
                own = row[different.which[targets[pair]]]
                several = row[different.more]
                higher = (row > own).sum() + different.times[several > own].sum()
                lower = (row < own).sum() + different.times[several < own].sum()
                top[pair], bottom[pair] = higher < k[pair], lower < k[pair]
        return top, bottom

    def salient(self, count: int) -> Tensor:
        """The tokens of highest saliency, ties by lower id."""
        return self.sigma.sort(descending=True, stable=True).indices[:count]

    def targets(self, sources: Tensor, count: int) -> Targets:
        """The highest targets of some sources, ties by lower id."""
        different = rows()
        scores = (self.read[different.which[sources]] @ self.columns)[:, different.which]
        near = scores.topk(count + SPARE, dim=1).indices.sort(dim=1).values
        best = scores.gather(1, near).sort(dim=1, descending=True, stable=True)
        return Targets(near.gather(1, best.indices)[:, :count], best.values[:, :count])

    def best_of_all(self, sources: Tensor) -> Tensor:
        """Each source's best target, U's columns normalised: the lowest id among ties, (n,)."""
        different = rows()
        unit = self.columns / different.embedding.norm(dim=1)
        first = torch.full((len(different.embedding),), len(different.which))
        first = first.scatter_reduce(0, different.which, torch.arange(len(different.which)), "amin")
        parts = different.which[sources].split(ROWS)
        best = torch.cat([(self.read[part] @ unit).argmax(1) for part in parts])
        return first[best]


def check_layer(layer: int, heads: range) -> int:
    """Compares the shipped code with the formula on some heads of a layer, whole sets; the number of hits."""
    model, ours = bundled(), bundled().layer(layer)
    sources, pairs, exact = ours.sources, model.pairs(predefined()), ours.exact
    found = hits_of_layer(pairs, sources, exact, model.columns)
    wanted = Wanted(lowest=True)
    mapped = salient_mappings(sources, ours.sigma, exact, exact, model.columns, wanted)
    assert mapped.lowest is not None
    hits = 0
    for head in heads:
        plain = PlainHead.of(exact, layer, head)
        top, bottom = plain.hits(pairs.sources, pairs.targets, pairs.k)
        assert torch.equal(found.top[head], top)
        assert torch.equal(found.bottom[head], bottom)
        salient = plain.salient(wanted.first + wanted.further)
        assert mapped.sources[head].tolist() == salient.tolist()
        torch.testing.assert_close(mapped.saliency[head], plain.sigma[salient], rtol=1e-9, atol=0)
        targets = plain.targets(salient, wanted.targets)
        assert mapped.highest.ids[head].tolist() == targets.ids.tolist()
        torch.testing.assert_close(mapped.highest.scores[head], targets.scores, rtol=1e-9, atol=1e-9)
        lowest = replace(plain, read=-plain.read).targets(salient[: wanted.first], wanted.targets)
        assert mapped.lowest.ids[head].tolist() == lowest.ids.tolist()
        hits += int(top.sum() + bottom.sum())
    return hits
