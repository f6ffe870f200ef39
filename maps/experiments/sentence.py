"""One head on a person's own sentence: what it does in a run of the model, next to what its weights predict.

run          z_i = Σ_j a_ij v_j        what the head reads at position i, with its attention a
             w_i = z_i W_O             what it writes; the tokens that w_i promotes most
prediction   row of M of one token     the token from which it takes most: the highest a_ij ‖v_j W_O‖
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from maps.errors import MapsError
from maps.experiments.hooked_model import HookedModel
from maps.experiments.sentence_results import (
    COMPARED_TARGETS,
    MAX_SENTENCE_TOKENS,
    HeadAtPosition,
    HeadOnSentence,
    SentenceQuestion,
)
from maps.heads.top_targets import find_highest_targets
from maps.mapping.model import LayerWeights, Model
from maps.mapping.probe_results import VocabularyToken
from maps.types import HeadId

ROWS_AT_ONCE = 128  # whose scores on all tokens are in memory at once


class LayerRun(NamedTuple):
    """A layer's attention in one pass over n sequences of T tokens."""

    weights: Tensor  # (n, H, T, T) attention of each position (third axis) to each (fourth)
    values: Tensor  # (n, H, T, d_h)
    inputs: Tensor  # (n, T, H, d_h) z, the input of W_O


def run_layer(hooked_model: HookedModel, layer: int, ids: Tensor) -> LayerRun:
    """Runs the model on sequences (n, T) and reads one layer's attention, as transformers computes it."""
    from transformers import DynamicCache

    cache, inputs, heads = DynamicCache(), list[Tensor](), hooked_model.model.shape.heads
    hook = hooked_model.output_projections[layer].register_forward_pre_hook(
        lambda _module, positional: inputs.append(positional[0].detach().clone())
    )
    try:
        weights = hooked_model.run_attention(ids, cache)[layer]
    finally:
        hook.remove()
    values = cache.layers[layer].values
    return LayerRun(weights, values.repeat_interleave(heads // values.shape[1], 1), inputs[0].unflatten(2, (heads, -1)))


def encode_sentence(hooked_model: HookedModel, text: str) -> list[int]:
    """The tokens that the model reads; raises MapsError if there are none or too many."""
    front, [plain] = hooked_model.encode([text])
    if not plain:
        raise MapsError("Type a sentence.")
    ids = front + plain
    if len(ids) > MAX_SENTENCE_TOKENS:
        raise MapsError(f"The sentence has {len(ids)} tokens; the limit is {MAX_SENTENCE_TOKENS}. Type a shorter one.")
    return ids


def run_sentence(hooked_model: HookedModel, question: SentenceQuestion) -> HeadOnSentence:
    """What a head does on a sentence; raises MapsError for a head that the model lacks, or an unusable sentence."""
    model = hooked_model.model
    layer, head = model.head(question.head)
    ids = encode_sentence(hooked_model, question.text)
    run = run_layer(hooked_model, layer, torch.tensor([ids], device=model.device))
    weights = run.weights[0, head].double()  # (T, T)
    inputs, own = run.inputs[0, :, head].double(), model.cached_layer(layer)
    outputs = own.exact_heads.outputs[head]  # (d_h, d)
    lengths = (inputs @ outputs).norm(dim=1).tolist()  # (T,)
    made_lengths = (run.values[0, head].double() @ outputs).norm(dim=1)  # (T,)
    read, taken = weights.argmax(1).tolist(), (weights * made_lengths).argmax(1).tolist()
    written = highest_tokens(model, inputs @ own.scoring_heads.outputs[head])
    predicted = predict_targets(model, own, sorted({ids[place] for place in {*read, *taken}}))
    positions = []
    for i, token in enumerate(ids):
        of_heads = [common_count(written[i], others) for others in predicted[ids[taken[i]]]]
        of_others = [count for other, count in enumerate(of_heads) if other != head]
        positions.append(
            HeadAtPosition(
                vocabulary_token(model, token),
                tuple(weights[i, : i + 1].tolist()),
                read[i],
                taken[i],
                lengths[i],
                tuple(vocabulary_token(model, each) for each in written[i]),
                tuple(vocabulary_token(model, each) for each in predicted[ids[taken[i]]][head]),
                of_heads[head],
                common_count(written[i], predicted[ids[read[i]]][head]),
                sum(of_others) / len(of_others) if of_others else None,
            )
        )
    return HeadOnSentence(model.name, HeadId(layer, head), model.vocabulary.size, tuple(positions))


def predict_targets(model: Model, weights: LayerWeights, tokens: Sequence[int]) -> dict[int, list[list[int]]]:
    """The highest targets of tokens under each head of a layer, from the weights alone: by token, then by head."""
    heads = range(model.shape.heads)
    rows = weights.sources.exact_rows(torch.tensor(tokens, device=model.device))
    outputs = torch.cat([weights.scoring_heads.head_output(rows, head) for head in heads])  # (H n, d)
    targets = highest_tokens(model, outputs)
    return {token: [targets[head * len(tokens) + i] for head in heads] for i, token in enumerate(tokens)}


def highest_tokens(model: Model, writes: Tensor) -> list[list[int]]:
    """The COMPARED_TARGETS tokens that each vector (n, d) promotes most, best first."""
    parts = writes.split(ROWS_AT_ONCE)
    found = [find_highest_targets(part, COMPARED_TARGETS, model.unembedding)[0].ids for part in parts]
    rows: list[list[int]] = torch.cat(found).tolist()
    return rows


def common_count(some: Sequence[int], others: Sequence[int]) -> int:
    return len(set(some) & set(others))


def vocabulary_token(model: Model, token: int) -> VocabularyToken:
    return VocabularyToken(token, model.vocabulary.tokens[token])
