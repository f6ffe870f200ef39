"""The residual stream at a token that ends a neutral prompt: what readings are fitted to, and judged by.

A prompt is a few words of text and then the token. Its stream is read in front of every layer and behind the last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from maps.experiments.hooked_model import HookedModel

# Ends of sentences that any token may follow. No calibration sees the prompts of the evaluation.
CALIBRATION_PROMPTS = (
    "The next word is",
    "Everybody here has heard of",
    "In the end, it was all because of",
    "She looked at the page again and read:",
    "My notes from yesterday are mostly on",
    "There is not much to say about",
    "The list begins with",
    "He could not stop thinking of",
    "Here is a short text on",
    "I would like to tell you something about the",
    "For example,",
    "They found an old book called",
    "What do you know about",
    "It has nothing to do with",
    "The report mentions",
    "Let us now turn to",
    "We had never seen such a",
    "Some people prefer",
    "According to the newspaper, the",
    "Please write down the word",
    "This chapter is concerned with",
    "On the table there was a",
    "And then, suddenly,",
    "One of the most important topics is",
)
EVALUATION_PROMPTS = ("This is a document about", "Yesterday we talked for hours about the")
EVALUATION_SHARE = 0.05  # of the vocabulary: tokens that no calibration sees
SPLIT_SEED = 0  # of the order of tokens, of which the first are for the evaluation


def token_order(vocabulary: int) -> Tensor:
    """All token ids in the order in which they are taken, the same for every run, (V,)."""
    return torch.randperm(vocabulary, generator=torch.Generator().manual_seed(SPLIT_SEED))


def evaluation_count(vocabulary: int) -> int:
    """How many of the first tokens of the order are kept for the evaluation."""
    return max(1, int(EVALUATION_SHARE * vocabulary))


def prompt_ids(hooked_model: HookedModel, prompts: Sequence[str]) -> list[list[int]]:
    """The ids of each prompt, with what the tokenizer puts in front of every text."""
    front, ids = hooked_model.encode(prompts)
    return [[*front, *own] for own in ids]


class TokenStreams(NamedTuple):
    """The residual stream at n tokens, in float32."""

    layers: Tensor  # (L + 1, n, d) in front of layers 0 to L − 1, and behind the last
    attention: Tensor  # (b, n, d) what attention adds to it in the first b blocks
    is_parallel: bool  # whether attention and MLP of these blocks read the same


def last_positions(hidden: Tensor, prompts: int) -> Tensor:
    """A copy of the rows of each prompt's last position, (n, T, d), or flattened (n T, d) as OPT has it, to (n, d)."""
    return hidden.view(prompts, -1, hidden.shape[-1])[:, -1].detach().clone()


def read_streams(hooked_model: HookedModel, prefix: Sequence[int], tokens: Tensor, blocks: int = 0) -> TokenStreams:
    """The stream at tokens (n,) that each stand behind the same prefix, which is run once.

    `blocks`: of how many of the first blocks to read what attention adds.
    """
    device = hooked_model.model.device
    ids = torch.cat([torch.tensor(prefix, device=device).expand(len(tokens), -1), tokens.to(device)[:, None]], 1)
    shared, cache = hooked_model.compute_shared_prefix(ids, len(prefix))
    inputs: list[Tensor] = []
    mlp_inputs: list[Tensor] = []  # in front of the MLP's norm
    writes: list[Tensor] = []  # of attention, in front of a norm behind it

    def record_input(kept: list[Tensor], _module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        kept.append(last_positions(arguments[0], len(tokens)))

    def record_output(kept: list[Tensor], _module: nn.Module, _arguments: object, output: Any) -> None:
        kept.append(last_positions(output if isinstance(output, Tensor) else output[0], len(tokens)))

    with ExitStack() as hooks:
        for block in hooked_model.blocks:
            hooks.enter_context(block.register_forward_pre_hook(partial(record_input, inputs)))
        hooks.enter_context(hooked_model.blocks[-1].register_forward_hook(partial(record_output, inputs)))
        for layer in range(blocks):
            reader = hooked_model.mlp_reader(layer)
            hooks.enter_context(reader.register_forward_pre_hook(partial(record_input, mlp_inputs)))
            projection = hooked_model.output_projections[layer]
            hooks.enter_context(projection.register_forward_hook(partial(record_output, writes)))
        hooked_model.run_body(ids[:, shared:], cache)
    layers = torch.stack(inputs)
    if not blocks:
        return TokenStreams(layers, layers[:0], is_parallel=False)
    added = torch.stack(mlp_inputs) - layers[:blocks]
    is_parallel = not added.any()  # no block's MLP sees what its attention wrote
    return TokenStreams(layers, torch.stack(writes) if is_parallel else added, is_parallel)
