"""What the biases of values and outputs write, which the paper leaves out, and what they change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import torch
from torch import Tensor

from maps.atlas.schema import HEAD, Row
from maps.errors import NothingDoneError
from maps.experiments.layer_runs import Layered, Progress, Rows, Tables, chosen, digits, plainly
from maps.heads.rank_tests import Hits
from maps.heads.relation_scores import hits_of_read, shares
from maps.heads.top_targets import Targets, highest
from maps.mapping.mapper import Work, opened
from maps.mapping.model import Layer
from maps.mapping.settings import Settings, chosen_layers
from maps.types import HeadId, RelationScore
from maps.weights.attention import bias

SHOWN = 5  # highest targets of what a bias writes
SCHEMAS = {
    "biases": pa.schema(
        [
            *HEAD,
            ("length", pa.float64()),
            ("written", pa.float64()),
            ("target_ids", pa.list_(pa.int32())),
            ("targets", pa.list_(pa.string())),
            ("hits_changed", pa.int32()),
            ("gained", pa.list_(pa.string())),
            ("lost", pa.list_(pa.string())),
        ]
    )
}
DEPENDS_ON = ("k", "tau", "min_pairs", "first_mlp", "final_norm", "dtype", "layers", "relations")


def biases(
    model: str,
    out: Path,
    settings: Settings,
    heads: Sequence[HeadId] = (),
    device: str = "cpu",
    progress: Progress = plainly,
) -> Tables:
    """Compares heads with and without their value bias, and shows each layer's output bias; writes `biases.csv`.

    Raises NothingDoneError for a model without such biases. Goes on where a run stopped.
    """
    loaded = opened(model, settings, device)
    where = chosen(loaded, chosen_layers(settings, loaded.shape.layers), heads)
    loaded.checkpoint.require(where, settings.first_mlp)
    first = min(where)
    if all(bias(loaded.checkpoint, role, first) is None for role in ("value", "output")):
        raise NothingDoneError(
            f"The attention of {loaded.name} has no biases of values or outputs: nothing to compare."
        )
    asked = {name: settings.as_json()[name] for name in DEPENDS_ON} | {"heads": [str(head) for head in heads]}
    work = Work.prepare(loaded, settings)

    def make(layer: int) -> Rows:
        return {"biases": list(rows_of(work, layer, where[layer]))}

    return Layered("biases", loaded, asked, list(where), SCHEMAS).run(out, make, progress)


class Change(NamedTuple):
    """What a value bias changes in one head."""

    hits: int  # pairs that become or cease to be a hit, at either end
    gained: list[str]  # relations whose score, or suppression, reaches τ with it only
    lost: list[str]  # and without it only


def rows_of(work: Work, layer: int, heads: Sequence[int]) -> list[Row]:
    """The rows of `biases` of a layer: its heads', where it has a value bias, then its output bias's, with no head."""
    model, weights = work.model, work.model.layer(layer)
    value, output = (bias(model.checkpoint, role, layer) for role in ("value", "output"))
    rows = []
    if value is not None:
        value = value.to(model.device).double()
        constant = torch.bmm(value.repeat_interleave(weights.exact.group, 0)[:, None], weights.exact.outputs)[:, 0]
        changes = changed(work, weights, value)
        targets = promoted(work, weights, constant)
        mean = model.shape.width**0.5 * weights.sigma.double().mean(1)
        rows = [
            {
                **HeadId(layer, head)._asdict(),
                **constant_row(work, constant[head], targets, head),
                "written": digits(float(mean[head])),
                "hits_changed": changes[head].hits,
                "gained": changes[head].gained,
                "lost": changes[head].lost,
            }
            for head in heads
        ]
    if output is not None:
        output = output.to(model.device).double()[None]
        rest = dict.fromkeys(("head", "written", "hits_changed", "gained", "lost"))
        rows.append({"layer": layer, **rest, **constant_row(work, output[0], promoted(work, weights, output), 0)})
    return rows


def promoted(work: Work, weights: Layer, written: Tensor) -> Targets:
    """The highest targets of what is written, (n, d)."""
    gain = weights.gain
    return highest(written if gain is None else written * gain, SHOWN, work.model.columns)[0]


def constant_row(work: Work, written: Tensor, targets: Targets, at: int) -> Row:
    """What a bias writes (d,): its length and its highest targets."""
    ids = targets.ids[at].tolist()
    tokens = work.model.vocabulary.tokens
    return {"length": digits(float(written.norm())), "target_ids": ids, "targets": [tokens[i] for i in ids]}


def changed(work: Work, weights: Layer, value: Tensor) -> list[Change]:
    """What b_V (KV, d_h) changes in every head of a layer, added to what each source gives.

    Beside a constant the length of ẽ counts: it is brought to √d, as the norm before attention does, gain apart.
    """
    pairs, heads = work.pairs, weights.reading
    tokens, which = pairs.sources.unique(return_inverse=True)
    rows = weights.sources.exact(tokens)
    norms = rows.norm(dim=1, keepdim=True)
    rows = rows * (rows.shape[1] ** 0.5 / norms.where(norms > 0, 1))
    read = torch.einsum("nd,kdh->nkh", rows, heads.values)[which]
    both = [
        hits_of_read(each, heads.outputs, pairs.targets, pairs.k, work.model.columns) for each in (read, read + value)
    ]
    return [
        compared(work, *(Hits(each.top[head], each.bottom[head]) for each in both)) for head in range(len(both[0].top))
    ]


def compared(work: Work, without: Hits, with_bias: Hits) -> Change:
    """One head's rank tests with and without its bias."""
    before, after = (shares(work.pairs.relations, each.top, each.bottom) for each in (without, with_bias))
    had, has = implemented(before, work.settings), implemented(after, work.settings)
    hits = sum(int((a != b).sum()) for a, b in zip(without, with_bias, strict=True))
    return Change(hits, [name for name in has if name not in had], [name for name in had if name not in has])


def implemented(scores: Sequence[RelationScore], settings: Settings) -> list[str]:
    """The relations that a head implements, or suppresses."""
    counted = [each for each in scores if each.pairs >= settings.min_pairs]
    return [
        name
        for each in counted
        for name, value in ((each.relation, each.score), (f"{each.relation} (suppression)", each.suppression))
        if value is not None and value >= settings.tau
    ]
