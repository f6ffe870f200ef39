"""Predictions of readings beside what heads really write: the measures of `evaluate readings`, layer by layer.

With x the stream in front of a layer at a token, a head's real write for the token is y = norm(x) W_V W_O, and a
reading's is ŷ, with its own row in the place of norm(x). Scores of all targets are U y. They are never formed for
correlations, which need the covariance of U's rows alone: cov(U y, U ŷ) = y C ŷᵀ with C = (U − mean)ᵀ (U − mean).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from maps.experiments.hooked_model import HookedModel
from maps.experiments.streams import EVALUATION_PROMPTS, evaluation_count, prompt_ids, read_streams, token_order
from maps.heads.circuit import HeadWeights
from maps.heads.norm import scale_to_root_width
from maps.heads.target_side import TargetSide
from maps.heads.top_targets import find_highest_targets
from maps.mapping.model import Model
from maps.mapping.reading import Reading

TOP = 10  # highest targets that are compared
MIN_LETTERS = 3  # of a token that is taken as a word
MAPPED = Reading(final_norm=True, target_map=True)  # its target side is that of every reading with the target map
ROUNDING = 1e-12  # of a write's length: less is left of it by rounding alone
WRITES_AT_ONCE = 512  # writes that are added in one pass of the model, each in a row of its own
UNEMBEDDING_BLOCK = 4096


class Words(NamedTuple):
    """The tokens of the evaluation and the number of the prompt in front of each, (n,) both."""

    tokens: Tensor
    prompts: Tensor

    @classmethod
    def select(cls, model: Model, count: int) -> Words:
        """Tokens that no calibration sees: a space and letters; any others where the vocabulary has none of these."""
        texts, order = model.vocabulary.tokens, token_order(model.vocabulary.size)
        kept: list[int] = order[: evaluation_count(len(order))].tolist()
        words = [token for token in kept if texts[token].startswith(" ") and texts[token][1:].isalpha()]
        words = [token for token in words if len(texts[token]) > MIN_LETTERS]
        tokens = torch.tensor((words or kept)[:count])
        return cls(tokens, torch.arange(len(tokens)) % len(EVALUATION_PROMPTS))


class Measures(NamedTuple):
    """How well a reading predicts a layer, for each token as the mean over heads: three (n,), then two (r,)."""

    overlap: Tensor
    correlation: Tensor
    specific: Tensor
    raised: Tensor
    effect: Tensor


class SeenWrites(NamedTuple):
    """Writes as U reads them, and what is compared of them."""

    writes: Tensor  # (n, H, d) float64
    top: Tensor  # (n, H, TOP) the ids of the highest targets
    specific: Tensor  # (n, H, d) the writes less their mean over the tokens behind the same prompt


class LayerWrites(NamedTuple):
    """What the heads of a layer really write for n tokens, and what it changes in the logits behind the first r."""

    layer: int
    heads: HeadWeights  # float64
    real: Tensor  # (n, H, d) float64
    gained: SeenWrites  # the real writes behind the final norm's gain
    mapped: SeenWrites  # the same behind the layer's target map too
    effects: Tensor  # (r, H, V) float32
    raised: Tensor  # (r, H, TOP) the ids of the tokens whose logits rise most


@dataclass(frozen=True, eq=False)
class ReadingJudge:
    """Compares readings of one model on `words`; of the first `effect_words`, writes are added to the running model."""

    hooked_model: HookedModel
    words: Words
    effect_words: int

    @property
    def model(self) -> Model:
        return self.hooked_model.model

    @cached_property
    def prefixes(self) -> list[list[int]]:
        return prompt_ids(self.hooked_model, EVALUATION_PROMPTS)

    @cached_property
    def streams(self) -> Tensor:
        """The stream in front of every layer, and behind the last, at every token: (L + 1, n, d)."""
        shape = self.model.shape
        rows = torch.empty(shape.layers + 1, len(self.words.tokens), shape.width, device=self.model.device)
        for prompt in self.words.prompts.unique().tolist():
            own = (self.words.prompts == prompt).nonzero()[:, 0]
            rows[:, own] = read_streams(self.hooked_model, self.prefixes[prompt], self.words.tokens[own]).layers
        return rows

    @cached_property
    def covariance(self) -> Tensor:
        """C = (U − mean)ᵀ (U − mean), (d, d) in float64."""
        unembedding, width = self.model.unembedding, self.model.shape.width
        total = torch.zeros(width, width, dtype=torch.float64, device=self.model.device)
        for _, block in unembedding.blocks(UNEMBEDDING_BLOCK):
            centred = block.double() - unembedding.mean
            total += centred.T @ centred
        return total

    @cached_property
    def gain_alone(self) -> TargetSide:
        """The target side of what is real: the final norm's gain."""
        return TargetSide(gain=self.model.final_norm_gain)

    def write(self, layer: int) -> LayerWrites:
        """Computes a layer's real writes, and adds them to the running model."""
        heads = self.model.layer(layer).exact_heads
        real = write_all(heads, self.norm_input(layer, self.streams[layer].double()))
        effects = torch.stack([self.effects(layer, word, rows) for word, rows in enumerate(real[: self.effect_words])])
        gained, mapped = self.see(self.gain_alone, real), self.see(self.model.target_side(layer, MAPPED), real)
        return LayerWrites(layer, heads, real, gained, mapped, effects, effects.topk(TOP, dim=2).indices)

    def norm_input(self, layer: int, rows: Tensor) -> Tensor:
        """Rows (n, d) as the layer's attention reads them."""
        norm = self.model.checkpoint.input_norm(layer)
        return rows if norm is None else norm.to(rows.device).apply(rows)

    def effects(self, layer: int, word: int, writes: Tensor) -> Tensor:
        """What each head's write (H, d), added behind a word's prompt, changes in the logits: (H, V)."""
        token, prefix = int(self.words.tokens[word]), self.prefixes[int(self.words.prompts[word])]
        ids = torch.tensor([*prefix, token], device=self.model.device)
        parts = writes.split(WRITES_AT_ONCE)
        effects = [self.hooked_model.effects_of_writes(ids, [(layer, row) for row in part]) for part in parts]
        return torch.cat(effects)[:, : self.model.vocabulary.size]

    def judge_all(self, writes: LayerWrites, readings: Sequence[Reading]) -> dict[str, Measures]:
        """Each reading in one layer. With the target map, real and predicted writes are compared behind it."""
        measures = {}
        for reading in readings:
            predicted = self.see(self.model.target_side(writes.layer, reading), self.predicted_writes(writes, reading))
            measures[str(reading)] = self.compare(
                writes, writes.mapped if reading.target_map else writes.gained, predicted
            )
        return measures

    def predicted_writes(self, writes: LayerWrites, reading: Reading) -> Tensor:
        """What a reading says that the heads write, (n, H, d) in float64."""
        tokens = self.words.tokens.to(self.model.device)
        return write_all(writes.heads, self.model.source_rows(writes.layer, reading).exact_rows(tokens))

    def judge_controls(self, writes: LayerWrites, reading: Reading) -> dict[str, Measures]:
        """What predicts without the token, with another token, or with another head, for a reading without a map."""
        predicted = self.predicted_writes(writes, reading)
        mean = scale_to_root_width(self.streams[writes.layer].double()).mean(0, keepdim=True)
        controls = {
            "mean stream": write_all(writes.heads, self.norm_input(writes.layer, mean)).expand_as(predicted),
            "another token": predicted.roll(len(EVALUATION_PROMPTS), 0),  # behind the same prompt
        }
        if predicted.shape[1] > 1:
            controls["another head"] = predicted.roll(1, 1)
        return {n: self.compare(writes, writes.gained, self.see(self.gain_alone, each)) for n, each in controls.items()}

    def judge_target_sides(self, writes: LayerWrites) -> dict[str, Measures]:
        """Which target side says best what real writes change: `raised` and `effect` of each."""
        layers = self.model.shape.layers
        seen = {
            "U alone": self.see(TargetSide(), writes.real),
            "final norm": writes.gained,
            "target map": writes.mapped,
        }
        if writes.layer < layers - 1:
            other = (writes.layer + (layers - 1) // 2) % (layers - 1)
            seen["another layer's map"] = self.see(self.model.target_side(other, MAPPED), writes.real)
        return {name: self.compare(writes, each, each) for name, each in seen.items()}

    def see(self, side: TargetSide, writes: Tensor) -> SeenWrites:
        """Writes (n, H, d) behind a target side."""
        seen = side.apply(writes)
        targets, _ = find_highest_targets(seen.flatten(0, 1), TOP, self.model.unembedding)
        return SeenWrites(seen, targets.ids.unflatten(0, seen.shape[:2]), self.specific_part(seen))

    def compare(self, writes: LayerWrites, real: SeenWrites, predicted: SeenWrites) -> Measures:
        r = len(writes.effects)
        return Measures(
            overlap=token_shares(predicted.top, real.top),
            correlation=self.correlations(real.writes, predicted.writes),
            specific=self.correlations(real.specific, predicted.specific),
            raised=token_shares(predicted.top[:r], writes.raised),
            effect=self.effect_correlations(writes.effects, predicted.writes[:r]),
        )

    def correlations(self, real: Tensor, predicted: Tensor) -> Tensor:
        """Pearson's correlation of the scores of all targets for writes (n, H, d), as the mean over heads: (n,)."""
        pairs = ((real, predicted), (real, real), (predicted, predicted))
        product, *squares = (torch.linalg.vecdot(a @ self.covariance, b) for a, b in pairs)
        return divide_by_root(product, squares[0] * squares[1]).mean(1)

    def effect_correlations(self, effects: Tensor, predicted: Tensor) -> Tensor:
        """Pearson's correlation of changes of logits (r, H, V) with predicted scores, as the mean over heads: (r,)."""
        unembedding = self.model.unembedding
        centred = effects - effects.mean(2, keepdim=True)
        products = torch.zeros(predicted.shape, dtype=torch.float64, device=predicted.device)  # Σ effect · u, (r, H, d)
        for start, block in unembedding.blocks(UNEMBEDDING_BLOCK):
            products += centred[:, :, unembedding.token_ids[start : start + len(block)]] @ block
        product = torch.linalg.vecdot(products, predicted)
        squares = centred.double().square().sum(2) * torch.linalg.vecdot(predicted @ self.covariance, predicted)
        return divide_by_root(product, squares).mean(1)

    def specific_part(self, writes: Tensor) -> Tensor:
        """Writes (n, H, d) less their mean over the tokens behind the same prompt."""
        rest = writes.clone()
        for prompt in self.words.prompts.unique().tolist():
            own = (self.words.prompts == prompt).nonzero()[:, 0]
            rest[own] -= writes[own].mean(0)
        is_rounding = rest.norm(dim=2, keepdim=True) < ROUNDING * writes.norm(dim=2, keepdim=True)
        return rest.masked_fill_(is_rounding, 0)


def divide_by_root(product: Tensor, squares: Tensor) -> Tensor:
    """product / √squares; 0 where the squares are 0."""
    scale = squares.clamp_min(0).sqrt()
    return product / scale.where(scale > 0, torch.inf)


def write_all(heads: HeadWeights, rows: Tensor) -> Tensor:
    """What every head writes for rows (n, d) in float64: (n, H, d)."""
    read = torch.einsum("nd,kde->nke", rows, heads.values).repeat_interleave(heads.group_size, 1)
    return torch.einsum("nhe,hed->nhd", read, heads.outputs)


def token_shares(ids: Tensor, wanted: Tensor) -> Tensor:
    """The share of `wanted` (n, H, t) that is among `ids` (n, H, t), as the mean over heads: (n,)."""
    return (ids[:, :, :, None] == wanted[:, :, None, :]).any(2).double().mean((1, 2))
