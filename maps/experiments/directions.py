"""Several operations a head: its OV map split into singular directions, each with what it maps to what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import torch
from torch import Tensor

from maps.atlas.schema import HEAD_COLUMNS, Row
from maps.experiments.layer_runs import (
    ExperimentTables,
    LayerExperiment,
    Progress,
    TableRows,
    no_progress_bar,
    round_to_five_digits,
    select_heads,
)
from maps.heads.circuit import HeadWeights
from maps.heads.salient_tokens import find_salient_tokens, head_gains
from maps.heads.singular_directions import (
    DirectionAssignment,
    DirectionEnds,
    assign_directions,
    count_directions_for_share,
    direction_ends,
    orient_ends,
    output_shares,
    second_moment,
    singular_directions,
)
from maps.heads.sources import Sources
from maps.heads.unembedding import Unembedding
from maps.mapping.mapper import open_model
from maps.mapping.model import LayerWeights
from maps.mapping.settings import MappingSettings, select_layers
from maps.types import HeadId, check_at_least_one

TOKENS_SHOWN = 5  # sources and targets at either end of a direction
SALIENT_TOKENS = 30  # tokens that are sorted by direction
MIN_OPERATION_TOKENS = 5  # of these from which on an end of a direction counts as an operation
COVERED_SHARE = 0.9  # share that the directions of `directions_90` and `written_90` hold
END_NAMES = ("high", "low")
ID_LIST, STRING_LIST, NUMBER_LIST = pa.list_(pa.int32()), pa.list_(pa.string()), pa.list_(pa.float64())
SCHEMAS = {
    "directions": pa.schema(
        [
            *HEAD_COLUMNS,
            ("direction", pa.int32()),
            ("end", pa.string()),
            ("strength", pa.float64()),
            ("share", pa.float64()),
            ("written", pa.float64()),
            ("salient", pa.int32()),
            ("source_ids", ID_LIST),
            ("sources", STRING_LIST),
            ("cosines", NUMBER_LIST),
            ("target_ids", ID_LIST),
            ("targets", STRING_LIST),
        ]
    ),
    "direction_heads": pa.schema(
        [
            *HEAD_COLUMNS,
            ("directions_90", pa.int32()),
            ("written_90", pa.int32()),
            ("salient", pa.int32()),
            ("salient_share", pa.float64()),
            ("salient_elsewhere", pa.int32()),
            ("operations", pa.int32()),
            ("second", pa.int32()),
        ]
    ),
}


def evaluate_directions(
    model: str,
    out: Path,
    settings: MappingSettings,
    heads: Sequence[HeadId] = (),
    max_directions: int = 5,
    device: str = "cpu",
    progress: Progress = no_progress_bar,
) -> ExperimentTables:
    """Splits heads into their strongest `max_directions` directions and writes `directions.csv` and `direction_heads.csv`.

    `heads`: only these, else all of the settings' layers. Goes on where a run stopped.
    """
    check_at_least_one("directions", max_directions)
    loaded = open_model(model, settings, device)
    where = select_heads(loaded, select_layers(settings, loaded.shape.layers), heads)
    reading = {name: settings.as_json()[name] for name in ("first_mlp", "final_norm", "dtype", "layers")}
    asked = {**reading, "heads": [str(head) for head in heads], "directions": max_directions}
    loaded.checkpoint.check_files(where, settings.first_mlp)
    moments: dict[int, Tensor] = {}  # of what a layer reads: the same for all layers but the first

    def moment_of(sources: Sources) -> Tensor:
        if id(sources) not in moments:
            moments[id(sources)] = second_moment(sources)
        return moments[id(sources)]

    def make(layer: int) -> TableRows:
        weights = loaded.layer(layer)
        ids = [HeadId(layer, head) for head in where[layer]]
        found = list(split_heads(weights, ids, max_directions, moment_of(weights.sources), loaded.unembedding))
        return {
            "directions": [row for each in found for row in direction_rows(each, loaded.vocabulary.tokens)],
            "direction_heads": [head_row(each) for each in found],
        }

    return LayerExperiment("directions", loaded, asked, list(where), SCHEMAS).run(out, make, progress)


@dataclass(frozen=True)
class HeadDirections:
    """One head by its directions, r of them, and what lies at both ends of the n strongest."""

    head: HeadId
    strengths: Tensor  # (r,) σ
    shares: Tensor  # (r,) of Σσ²
    written_shares: Tensor  # (r,) of what the vocabulary writes
    ends: DirectionEnds  # of n
    salient_assignment: DirectionAssignment  # of the salient tokens

    def salient_counts(self) -> Tensor:
        """How many salient tokens belong to each end of each direction: (2, r), the high ends first."""
        flat = self.salient_assignment.direction + len(self.strengths) * (~self.salient_assignment.is_high_end)
        return flat.bincount(minlength=2 * len(self.strengths)).view(2, -1)


def split_heads(
    weights: LayerWeights, ids: Sequence[HeadId], max_directions: int, moment: Tensor, columns: Unembedding
) -> Iterator[HeadDirections]:
    """Heads of a layer by their directions, at most `max_directions` with their ends: only those that are not rounding."""
    exact, sources = weights.exact_heads, weights.sources
    heads = [each.head for each in ids]
    found = singular_directions(
        HeadWeights(exact.values[[head // exact.group_size for head in heads]], exact.outputs[heads])
    )
    counts = found.effective_ranks().clamp_max(max_directions).tolist()
    reads, writes = (
        torch.cat([rows[:n] for rows, n in zip(each, counts, strict=True)]) for each in (found.reads, found.writes)
    )
    gained = writes if weights.final_norm_gain is None else writes * weights.final_norm_gain
    both, flipped = orient_ends(direction_ends(sources, reads, gained, columns, TOKENS_SHOWN))
    written, limits = output_shares(found, moment), head_gains(exact).tolist()
    sources.exact_rows(
        weights.saliency[heads].topk(min(SALIENT_TOKENS, len(sources)), dim=1).indices.unique()
    )  # they are kept
    for i, (head, n) in enumerate(zip(ids, counts, strict=True)):
        own = slice(sum(counts[:i]), sum(counts[:i]) + n)
        tokens, _ = find_salient_tokens(
            sources, weights.saliency[head.head], exact, head.head, SALIENT_TOKENS, limits[head.head]
        )
        signs = torch.ones_like(found.strengths[i])
        signs[:n][flipped[own]] = -1
        salient = assign_directions(sources.exact_rows(tokens), signs[:, None] * found.reads[i], found.strengths[i])
        yield HeadDirections(head, found.strengths[i], found.shares[i], written[i], both.select(own), salient)


def direction_rows(head_directions: HeadDirections, tokens: Sequence[str]) -> list[Row]:
    """The rows of `evaluate_directions` of one head: both ends of each of the strongest."""
    counts, rows = head_directions.salient_counts(), []
    for i in range(head_directions.ends.sources.shape[1]):
        for end, name in enumerate(END_NAMES):
            sources, targets = (
                head_directions.ends.sources[end, i].tolist(),
                head_directions.ends.targets.ids[end, i].tolist(),
            )
            row = {
                "direction": i + 1,
                "end": name,
                "strength": round_to_five_digits(float(head_directions.strengths[i])),
                "share": round_to_five_digits(float(head_directions.shares[i])),
                "written": round_to_five_digits(float(head_directions.written_shares[i])),
                "salient": int(counts[end, i]),
                "source_ids": sources,
                "sources": [tokens[s] for s in sources],
                "cosines": [round_to_five_digits(x) for x in head_directions.ends.cosines[end, i].tolist()],
                "target_ids": targets,
                "targets": [tokens[t] for t in targets],
            }
            rows.append({**head_directions.head._asdict(), **row})
    return rows


def head_row(head_directions: HeadDirections) -> Row:
    """The row of `direction_heads`."""
    counts, shown = head_directions.salient_counts(), head_directions.ends.sources.shape[1]
    largest = counts.flatten().sort(descending=True).values.tolist()
    return {
        **head_directions.head._asdict(),
        "directions_90": int(count_directions_for_share(head_directions.shares[None], COVERED_SHARE)[0]),
        "written_90": int(count_directions_for_share(head_directions.written_shares[None], COVERED_SHARE)[0]),
        "salient": len(head_directions.salient_assignment.share),
        "salient_share": round_to_five_digits(float(head_directions.salient_assignment.share.mean())),
        "salient_elsewhere": int(counts[:, shown:].sum()),
        "operations": sum(n >= MIN_OPERATION_TOKENS for n in largest),
        "second": largest[1],
    }
