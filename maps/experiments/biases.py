"""What the biases of values and outputs write, which the paper leaves out, and what they change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import torch
from torch import Tensor

from maps.atlas.schema import HEAD_COLUMNS, Row
from maps.errors import RunFailedError
from maps.experiments.layer_runs import (
    ExperimentTables,
    LayerExperiment,
    Progress,
    TableRows,
    no_progress_bar,
    round_to_five_digits,
    select_heads,
)
from maps.heads.rank_tests import TargetHits
from maps.heads.relation_scores import find_hits, scores_from_hits
from maps.heads.top_targets import Targets, find_highest_targets
from maps.mapping.mapper import LayerMapper, open_model
from maps.mapping.model import LayerWeights
from maps.mapping.settings import MappingSettings, select_layers
from maps.types import HeadId, RelationScore
from maps.weights.attention import read_attention_bias

TARGETS_SHOWN = 5  # highest targets of what a bias writes
SCHEMAS = {
    "biases": pa.schema(
        [
            *HEAD_COLUMNS,
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
USED_SETTINGS = ("k", "tau", "min_pairs", "first_mlp", "final_norm", "dtype", "layers", "relations")


def evaluate_biases(
    model: str,
    out: Path,
    settings: MappingSettings,
    heads: Sequence[HeadId] = (),
    device: str = "cpu",
    progress: Progress = no_progress_bar,
) -> ExperimentTables:
    """Compares heads with and without their value bias, and shows each layer's output bias; writes `biases.csv`.

    Raises NothingDoneError for a model without such biases. Goes on where a run stopped.
    """
    loaded = open_model(model, settings, device)
    where = select_heads(loaded, select_layers(settings, loaded.shape.layers), heads)
    loaded.checkpoint.check_files(where, settings.first_mlp)
    first = min(where)
    if all(read_attention_bias(loaded.checkpoint, role, first) is None for role in ("value", "output")):
        raise RunFailedError(f"The attention of {loaded.name} has no biases of values or outputs: nothing to compare.")
    asked = {name: settings.as_json()[name] for name in USED_SETTINGS} | {"heads": [str(head) for head in heads]}
    work = LayerMapper.prepare(loaded, settings)

    def make(layer: int) -> TableRows:
        return {"biases": list(bias_rows(work, layer, where[layer]))}

    return LayerExperiment("biases", loaded, asked, list(where), SCHEMAS).run(out, make, progress)


class BiasEffect(NamedTuple):
    """What a value bias changes in one head."""

    changed_hits: int  # pairs that become or cease to be a hit, at either end
    gained_relations: list[str]  # relations whose score, or suppression, reaches τ with it only
    lost_relations: list[str]  # and without it only


def bias_rows(work: LayerMapper, layer: int, heads: Sequence[int]) -> list[Row]:
    """The rows of `evaluate_biases` of a layer: its heads', where it has a value bias, then its output bias's, with no head."""
    model, weights = work.model, work.model.layer(layer)
    value, output = (read_attention_bias(model.checkpoint, role, layer) for role in ("value", "output"))
    rows = []
    if value is not None:
        value = value.to(model.device).double()
        constant = torch.bmm(
            value.repeat_interleave(weights.exact_heads.group_size, 0)[:, None], weights.exact_heads.outputs
        )[:, 0]
        changes = bias_effects(work, weights, value)
        targets = bias_targets(work, weights, constant)
        mean = model.shape.width**0.5 * weights.saliency.double().mean(1)
        rows = [
            {
                **HeadId(layer, head)._asdict(),
                **constant_columns(work, constant[head], targets, head),
                "written": round_to_five_digits(float(mean[head])),
                "hits_changed": changes[head].changed_hits,
                "gained": changes[head].gained_relations,
                "lost": changes[head].lost_relations,
            }
            for head in heads
        ]
    if output is not None:
        output = output.to(model.device).double()[None]
        rest = dict.fromkeys(("head", "written", "hits_changed", "gained", "lost"))
        rows.append(
            {"layer": layer, **rest, **constant_columns(work, output[0], bias_targets(work, weights, output), 0)}
        )
    return rows


def bias_targets(work: LayerMapper, weights: LayerWeights, written: Tensor) -> Targets:
    """The highest targets of what is written, (n, d)."""
    gain = weights.final_norm_gain
    return find_highest_targets(written if gain is None else written * gain, TARGETS_SHOWN, work.model.unembedding)[0]


def constant_columns(work: LayerMapper, written: Tensor, targets: Targets, index: int) -> Row:
    """What a bias writes (d,): its length and its highest targets."""
    ids = targets.ids[index].tolist()
    tokens = work.model.vocabulary.tokens
    return {
        "length": round_to_five_digits(float(written.norm())),
        "target_ids": ids,
        "targets": [tokens[i] for i in ids],
    }


def bias_effects(work: LayerMapper, weights: LayerWeights, value: Tensor) -> list[BiasEffect]:
    """What b_V (KV, d_h) changes in every head of a layer, added to what each source gives.

    Beside a constant the length of ẽ counts: it is brought to √d, as the norm before attention does, gain apart.
    """
    pairs, heads = work.pairs, weights.scoring_heads
    tokens, which = pairs.sources.unique(return_inverse=True)
    rows = weights.sources.exact_rows(tokens)
    norms = rows.norm(dim=1, keepdim=True)
    rows = rows * (rows.shape[1] ** 0.5 / norms.where(norms > 0, 1))
    read = torch.einsum("nd,kdh->nkh", rows, heads.values)[which]
    both = [
        find_hits(each, heads.outputs, pairs.targets, pairs.k, work.model.unembedding) for each in (read, read + value)
    ]
    return [
        compare_hits(work, *(TargetHits(each.top[head], each.bottom[head]) for each in both))
        for head in range(len(both[0].top))
    ]


def compare_hits(work: LayerMapper, without: TargetHits, with_bias: TargetHits) -> BiasEffect:
    """One head's rank tests with and without its bias."""
    before, after = (scores_from_hits(work.pairs.relations, each.top, each.bottom) for each in (without, with_bias))
    had, has = implemented_relations(before, work.settings), implemented_relations(after, work.settings)
    hits = sum(int((a != b).sum()) for a, b in zip(without, with_bias, strict=True))
    return BiasEffect(hits, [name for name in has if name not in had], [name for name in had if name not in has])


def implemented_relations(scores: Sequence[RelationScore], settings: MappingSettings) -> list[str]:
    """The relations that a head implements, or suppresses."""
    counted = [each for each in scores if each.pairs >= settings.min_pairs]
    return [
        name
        for each in counted
        for name, value in ((each.relation, each.score), (f"{each.relation} (suppression)", each.suppression))
        if value is not None and value >= settings.tau
    ]
