"""What the biases of values and outputs write, and what they change. The paper leaves them out.

For a source ẽ, a head with value bias b_V writes (ẽ W_V + b_V) W_O: the constant b_V W_O is added to every row. Rank
tests are made with and without it. The output bias b_O belongs to a layer, not to a head.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from maps.atlas.schema import INTEGER, NUMBER, Row, table_by_head
from maps.errors import RunFailedError
from maps.experiments.layer_runs import ExperimentTables, TableRows, five_digits, open_heads, run_layers
from maps.experiments.results import INTEGERS, TEXTS, ExperimentRun, pick_settings
from maps.heads.norm import scale_to_root_width
from maps.heads.rank_tests import TargetHits
from maps.heads.relation_scores import find_hits, scores_from_hits
from maps.heads.top_targets import find_highest_targets
from maps.mapping.mapper import LayerMapper
from maps.mapping.model import LayerWeights
from maps.types import HeadId
from maps.weights.attention import read_attention_bias

TARGETS_SHOWN = 5  # for each bias
SCHEMAS = {
    "biases": table_by_head(
        *[("length", NUMBER), ("written", NUMBER), ("target_ids", INTEGERS), ("targets", TEXTS)],
        *[("hits_changed", INTEGER), ("gained", TEXTS), ("lost", TEXTS)],
    )
}


def evaluate_biases(run: ExperimentRun, heads: Sequence[HeadId] = ()) -> ExperimentTables:
    """Compares heads with and without their value bias and shows each layer's output bias; writes `biases.csv`.

    `heads`: only these heads, or all heads of the settings' layers. Continues a stopped run. Raises RunFailedError for
    a model without such biases.
    """
    opened, selected = open_heads(run, heads)
    first = min(selected)
    if all(read_attention_bias(opened.checkpoint, role, first) is None for role in ("value", "output")):
        raise RunFailedError(f"The attention of {opened.name} has no biases of values or outputs: nothing to compare.")
    asked = {**pick_settings(run.settings), "heads": [str(head) for head in heads]}
    work = LayerMapper.prepare(opened, run.settings)

    def compute_layer(layer: int) -> TableRows:
        return {"biases": bias_rows(work, layer, selected[layer])}

    return run_layers("biases", run, opened, asked, list(selected), SCHEMAS, compute_layer)


def bias_rows(work: LayerMapper, layer: int, heads: Sequence[int]) -> list[Row]:
    """A layer's rows: one for each head if it has a value bias, then one without a head if it has an output bias."""
    model, weights = work.model, work.model.layer(layer)
    value = read_attention_bias(model.checkpoint, "value", layer)  # (KV, d_h)
    output = read_attention_bias(model.checkpoint, "output", layer)  # (d,)
    rows: list[Row] = []
    if value is not None:
        value = value.to(model.device).double()
        by_head = value.repeat_interleave(weights.exact_heads.group_size, 0)[:, None]  # (H, 1, d_h)
        constants = constant_columns(work, weights, torch.bmm(by_head, weights.exact_heads.outputs)[:, 0])
        effects = bias_effects(work, weights, value)
        mean_length = model.shape.width**0.5 * weights.saliency.double().mean(1)  # of ẽ W_VO, with ẽ of length √d
        rows += [
            {
                **HeadId(layer, head)._asdict(),
                **constants[head],
                "written": five_digits(float(mean_length[head])),
                **effects[head],
            }
            for head in heads
        ]
    if output is not None:
        [constant] = constant_columns(work, weights, output.to(model.device).double()[None])
        empty = dict.fromkeys(("head", "written", "hits_changed", "gained", "lost"))
        rows.append({"layer": layer, **empty, **constant})
    return rows


def constant_columns(work: LayerMapper, weights: LayerWeights, constants: Tensor) -> list[Row]:
    """The length and the highest targets of the vectors that biases write, (n, d)."""
    tokens, projected = work.model.vocabulary.tokens, weights.target_side.apply(constants)
    ids = find_highest_targets(projected, TARGETS_SHOWN, work.model.unembedding)[0].ids.tolist()
    return [
        {
            "length": five_digits(float(constant.norm())),
            "target_ids": target_ids,
            "targets": [tokens[i] for i in target_ids],
        }
        for constant, target_ids in zip(constants, ids, strict=True)
    ]


def bias_effects(work: LayerMapper, weights: LayerWeights, value: Tensor) -> list[Row]:
    """What b_V (KV, d_h) changes in every head of a layer: the columns `hits_changed`, `gained` and `lost`.

    A rank test does not depend on the length of ẽ, but with a constant added it does. So ẽ is scaled to length √d,
    as the norm before attention does, apart from its gain; a reading with the input norm has done it already.
    """
    pairs, heads, unembedding = work.pairs, weights.scoring_heads, work.model.unembedding
    tokens, which = pairs.sources.unique(return_inverse=True)
    rows = weights.sources.exact_rows(tokens)  # (tokens, d)
    rows = rows if work.model.reading.input_norm else scale_to_root_width(rows)
    read = torch.einsum("nd,kdh->nkh", rows, heads.values)[which]  # (pairs, KV, d_h)
    copied = work.model.copied_pairs(pairs, weights)
    before = find_hits(read, heads.outputs, pairs.targets, pairs.k, unembedding)
    after = find_hits(read + value, heads.outputs, pairs.targets, pairs.k, unembedding)
    return [compare_hits(work, before.of_head(i), after.of_head(i), copied) for i in range(len(before.top))]


def compare_hits(work: LayerMapper, before: TargetHits, after: TargetHits, copied: Tensor) -> Row:
    """One head's rank tests without (before) and with its bias (after).

    Pairs that become a hit or stop being one, among the highest or the lowest tokens, and the relations that the head
    implements or suppresses only with the bias (gained) or only without it (lost).
    """
    changed = int((before.top != after.top).sum()) + int((before.bottom != after.bottom).sum())
    had, has = (implemented_relations(work, hits, copied) for hits in (before, after))
    gained, lost = [name for name in has if name not in had], [name for name in had if name not in has]
    return {"hits_changed": changed, "gained": gained, "lost": lost}


def implemented_relations(work: LayerMapper, hits: TargetHits, copied: Tensor) -> list[str]:
    """The relations that a head implements, or suppresses: `copying`, `copying (suppression)`."""
    names = []
    for score in scores_from_hits(work.pairs.relations, *hits, copied):
        if score.pairs >= work.settings.min_pairs:
            suppression = f"{score.relation} (suppression)"
            sides = ((score.relation, score.classified_score), (suppression, score.classified_suppression))
            names += [name for name, value in sides if value is not None and value >= work.settings.tau]
    return names
