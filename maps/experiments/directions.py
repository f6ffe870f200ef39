"""Several operations a head: its OV map split into singular directions, each with what it maps to what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import torch
from torch import Tensor

from maps.atlas.schema import HEAD, Row
from maps.experiments.layer_runs import Layered, Progress, Rows, Tables, chosen, digits, plainly
from maps.heads.circuit import Heads
from maps.heads.salient_tokens import gains, salient_tokens
from maps.heads.singular_directions import (
    Belonging,
    Ends,
    belonging,
    directions_of,
    ends,
    fewest,
    second_moment,
    upright,
    written_shares,
)
from maps.heads.sources import Sources
from maps.heads.unembedding import Columns
from maps.mapping.mapper import opened
from maps.mapping.model import Layer
from maps.mapping.settings import Settings, chosen_layers
from maps.types import HeadId, at_least_one

SHOWN = 5  # sources and targets at either end of a direction
SALIENT = 30  # tokens that are sorted by direction
SEVERAL = 5  # of these from which on an end of a direction counts as an operation
MOST = 0.9  # share that the directions of `directions_90` and `written_90` hold
ENDS = ("high", "low")
IDS, NAMES, NUMBERS = pa.list_(pa.int32()), pa.list_(pa.string()), pa.list_(pa.float64())
SCHEMAS = {
    "directions": pa.schema(
        [
            *HEAD,
            ("direction", pa.int32()),
            ("end", pa.string()),
            ("strength", pa.float64()),
            ("share", pa.float64()),
            ("written", pa.float64()),
            ("salient", pa.int32()),
            ("source_ids", IDS),
            ("sources", NAMES),
            ("cosines", NUMBERS),
            ("target_ids", IDS),
            ("targets", NAMES),
        ]
    ),
    "direction_heads": pa.schema(
        [
            *HEAD,
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


def directions(
    model: str,
    out: Path,
    settings: Settings,
    heads: Sequence[HeadId] = (),
    wanted: int = 5,
    device: str = "cpu",
    progress: Progress = plainly,
) -> Tables:
    """Splits heads into their strongest `wanted` directions and writes `directions.csv` and `direction_heads.csv`.

    `heads`: only these, else all of the settings' layers. Goes on where a run stopped.
    """
    at_least_one("directions", wanted)
    loaded = opened(model, settings, device)
    where = chosen(loaded, chosen_layers(settings, loaded.shape.layers), heads)
    reading = {name: settings.as_json()[name] for name in ("first_mlp", "final_norm", "dtype", "layers")}
    asked = {**reading, "heads": [str(head) for head in heads], "directions": wanted}
    loaded.checkpoint.require(where, settings.first_mlp)
    moments: dict[int, Tensor] = {}  # of what a layer reads: the same for all layers but the first

    def moment_of(sources: Sources) -> Tensor:
        if id(sources) not in moments:
            moments[id(sources)] = second_moment(sources)
        return moments[id(sources)]

    def make(layer: int) -> Rows:
        weights = loaded.layer(layer)
        ids = [HeadId(layer, head) for head in where[layer]]
        found = list(split(weights, ids, wanted, moment_of(weights.sources), loaded.columns))
        return {
            "directions": [row for each in found for row in direction_rows(each, loaded.vocabulary.tokens)],
            "direction_heads": [head_row(each) for each in found],
        }

    return Layered("directions", loaded, asked, list(where), SCHEMAS).run(out, make, progress)


@dataclass(frozen=True)
class Split:
    """One head by its directions, r of them, and what lies at both ends of the n strongest."""

    head: HeadId
    strengths: Tensor  # (r,) σ
    shares: Tensor  # (r,) of Σσ²
    written: Tensor  # (r,) of what the vocabulary writes
    ends: Ends  # of n
    salient: Belonging  # of the salient tokens

    def counts(self) -> Tensor:
        """How many salient tokens belong to each end of each direction: (2, r), the high ends first."""
        flat = self.salient.direction + len(self.strengths) * (~self.salient.high)
        return flat.bincount(minlength=2 * len(self.strengths)).view(2, -1)


def split(weights: Layer, ids: Sequence[HeadId], wanted: int, moment: Tensor, columns: Columns) -> Iterator[Split]:
    """Heads of a layer by their directions, at most `wanted` with their ends: only those that are not rounding."""
    exact, sources = weights.exact, weights.sources
    heads = [each.head for each in ids]
    found = directions_of(Heads(exact.values[[head // exact.group for head in heads]], exact.outputs[heads]))
    counts = found.counted().clamp_max(wanted).tolist()
    reads, writes = (
        torch.cat([rows[:n] for rows, n in zip(each, counts, strict=True)]) for each in (found.reads, found.writes)
    )
    gained = writes if weights.gain is None else writes * weights.gain
    both, flipped = upright(ends(sources, reads, gained, columns, SHOWN))
    written, limits = written_shares(found, moment), gains(exact).tolist()
    sources.exact(weights.sigma[heads].topk(min(SALIENT, len(sources)), dim=1).indices.unique())  # they are kept
    for i, (head, n) in enumerate(zip(ids, counts, strict=True)):
        own = slice(sum(counts[:i]), sum(counts[:i]) + n)
        tokens, _ = salient_tokens(sources, weights.sigma[head.head], exact, head.head, SALIENT, limits[head.head])
        signs = torch.ones_like(found.strengths[i])
        signs[:n][flipped[own]] = -1
        salient = belonging(sources.exact(tokens), signs[:, None] * found.reads[i], found.strengths[i])
        yield Split(head, found.strengths[i], found.shares[i], written[i], both.part(own), salient)


def direction_rows(found: Split, tokens: Sequence[str]) -> list[Row]:
    """The rows of `directions` of one head: both ends of each of the strongest."""
    counts, rows = found.counts(), []
    for i in range(found.ends.sources.shape[1]):
        for end, name in enumerate(ENDS):
            sources, targets = found.ends.sources[end, i].tolist(), found.ends.targets.ids[end, i].tolist()
            row = {
                "direction": i + 1,
                "end": name,
                "strength": digits(float(found.strengths[i])),
                "share": digits(float(found.shares[i])),
                "written": digits(float(found.written[i])),
                "salient": int(counts[end, i]),
                "source_ids": sources,
                "sources": [tokens[s] for s in sources],
                "cosines": [digits(x) for x in found.ends.cosines[end, i].tolist()],
                "target_ids": targets,
                "targets": [tokens[t] for t in targets],
            }
            rows.append({**found.head._asdict(), **row})
    return rows


def head_row(found: Split) -> Row:
    """The row of `direction_heads`."""
    counts, shown = found.counts(), found.ends.sources.shape[1]
    largest = counts.flatten().sort(descending=True).values.tolist()
    return {
        **found.head._asdict(),
        "directions_90": int(fewest(found.shares[None], MOST)[0]),
        "written_90": int(fewest(found.written[None], MOST)[0]),
        "salient": len(found.salient.share),
        "salient_share": digits(float(found.salient.share.mean())),
        "salient_elsewhere": int(counts[:, shown:].sum()),
        "operations": sum(n >= SEVERAL for n in largest),
        "second": largest[1],
    }
