"""The highest entries of M over all pairs of tokens, which the paper compares with a head's salient mappings.

An entry is z_s · c_t with z = ẽ W_V and c = W_O u, so it is at most ‖z_s‖ ‖c_t‖. Both lists are sorted by falling
length and scored in blocks, the longest first. Once the product of the longest lengths of a block is below the lowest
of the `wanted` entries found so far, the block and all after it can be left out. Scores are in float32; those that
may be among the highest, given its error, are computed again in float64.
"""

from __future__ import annotations

import torch
from torch import Tensor

from maps.heads.circuit import HeadWeights
from maps.heads.sources import Sources
from maps.heads.top_targets import Targets, sort_order
from maps.heads.unembedding import UNIT_ROUNDOFF, Unembedding, gamma

BLOCK = 1024  # sources, and targets, in one product: their scores stay in the processor's cache

TokenPair = tuple[int, int]


def mapping_overlap(sources: Tensor, targets: Targets, highest_pairs: list[TokenPair]) -> float | None:
    """Jaccard similarity |A ∩ B| / |A ∪ B| of a head's salient mappings with the highest entries; None without
    mappings.

    `sources` (n,) are ids of the salient tokens, `targets` (n, t) theirs.
    """
    salient = {(s, t) for s, row in zip(sources.tolist(), targets.ids.tolist(), strict=True) for t in row}
    return len(salient & set(highest_pairs)) / len(salient | set(highest_pairs)) if salient else None


def find_highest_entries(
    sources: Sources, heads: HeadWeights, head: int, unembedding: Unembedding, wanted: int
) -> list[TokenPair]:
    """The `wanted` highest entries of one head's M as (source, target) ids, ties by lower ids; `heads` in float64."""
    value, output = heads.values[head // heads.group_size], heads.outputs[head]
    # The lengths of W_V and W_O change no rank. At length 1, float32 can square what they give.
    value = value / (torch.linalg.matrix_norm(value) or 1.0)
    output = output / (torch.linalg.matrix_norm(output) or 1.0)
    z = torch.cat([rows.double() @ value for _, rows in sources.blocks()]).float()  # (V, d_h)
    z[sources.faint_ids] = 0  # these rows are shown at length 1; in truth they are too short for a high score
    c = torch.cat([rows.double() @ output.T for _, rows in unembedding.blocks(4 * BLOCK)]).float()  # (V, d_h)
    longest = float(c.norm(dim=1).max())
    if not longest or not z.any():  # all entries are 0: the first pairs
        return [divmod(i, len(unembedding)) for i in range(min(wanted, len(sources) * len(unembedding)))]
    # How far a float32 entry may be off: γ of a sum of d_h products, with r = 2⁻²⁴ for rounding z, for rounding c, and
    # two to spare; and what an error δ in a row of Ẽ moves z by, at most ‖W_V‖ ‖δ‖ (spectral norm), times ‖c‖.
    row_error = float(sources.error_bounds.max()) * float(torch.linalg.matrix_norm(value, 2))
    slack = 1.01 * longest * (float(z.norm(dim=1).max()) * (gamma(z.shape[1] + 2) + 4 * UNIT_ROUNDOFF) + row_error)
    rows, columns = candidate_pairs(z, c, wanted, slack)
    source_ids, source_index = rows.unique(return_inverse=True)
    column_ids, column_index = columns.unique(return_inverse=True)
    exact_z = sources.exact_rows(source_ids) @ value
    exact_c = unembedding.rows[column_ids].double() @ output.T
    scores, targets = torch.linalg.vecdot(exact_z[source_index], exact_c[column_index]), unembedding.token_ids[columns]
    tie = 1e-13 * longest * float(exact_z.norm(dim=1).max())
    order = sort_order(scores, rows * len(unembedding) + targets, tie)[:wanted]
    return list(zip(rows[order].tolist(), targets[order].tolist(), strict=True))


def candidate_pairs(z: Tensor, c: Tensor, wanted: int, slack: float) -> tuple[Tensor, Tensor]:
    """The rows of z (V, d_h) and of c (V, d_h) whose products may be among the `wanted` highest, (n,) each.

    `slack` is how far a float32 product may be off. With the `wanted` highest so far at `lowest` or above, a pair can
    only be among the true highest if its float32 product reaches lowest − 2 · slack: both may be off.
    """
    rows_by_length = z.norm(dim=1).argsort(descending=True)
    columns_by_length = c.norm(dim=1).argsort(descending=True)
    scores = z.new_empty(0)
    pairs = torch.zeros(2, 0, dtype=torch.long, device=z.device)
    floor = -torch.inf
    for columns in columns_by_length.split(BLOCK):
        block = c[columns].T.contiguous()
        longest_column = float(c[columns[0]].norm())
        for rows in rows_by_length.split(BLOCK):
            if longest_column * float(z[rows[0]].norm()) + slack < floor:
                break  # shorter rows follow
            products = z[rows] @ block
            high_rows = (products.amax(1) >= floor).nonzero()[:, 0]
            high_products = products[high_rows]
            row, column = (high_products >= floor).nonzero(as_tuple=True)
            scores = torch.cat([scores, high_products[row, column]])
            pairs = torch.cat([pairs, torch.stack([rows[high_rows[row]], columns[column]])], dim=1)
            if len(scores) > wanted:
                floor = float(scores.topk(wanted).values[-1]) - 2 * slack
                is_high = scores >= floor
                scores, pairs = scores[is_high], pairs[:, is_high]
    return pairs[0], pairs[1]
