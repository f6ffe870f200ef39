"""All of M of small models of every family, formed: by the formula from the weights, and by the model's own modules."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers.models.phimoe.modeling_phimoe import sparsemixer

from maps.heads.mixture import Mixture
from maps.heads.mlp import Mlp
from maps.heads.norm import Norm
from maps.mapping.model import TORCH_DTYPES
from maps.mapping.settings import MappingSettings
from maps.weights.checkpoint import Checkpoint
from maps.weights.mlp_reader import read_mlp
from maps.weights.shape import ModelShape
from tests.families import (
    build_model,
    final_norm,
    run_own_first_mlp,
    run_own_head,
    run_own_input_norm,
    scaled_embedding,
)
from tests.small_models import VOCABULARY_SIZE, PlainMatrix


@dataclass(frozen=True)
class Oracle(PlainMatrix):
    """M and σ with the lengths of U's columns, (V,)."""

    column_norms: Tensor

    def lowest_targets(self, source: int) -> list[int]:
        """All targets of a source, lowest first, ties by lower id."""
        return self.matrix[source].sort(stable=True).indices.tolist()

    def output_space(self) -> float:
        """The share of tokens that are some source's best target, U's columns normalised."""
        scores = self.matrix / self.column_norms
        best = (scores >= scores.amax(1, keepdim=True)).int().argmax(1)
        return len(best.unique()) / len(best)

    def top_scoring_jaccard(self, settings: MappingSettings) -> float:
        """How far the salient mappings are the highest entries of M."""
        mapped = {
            (s, t) for s in self.salient_tokens(settings.salient) for t in self.ordered_targets(s)[: settings.targets]
        }
        best = self.matrix.flatten().sort(descending=True, stable=True).indices[: len(mapped)]
        entries = {divmod(i, len(self.sigma)) for i in best.tolist()}
        return len(mapped & entries) / len(mapped | entries)


def build_model_with_ties(family: str, folder: Path) -> Any:
    """A family's model in which some rows of E and of U are the same, saved; in float64."""
    model = build_model(family, folder)
    with torch.no_grad():
        for weight, to, of in (
            (model.get_input_embeddings().weight, [7, 300, 301], [4, 30, 30]),
            (model.get_output_embeddings().weight, [9, 200, 280], [8, 100, 270]),
        ):
            weight[to] = weight[of]
    model.float().save_pretrained(folder)
    return model.double()


def build_oracle(rows: Tensor, written: Tensor, unembedding: Tensor, first: Tensor) -> Oracle:
    """M of rows of Ẽ and what a head writes for them; `first` (V,) is the first token with the same row of E."""
    ids, which = first.unique(return_inverse=True)
    columns, column = torch.unique(unembedding, dim=0, return_inverse=True)
    norms, lengths = rows.norm(dim=1), columns.norm(dim=1)  # a row of zeros has no direction: its σ is 0
    sigma = written.norm(dim=1) / norms.where(norms > 0, 1)
    matrix = (written[ids] @ columns.T)[which][:, column]
    return Oracle(matrix, sigma[first], lengths.where(lengths > 0, 1)[column])


def first_equal_tokens(embedding: Tensor) -> Tensor:
    """The first token that has each token's row of E, (V,)."""
    _, which = torch.unique(embedding, dim=0, return_inverse=True)
    return (which[:, None] == which).int().argmax(1)


def plain_norm(x: Tensor, n: Norm) -> Tensor:
    """A norm as it is written down, (V, d)."""
    x = x - x.mean(1, keepdim=True) if n.subtracts_mean else x
    x = x / (x.square().mean(1, keepdim=True) + n.epsilon).sqrt() * n.gain.double()
    return x if n.bias is None else x + n.bias.double()


def plain_mixture(rows: Tensor, mixture: Mixture) -> Tensor:
    """A mixture of experts as it is written down, row by row, (V, d)."""
    x, routing = rows if mixture.norm is None else plain_norm(rows, mixture.norm), mixture.routing
    routed = x if mixture.router_norm is None else plain_norm(rows, mixture.router_norm)
    latent = x if mixture.latent_in is None else x @ mixture.latent_in.double().T
    written = torch.zeros_like(latent)
    for place, row in enumerate(latent):
        outputs = mixture.router.double() @ routed[place]
        outputs = outputs if mixture.router_bias is None else outputs + mixture.router_bias.double()
        shares = sparse_mixer_shares(outputs) if routing.score == "sparsemixer" else plain_shares(outputs, mixture)
        for j, share in shares.items():
            scale = 1.0 if mixture.expert_scales is None else float(mixture.expert_scales[j])
            read, times = (row * share, 1.0) if routing.scales_input else (row, share * scale)
            written[place] += times * plain_mlp(read[None], mixture.experts[j])[0]
    out = written if mixture.latent_out is None else written @ mixture.latent_out.double().T
    out = out if mixture.post_norm is None else plain_norm(out, mixture.post_norm)
    if mixture.shared is None:
        return out
    gate = torch.ones(1) if mixture.shared_gate is None else (x @ mixture.shared_gate.double().T).sigmoid()
    shared = plain_mlp(x if mixture.shared.norm is None else rows, mixture.shared)
    return out + gate * (shared if mixture.shared_post_norm is None else plain_norm(shared, mixture.shared_post_norm))


def sparse_mixer_shares(outputs: Tensor) -> dict[int, float]:
    """Two experts and their shares as Phi-MoE's router gives them, by transformers' own function."""
    shares, experts = sparsemixer(outputs[None], 0.01, training=False)
    return dict(zip(experts[0].tolist(), shares[0].tolist(), strict=True))


def plain_shares(outputs: Tensor, mixture: Mixture) -> dict[int, float]:
    """The chosen experts and their shares, from the router's outputs (experts,)."""
    routing = mixture.routing
    scores = outputs.sigmoid() if routing.score == "sigmoid" else outputs.softmax(0)
    choice = scores if mixture.choice_bias is None else scores + mixture.choice_bias.double()
    groups = torch.arange(routing.experts).view(routing.groups, -1).tolist()
    worth = {sum(sorted(choice[group].tolist())[-routing.scored_in_group :]): group for group in groups}
    allowed = [j for value in sorted(worth, reverse=True)[: routing.chosen_groups] for j in worth[value]]
    best = [allowed[at] for at in choice[allowed].sort(descending=True).indices[: routing.chosen].tolist()]
    whole = float(scores[best].sum()) if routing.normalises else 1.0
    return {j: float(scores[j]) / whole * routing.scale for j in best}


def plain_mlp(rows: Tensor, mlp: Mlp | Mixture) -> Tensor:
    """MLP₀(norm(rows)) as it is written down, (V, d)."""
    if isinstance(mlp, Mixture):
        return plain_mixture(rows, mlp)
    m, x, no = mlp.to(torch.float64), rows, torch.zeros(1, dtype=torch.float64)
    if m.norm is not None:
        x = plain_norm(x, m.norm)
    up = x @ m.up.T + (no if m.up_bias is None else m.up_bias)
    if m.gate is not None:
        up = up if m.up_activation is None else m.up_activation(up)
        inner = m.activation(x @ m.gate.T + (no if m.gate_bias is None else m.gate_bias)) * up
    else:
        inner = m.activation(up)
    return inner @ m.down.T + (no if m.down_bias is None else m.down_bias)


def oracle_by_formula(checkpoint: Checkpoint, layer: int, head: int, settings: MappingSettings) -> Oracle:
    """M = Ẽ W_V W_O U as in the paper, from the weights as they are read, with E and U rounded where asked for."""
    kept = TORCH_DTYPES[settings.dtype]
    stored = checkpoint.embedding()
    embedding, unembedding = (each.to(kept).double() for each in (stored, checkpoint.unembedding(stored)))
    rows, norm = embedding * checkpoint.shape.embedding_scale, checkpoint.norm("embedding_norm")
    rows = rows if norm is None else plain_norm(rows, norm)
    rows = read_plainly(rows, checkpoint, layer, settings)
    values, outputs = checkpoint.value_weights(layer).double(), checkpoint.output_weights(layer).double()
    written = rows @ (values[head // (len(outputs) // len(values))] @ outputs[head])
    if settings.reading.final_norm:
        unembedding = unembedding * checkpoint.final_norm_gain().double()
    unembedding = unembedding @ target_map(settings, layer, checkpoint.shape).T
    return build_oracle(rows, written, unembedding, first_equal_tokens(embedding))


def read_plainly(rows: Tensor, checkpoint: Checkpoint, layer: int, settings: MappingSettings) -> Tensor:
    """What a layer's heads read in a reading, from rows of the embedding (V, d)."""
    reading = settings.reading
    if layer and reading.source != "embedding":
        mlp = plain_mlp(rows, read_mlp(checkpoint))
        if reading.source == "calibrated":
            rows = map_plainly(settings, checkpoint, layer, rows, mlp)
        else:
            rows = mlp if reading.source == "mlp" else rows + mlp
    norm = checkpoint.input_norm(layer) if reading.input_norm else None
    return rows if norm is None else plain_norm(rows, norm)


def map_plainly(
    settings: MappingSettings, checkpoint: Checkpoint, layer: int, embedding: Tensor, mlp: Tensor
) -> Tensor:
    """The calibrated stream in front of a layer from rows of E and of the first MLP (V, d)."""
    if settings.calibration is None:
        return embedding
    tensors, blocks = load_file(settings.calibration.path), embedding
    for block in range(min(layer, settings.calibration.blocks)):
        tensor = tensors[f"attention.{block}.constant"].double()
        blocks = run_block_plainly(checkpoint, block, blocks, tensors[f"attention.{block}.own"].tolist(), tensor)
    kinds = (embedding, mlp, blocks)
    means = [x.square().mean(1, keepdim=True).sqrt() for x in kinds]
    # a row of zeros has no direction
    features = torch.cat([x / m.where(m > 0, 1) for x, m in zip(kinds, means, strict=True)], 1)
    return features @ tensors[f"source.{layer}.weight"].double() + tensors[f"source.{layer}.offset"].double()


def run_block_plainly(checkpoint: Checkpoint, layer: int, rows: Tensor, own: list[float], constant: Tensor) -> Tensor:
    """Rows (V, d) behind a block whose heads attend to the token itself by their shares `own`."""
    norm, post_norm = checkpoint.input_norm(layer), checkpoint.norm("mlp_post_norm", layer)
    read = rows if norm is None else plain_norm(rows, norm)
    values, outputs = checkpoint.value_weights(layer).double(), checkpoint.output_weights(layer).double()
    after = rows + constant
    for head, share in enumerate(own):
        after = after + share * (read @ values[head // (len(outputs) // len(values))] @ outputs[head])
    added = plain_mlp(after, read_mlp(checkpoint, layer))
    return after + (added if post_norm is None else plain_norm(added, post_norm)) * checkpoint.shape.residual_scale


def target_map(settings: MappingSettings, layer: int, shape: ModelShape) -> Tensor:
    """What a layer's writes are multiplied by on their way to U, (d, d)."""
    identity = torch.eye(shape.width, dtype=torch.float64)
    if settings.calibration is None or not settings.reading.target_map or layer == shape.layers - 1:
        return identity
    return identity + load_file(settings.calibration.path)[f"target.{layer}"].double()


def round_embeddings(model: Any, settings: MappingSettings) -> Any:
    kept = TORCH_DTYPES[settings.dtype]
    if kept is None:
        return model
    rounded = copy.deepcopy(model)
    for weight in {rounded.get_input_embeddings().weight, rounded.get_output_embeddings().weight}:
        weight.copy_(weight.to(kept))
    return rounded


def final_norm_gain(model: Any) -> Tensor:
    """What the model's final norm multiplies by, (d,)."""
    norm = final_norm(model)
    x = torch.tensor([1.0, -1.0] * 16, dtype=torch.float64)[None]  # mean 0, mean square 1
    return ((norm(x) - (0 if getattr(norm, "bias", None) is None else norm.bias)) * x)[0]


@torch.no_grad()
def oracle_by_own_modules(
    model: Any, checkpoint: Checkpoint, layer: int, head: int, settings: MappingSettings
) -> Oracle:
    """M from the model's own embedding, norms, MLP, attention of one position and unembedding."""
    kept = round_embeddings(model, settings)
    rows, reading = scaled_embedding(kept), settings.reading
    if layer and reading.source != "embedding":
        mapped = run_own_first_mlp(kept)
        calibrated = map_plainly(settings, checkpoint, layer, rows, mapped)
        rows = {"mlp": mapped, "residual": rows + mapped, "calibrated": calibrated}[reading.source]
    rows = run_own_input_norm(kept, layer, rows) if reading.input_norm else rows
    unembedding = kept.get_output_embeddings().weight[:VOCABULARY_SIZE]
    if reading.final_norm:
        unembedding = unembedding * final_norm_gain(kept)
    unembedding = unembedding @ target_map(settings, layer, checkpoint.shape).T
    first = first_equal_tokens(kept.get_input_embeddings().weight[:VOCABULARY_SIZE])
    return build_oracle(rows, run_own_head(kept, layer, head, rows), unembedding, first)
