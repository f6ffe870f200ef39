"""The residual stream at a token that ends a neutral prompt: what readings are fitted to, and judged by.

A prompt is a few words of text and then the token. Its stream is read in front of every layer and behind the last one.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def read_streams(hooked_model: HookedModel, prefix: Sequence[int], tokens: Tensor) -> Tensor:
    """The stream at tokens (n,) that each stand behind the same prefix, which is run once: (L + 1, n, d) in float32.

    In front of layers 0 to L − 1, and behind the last.
    """
    device = hooked_model.model.device
    ids = torch.cat([torch.tensor(prefix, device=device).expand(len(tokens), -1), tokens.to(device)[:, None]], 1)
    shared, cache = hooked_model.compute_shared_prefix(ids, len(prefix))
    inputs: list[Tensor] = []

    def record(_module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        inputs.append(arguments[0][:, -1].detach().clone())

    def record_last(_module: nn.Module, _arguments: tuple[Tensor, ...], output: Tensor | tuple[Tensor, ...]) -> None:
        inputs.append((output if isinstance(output, Tensor) else output[0])[:, -1].detach().clone())

    hooks = [block.register_forward_pre_hook(record) for block in hooked_model.blocks]
    hooks.append(hooked_model.blocks[-1].register_forward_hook(record_last))
    try:
        hooked_model.run_body(ids[:, shared:], cache)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(inputs)
