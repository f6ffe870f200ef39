"""Calibrates the readings of a model: fits linear maps from a token to what each layer reads, and on to the last layer.

The model is run on a few thousand tokens, each at the end of a neutral prompt. For every layer two maps are fitted to
the residual stream x at the token, by ridge regression in closed form:

    source map    x in front of the layer, at length √d    ≈  f W + w₀           f: features of the token
    target map    x behind the last layer                  ≈  x' (I + R) + r₀    x': x behind this layer

Features are rows of E and MLP₀(norm(E)), or what the first blocks make of the token in an average context: there the
attention of a block is replaced by what it does on average (`average_block`), which is fitted first, block by block.

What differs between prompts for all tokens alike is taken out before. The features and the strength of each layer's
ridge are those that leave the least unexplained, of what is read of the stream, on tokens that were not fitted. Tokens
and prompts of the evaluation (`streams`) are never used.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor

from maps.errors import MapsError
from maps.experiments import ridge
from maps.experiments.calibration_streams import (
    BATCH,
    CalibrationParts,
    TokenBatch,
    block_count,
    run_model,
    split_tokens,
)
from maps.experiments.reading_judge import write_all
from maps.experiments.ridge import RidgeFeatures
from maps.experiments.streams import CALIBRATION_PROMPTS
from maps.files.atomic import write_file
from maps.files.run_folder import RunFolder
from maps.heads.average_block import AverageAttention
from maps.heads.norm import scale_to_root_width
from maps.mapping.calibration import FORMAT_VERSION, METADATA_KEY, Calibration
from maps.mapping.model import Model
from maps.types import Progress, no_progress_bar

TOKENS = 12_000
HELD_OUT_SHARE = 1 / 8  # of the tokens: not fitted, they choose features and strengths
FEATURE_SETS = (("blocks",), ("embedding", "mlp"), ("embedding",))
RANK_TOLERANCE = 1e-6  # of G: smaller eigenvalues, as a share of the largest, count as zero
TESTED_LAYERS = 4  # layers in which the sets of features are compared


class FittedSamples(NamedTuple):
    """Something of all tokens, those to fit and those held out: (n, …) and (v, …)."""

    fitted: Tensor
    held_out: Tensor


class FittedMap(NamedTuple):
    """A linear map, the strength of its ridge, and the share that it leaves unexplained on held-out tokens."""

    weights: Tensor  # (m, d) float64
    offset: Tensor  # (d,) float64
    strength: float
    unexplained: float

    @property
    def fit(self) -> Tensor:
        """Strength and unexplained share, as a part of a calibration keeps them, (2,)."""
        return torch.tensor([self.strength, self.unexplained])


def calibrate(model: Model, out: Path, tokens: int = TOKENS, progress: Progress[Any] = no_progress_bar) -> Calibration:
    """Fits the maps of a model and writes them into the file `out`; continues where a run stopped.

    `tokens`: how many to run the model on. `progress` wraps first the passes of the model, then the layers. Raises
    MapsError where transformers cannot run the model, and where `out` holds another calibration.
    """
    settings = calibration_settings(model, tokens)
    if (finished := find_finished(out, settings)) is not None:
        return finished
    parts = CalibrationParts(RunFolder(out.parent, f"{out.name}.parts"))
    with parts.run.begin("calibrate", settings):
        if (finished := find_finished(out, settings)) is not None:
            return finished
        batches = split_tokens(model, tokens)
        run_model(model, batches, parts, progress)
        fit = CalibrationFit.prepare(model, batches, parts)
        layers = range(model.shape.layers)
        todo = [layer for layer in layers if not parts.has(f"maps-{layer:03d}")]
        for layer in progress(todo, len(layers) - len(todo)):
            parts.store(f"maps-{layer:03d}", fit.fit_layer(layer))
        write_calibration(out, parts, layers, settings | fit.settings)
        parts.remove()
    return Calibration.open(out)


def calibration_settings(model: Model, tokens: int) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "model": model.name,
        **model.checkpoint.identity,
        "layers": model.shape.layers,
        "tokens": tokens,
        "prompts": list(CALIBRATION_PROMPTS),
    }


def find_finished(out: Path, settings: dict[str, Any]) -> Calibration | None:
    """The calibration in `out`, None if there is none; raises MapsError if it is another one."""
    if not out.exists():
        return None
    calibration = Calibration.open(out)
    if any(calibration.info.get(key) != value for key, value in settings.items()):
        raise MapsError(f"{out} holds another calibration, of {calibration.info['model']}; choose another --out.")
    return calibration


@dataclass(frozen=True, eq=False)
class CalibrationFit:
    """The tokens' features and streams, from which each layer's maps are fitted."""

    model: Model
    batches: Sequence[TokenBatch]
    parts: CalibrationParts
    is_fitted: Tensor  # (n,) bool; the other tokens are held out
    feature_sets: dict[str, list[Tensor]]  # rows (n, d) of each feature; of `blocks`, in front of each block and behind
    attention: list[AverageAttention]  # of the first blocks
    is_parallel: bool
    features: tuple[str, ...] = ()
    _decomposed: dict[int, tuple[RidgeFeatures, Tensor]] = field(default_factory=dict)

    @classmethod
    def prepare(cls, model: Model, batches: Sequence[TokenBatch], parts: CalibrationParts) -> CalibrationFit:
        """Computes all features and keeps the set of them that predicts held-out tokens best."""
        is_fitted = torch.cat([torch.arange(len(b.tokens)) + b.start for b in batches])
        per_prompt = max(int(is_fitted.max()) + 1, 2)
        is_fitted = is_fitted < per_prompt - max(1, int(HELD_OUT_SHARE * per_prompt))
        tokens = torch.cat([batch.tokens for batch in batches]).to(model.device)
        rows = {"embedding": [model.embedding_rows.rows(tokens).cpu()], "mlp": [model.mlp_rows.rows(tokens).cpu()]}
        is_parallel = parts.is_parallel(batches[0])
        fit = cls(model, batches, parts, is_fitted, rows, [], is_parallel)
        fit.run_blocks()
        sets = [names for names in FEATURE_SETS if "blocks" not in names or fit.attention]
        last = model.shape.layers - 1
        tested = sorted({1 + (last - 1) * i // TESTED_LAYERS for i in range(TESTED_LAYERS)} if last else {0})
        fits = [replace(fit, features=names, _decomposed={}) for names in sets]
        return min(fits, key=lambda fit: sum(fit.fit_source_map(layer).unexplained for layer in tested))

    @property
    def settings(self) -> dict[str, Any]:
        """What the file says of the features."""
        blocks = len(self.attention) if "blocks" in self.features else 0
        return {"features": list(self.features), "blocks": blocks, "parallel": bool(blocks) and self.is_parallel}

    def run_blocks(self) -> None:
        """Fits what attention does on average in each of the first blocks, and runs the tokens through them."""
        rows = self.feature_sets["embedding"]
        for layer in range(block_count(self.model)):
            attention = self.fit_attention(layer, rows[-1])
            block = self.model.average_block(layer, attention, self.is_parallel)
            self.attention.append(attention)
            rows = [*rows, block.apply(rows[-1].to(self.model.device)).cpu()]
        self.feature_sets["blocks"] = rows

    def fit_attention(self, layer: int, rows: Tensor) -> AverageAttention:
        """The attention that explains best what a layer adds to the stream, from what its block reads (n, d).

        Least squares over all entries of the writes, each head's write for the token with one factor:
        G α = b with G_gh = Σ w_g · w_h and b_h = Σ w_h · y, where w and y are centred for each prompt.
        """
        added = self.parts.read_attention(self.batches, layer)
        norm, heads = self.model.checkpoint.input_norm(layer), self.model.read_heads(layer)
        read = rows if norm is None else norm.apply(rows)
        gram = torch.zeros(self.model.shape.heads, self.model.shape.heads, dtype=torch.float64)
        projection = torch.zeros(self.model.shape.heads, dtype=torch.float64)
        batches = (self.centre(part).fitted.split(BATCH) for part in (read, added))
        for x, y in zip(*batches, strict=True):
            writes = write_all(heads, x.to(self.model.device)).transpose(0, 1).flatten(1)  # (H, n d)
            gram += (writes @ writes.T).cpu()
            projection += (writes @ y.to(self.model.device).flatten()).cpu()
        # Heads that write nothing, or the same, leave G without an inverse.
        own = torch.linalg.pinv(gram, rtol=RANK_TOLERANCE, hermitian=True) @ projection
        on_average = read @ heads.sum_circuits(own.to(self.model.device)).cpu().float()
        return AverageAttention(own.float(), (added - on_average)[self.is_fitted].double().mean(0).float())

    def feature_rows(self, layer: int) -> Tensor:
        """The features of all tokens for a layer, (n, m)."""
        rows = [self.feature_sets[name] for name in self.features]
        return torch.cat([scale_to_root_width(each[min(layer, len(each) - 1)]) for each in rows], 1)

    def decompose(self, layer: int) -> tuple[RidgeFeatures, Tensor]:
        """A layer's features, decomposed, and the centred ones of the held-out tokens; the last result is kept."""
        key = min(layer, len(self.attention)) if "blocks" in self.features else 0
        if key not in self._decomposed:
            rows = self.feature_rows(layer)
            decomposed = RidgeFeatures.decompose(rows[self.is_fitted])
            self._decomposed.clear()
            self._decomposed[key] = decomposed, rows[~self.is_fitted] - decomposed.mean.float()
        return self._decomposed[key]

    def fit_source_map(self, layer: int) -> FittedMap:
        """The map from the features to the directions of the stream in front of a layer."""
        rows = scale_to_root_width(self.parts.read_layer(self.batches, layer))
        decomposed, held_out = self.decompose(layer)
        fitted = fit_map(decomposed, held_out, self.centre(rows), self.source_readout(layer))
        return fitted._replace(offset=rows[self.is_fitted].double().mean(0) - decomposed.mean @ fitted.weights)

    def source_readout(self, layer: int) -> Tensor:
        """What a layer's value heads read of the stream: the norm's gain and W_V, (d, KV d_h)."""
        values = self.model.checkpoint.value_weights(layer).transpose(0, 1).flatten(1)
        norm = self.model.checkpoint.input_norm(layer)
        if norm is None:
            return values
        values = norm.gain[:, None] * values
        return values - values.mean(0) if norm.subtracts_mean else values

    def centre(self, rows: Tensor) -> FittedSamples:
        """Rows (n, d) less the mean of each prompt's tokens."""
        prompts = torch.cat([torch.full((len(batch.tokens),), batch.prompt) for batch in self.batches])
        rows = rows.clone()
        for prompt in prompts.unique():
            rows[prompts == prompt] -= rows[(prompts == prompt) & self.is_fitted].mean(0)
        return FittedSamples(rows[self.is_fitted], rows[~self.is_fitted])

    def fit_layer(self, layer: int) -> dict[str, Tensor]:
        """The maps of a layer, as they stand in the file."""
        maps: dict[str, Tensor] = {}
        if layer:  # in front of layer 0 is the embedding itself
            source = self.fit_source_map(layer)
            maps |= {f"source.{layer}.weight": source.weights.half(), f"source.{layer}.offset": source.offset.float()}
            maps[f"source.{layer}.fit"] = source.fit
        if layer < self.model.shape.layers - 1:
            maps |= self.fit_target_map(layer)
        if layer < self.settings["blocks"]:
            maps |= {f"attention.{layer}.{name}": x for name, x in self.attention[layer]._asdict().items()}
        return maps

    def fit_target_map(self, layer: int) -> dict[str, Tensor]:
        after, final = (self.parts.read_layer(self.batches, at) for at in (layer + 1, self.model.shape.layers))
        scale = final.square().mean(1, keepdim=True).sqrt()
        before, change = self.centre(after / scale), self.centre((final - after) / scale)
        decomposed = RidgeFeatures.decompose(before.fitted)
        readout = self.model.checkpoint.final_norm_gain().diag()
        held_out = before.held_out - decomposed.mean.float()
        target = fit_map(decomposed, held_out, change, readout)
        return {f"target.{layer}": target.weights.half(), f"target.{layer}.fit": target.fit}


def fit_map(features: RidgeFeatures, held_out: Tensor, targets: FittedSamples, readout: Tensor) -> FittedMap:
    """The map between centred rows that predicts held-out tokens best."""
    projection = features.project(targets.fitted)
    errors = ridge.held_out_errors(features, projection, held_out, targets.held_out, readout)
    error = min(errors)
    strength = ridge.STRENGTHS[errors.index(error)]
    weights = features.weights(projection, strength)
    return FittedMap(weights, torch.zeros_like(weights[0]), strength, error)


def write_calibration(out: Path, parts: CalibrationParts, layers: Iterable[int], settings: dict[str, Any]) -> None:
    """Joins the maps of all layers into one file; how each was fitted goes into its metadata."""
    tensors: dict[str, Tensor] = {}
    for layer in layers:
        tensors |= parts.read(f"maps-{layer:03d}")
    fits = {name.removesuffix(".fit"): tensors.pop(name).tolist() for name in list(tensors) if name.endswith(".fit")}
    settings["fits"] = {name: {"strength": strength, "unexplained": error} for name, (strength, error) in fits.items()}
    write_file(out, save(tensors, {METADATA_KEY: json.dumps(settings)}))
