"""Splits each head's OV map into singular directions, to find heads with several operations. Beyond the paper.

The mathematics is in `maps.heads.singular_directions`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from maps.atlas.schema import INTEGER, NUMBER, TEXT, Row, columns, table_by_head
from maps.experiments.layer_runs import ExperimentTables, TableRows, five_digits, open_heads, run_layers
from maps.experiments.results import INTEGERS, NUMBERS, TEXTS, ExperimentRun, pick_settings
from maps.heads import singular_directions
from maps.heads.circuit import HeadWeights
from maps.heads.salient_tokens import find_salient_tokens, head_gains
from maps.heads.unembedding import Unembedding
from maps.mapping.model import LayerWeights
from maps.types import HeadId, check_at_least_one

TOKENS_SHOWN = 5  # sources and targets at each end of a direction
SALIENT_TOKENS = 30  # a head's salient tokens, each assigned to one end of one direction
MIN_OPERATION_TOKENS = 5  # an end with at least so many of them counts as an operation
COVERED_SHARE = 0.9  # by the directions that `directions_90` and `written_90` count
END_NAMES = ("high", "low")
SCHEMAS = {
    "directions": table_by_head(
        *[("direction", INTEGER), ("end", TEXT), *columns(NUMBER, "strength", "share", "written")],
        *[("salient", INTEGER), ("source_ids", INTEGERS), ("sources", TEXTS), ("cosines", NUMBERS)],
        *[("target_ids", INTEGERS), ("targets", TEXTS)],
    ),
    "direction_heads": table_by_head(
        *[*columns(INTEGER, "directions_90", "written_90", "salient"), ("salient_share", NUMBER)],
        *columns(INTEGER, "salient_elsewhere", "operations", "second"),
    ),
}


def evaluate_directions(run: ExperimentRun, heads: Sequence[HeadId] = (), max_directions: int = 5) -> ExperimentTables:
    """Splits heads into their strongest `max_directions` directions; writes `directions.csv` and `direction_heads.csv`.

    `heads`: only these heads, or all heads of the settings' layers. Continues a stopped run.
    """
    check_at_least_one("directions", max_directions)
    opened, selected = open_heads(run, heads)
    asked = pick_settings(run.settings, ("reading", "calibration", "dtype", "layers"))
    asked |= {"heads": [str(head) for head in heads], "directions": max_directions}
    moments: dict[int, Tensor] = {}  # one for layer 0, one for all other layers, which read the same sources

    def compute_layer(layer: int) -> TableRows:
        weights, tokens = opened.layer(layer), opened.vocabulary.tokens
        key = id(weights.sources)
        if key not in moments:
            moments[key] = singular_directions.second_moment(weights.sources)
        ids = [HeadId(layer, head) for head in selected[layer]]
        split = list(split_heads(weights, ids, max_directions, moments[key], opened.unembedding))
        return {
            "directions": [row for each in split for row in direction_rows(each, tokens)],
            "direction_heads": [head_row(each) for each in split],
        }

    return run_layers("directions", run, opened, asked, list(selected), SCHEMAS, compute_layer)


@dataclass(frozen=True)
class HeadDirections:
    """A head's r singular directions, and the sources and targets at both ends of the n strongest ones."""

    head: HeadId
    strengths: Tensor  # (r,) σ
    shares: Tensor  # (r,) σ² / Σσ²
    written_shares: Tensor  # (r,) the direction's share of what all tokens write
    ends: singular_directions.DirectionEnds  # of the n strongest
    salient_assignment: singular_directions.DirectionAssignment  # of the salient tokens

    def salient_counts(self) -> Tensor:
        """How many salient tokens belong to each end of each direction: (2, r), the high ends first."""
        flat = self.salient_assignment.direction + len(self.strengths) * (~self.salient_assignment.is_high_end)
        return flat.bincount(minlength=2 * len(self.strengths)).view(2, -1)


def split_heads(
    weights: LayerWeights, ids: Sequence[HeadId], max_directions: int, moment: Tensor, unembedding: Unembedding
) -> Iterator[HeadDirections]:
    """The directions of some heads of a layer; ends for at most `max_directions` of them, without rounding noise."""
    exact, sources = weights.exact_heads, weights.sources
    heads = [each.head for each in ids]
    values = exact.values[[head // exact.group_size for head in heads]]
    directions = singular_directions.singular_directions(HeadWeights(values, exact.outputs[heads]))
    counts = directions.effective_ranks().clamp_max(max_directions).tolist()  # n of each head
    # The n directions of all heads are stacked, Σn rows, so that one pass over the vocabulary finds all their ends.
    reads = torch.cat([rows[:n] for rows, n in zip(directions.reads, counts, strict=True)])
    writes = torch.cat([rows[:n] for rows, n in zip(directions.writes, counts, strict=True)])
    read_by_targets = weights.target_side.apply(writes)
    ends, flipped = singular_directions.direction_ends(sources, reads, read_by_targets, unembedding, TOKENS_SHOWN)
    written, gains = singular_directions.output_shares(directions, moment), head_gains(exact).tolist()
    likely_salient = weights.saliency[heads].topk(min(SALIENT_TOKENS, len(sources)), dim=1).indices.unique()
    sources.exact_rows(likely_salient)  # computed for all heads at once; the sources keep them for the loop below
    start = 0
    for i, (head, n) in enumerate(zip(ids, counts, strict=True)):
        own, start = slice(start, start + n), start + n
        saliency, gain = weights.saliency[head.head], gains[head.head]
        tokens, _ = find_salient_tokens(sources, saliency, exact, head.head, SALIENT_TOKENS, gain)
        signs = torch.ones_like(directions.strengths[i])
        signs[:n][flipped[own]] = -1
        oriented = signs[:, None] * directions.reads[i]
        strengths, shares = directions.strengths[i], directions.shares[i]
        assignment = singular_directions.assign_directions(sources.exact_rows(tokens), oriented, strengths)
        yield HeadDirections(head, strengths, shares, written[i], ends.select(own), assignment)


def direction_rows(head: HeadDirections, tokens: Sequence[str]) -> list[Row]:
    """A head's rows of `directions`: both ends of each of the strongest directions."""
    counts, ends, rows = head.salient_counts(), head.ends, []
    for i in range(ends.sources.shape[1]):
        for end, name in enumerate(END_NAMES):
            sources, targets = ends.sources[end, i].tolist(), ends.targets[end, i].tolist()
            row = {
                **head.head._asdict(),
                "direction": i + 1,
                "end": name,
                "strength": five_digits(float(head.strengths[i])),
                "share": five_digits(float(head.shares[i])),
                "written": five_digits(float(head.written_shares[i])),
                "salient": int(counts[end, i]),
                "source_ids": sources,
                "sources": [tokens[s] for s in sources],
                "cosines": [five_digits(x) for x in ends.cosines[end, i].tolist()],
                "target_ids": targets,
                "targets": [tokens[t] for t in targets],
            }
            rows.append(row)
    return rows


def head_row(head: HeadDirections) -> Row:
    counts, shown = head.salient_counts(), head.ends.sources.shape[1]
    largest = counts.flatten().sort(descending=True).values.tolist()
    assigned, shares = head.salient_assignment.share, torch.stack([head.shares, head.written_shares])
    covering = singular_directions.count_directions_for_share(shares, COVERED_SHARE).tolist()
    return {
        **head.head._asdict(),
        "directions_90": covering[0],
        "written_90": covering[1],
        "salient": len(assigned),
        "salient_share": five_digits(float(assigned.mean())),
        "salient_elsewhere": int(counts[:, shown:].sum()),
        "operations": sum(n >= MIN_OPERATION_TOKENS for n in largest),
        "second": largest[1],
    }
