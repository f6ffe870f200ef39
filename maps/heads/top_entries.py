"""The highest entries of M, over all pairs of tokens: what the paper sets beside a head's salient mappings.

Long rows of z and c are looked at first, so that a block of pairs is left out once no product of their lengths reaches
the entries found. Scores in float32; those that may be among the highest are redone in float64.
"""

from __future__ import annotations

import torch
from torch import Tensor

from maps.heads.circuit import HeadWeights
from maps.heads.sources import Sources
from maps.heads.top_targets import Targets, sort_order
from maps.heads.unembedding import UNIT_ROUNDOFF, Unembedding, gamma

BLOCK = 1024  # sources and targets a product: their scores stay in the processor's cache

TokenPair = tuple[int, int]


def mapping_overlap(sources: Tensor, targets: Targets, highest_pairs: list[TokenPair]) -> float | None:
    """Jaccard similarity of a head's salient mappings, sources (n,) with targets (n, t), with a set of pairs."""
    salient = {(s, t) for s, row in zip(sources.tolist(), targets.ids.tolist(), strict=True) for t in row}
    return len(salient & set(highest_pairs)) / len(salient | set(highest_pairs)) if salient else None


def find_highest_entries(
    sources: Sources, heads: HeadWeights, head: int, unembedding: Unembedding, wanted: int
) -> list[TokenPair]:
    """The `wanted` highest entries of M of one head as (source, target) ids, ties by lower ids; heads in float64."""
    value, output = heads.values[head // heads.group_size], heads.outputs[head]
    # Ranks of pairs don't depend on the lengths of W_V and W_O: at 1, float32 can square what they give.
    value, output = (weights / (torch.linalg.matrix_norm(weights) or 1.0) for weights in (value, output))
    read = torch.cat([block.double() @ value for _, block in sources.blocks()]).float()  # (V, d_h)
    read[sources.faint_ids] = 0  # what these write is too faint to be among the highest
    written = torch.cat([block.double() @ output.T for _, block in unembedding.blocks(4 * BLOCK)]).float()  # (V, d_h)
    longest = float(written.norm(dim=1).max())
    if not longest or not read.any():
        return [divmod(i, len(unembedding)) for i in range(min(wanted, len(sources) * len(unembedding)))]
    drift = float(sources.error_bounds.max()) * float(torch.linalg.matrix_norm(value, 2))
    slack = 1.01 * longest * (float(read.norm(dim=1).max()) * (gamma(read.shape[1] + 2) + 4 * UNIT_ROUNDOFF) + drift)
    rows, places = candidate_pairs(read, written, wanted, slack)
    (by_source, source), (by_place, target) = (each.unique(return_inverse=True) for each in (rows, places))
    z, c = sources.exact_rows(by_source) @ value, unembedding.rows[by_place].double() @ output.T
    scores, targets = torch.linalg.vecdot(z[source], c[target]), unembedding.token_ids[places]
    tie = 1e-13 * longest * float(z.norm(dim=1).max())
    order = sort_order(scores, rows * len(unembedding) + targets, tie)[:wanted]
    return list(zip(rows[order].tolist(), targets[order].tolist(), strict=True))


def candidate_pairs(read: Tensor, written: Tensor, wanted: int, slack: float) -> tuple[Tensor, Tensor]:
    """The pairs that may be among the `wanted` highest products of read (V, d_h) with written (V, d_h): places."""
    rows, columns = (x.norm(dim=1).argsort(descending=True) for x in (read, written))
    scores = read.new_empty(0)
    found = torch.zeros(2, 0, dtype=torch.long, device=read.device)
    floor = -torch.inf
    for right in columns.split(BLOCK):
        block = written[right].T.contiguous()
        width = float(written[right[0]].norm())
        for left in rows.split(BLOCK):
            if width * float(read[left[0]].norm()) + slack < floor:
                break
            product = read[left] @ block
            high = (product.amax(1) >= floor).nonzero()[:, 0]
            inside = product[high]
            at, to = (inside >= floor).nonzero().T
            scores = torch.cat([scores, inside[at, to]])
            found = torch.cat([found, torch.stack([left[high[at]], right[to]])], dim=1)
            if len(scores) > wanted:
                floor = float(scores.topk(wanted).values[-1]) - 2 * slack
                kept = scores >= floor
                scores, found = scores[kept], found[:, kept]
    return found[0], found[1]
