"""Simple attention scores of every head from a short run: how much it attends to certain earlier positions.

On a text, at position i:                previous_token a(i, i−1), first_token a(i, 0), current_token a(i, i)
On N random tokens that come twice:      duplicate_token a(i, i−N), induction a(i, i−N+1)

Each is an average over positions, from 0 to 1. The weights alone do not give them: positions and context count.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from maps.experiments.hooked_model import HookedModel

RUN_SCORES = ("previous_token", "first_token", "current_token", "duplicate_token", "induction")
TEXTS = (
    "The library opens at nine in the morning. Students who forgot their cards may ask for a guest pass, which is "
    "valid until the evening, and the coffee on the second floor is better than its price suggests.",
    "In 1998 my grandmother sold the farm and moved to the city, because she wanted to hear music every week. She "
    "told us that the cows never thanked her, but the violins did.",
    "To bake this bread, mix flour, water, salt and a little yeast. Wait for an hour, fold the dough, and wait again. "
    "The oven should be hot before the bread goes in, or the crust stays pale.",
    "A good map leaves things out. It shows the roads and the rivers, not every tree, and it says how far one place is "
    "from another. Whoever draws it has to know what the reader is looking for.",
)
TEXT_TOKENS = 48  # tokens of each text that are run
RANDOM_TOKENS, RANDOM_SEQUENCES = 24, 8  # different tokens of a random sequence, and the number of sequences
FIRST_POSITION = 2  # from here on, the previous and the first token differ


def measure_attention_scores(hooked_model: HookedModel, seed: int = 0) -> dict[str, Tensor]:
    """Each of RUN_SCORES for all heads, (L, H) float64. One sequence is in memory at a time."""
    front, texts = hooked_model.encode(TEXTS)
    start = len(front) + FIRST_POSITION
    on_texts = [text_scores(run_one(hooked_model, front + text[:TEXT_TOKENS]), start) for text in texts]
    repeated = [[*front, *tokens, *tokens] for tokens in random_tokens(hooked_model, seed)]
    on_random = [repetition_scores(run_one(hooked_model, ids)) for ids in repeated]
    scores = torch.cat([torch.stack(on_texts).mean(0), torch.stack(on_random).mean(0)])  # (5, L, H)
    return dict(zip(RUN_SCORES, scores, strict=True))


def random_tokens(hooked_model: HookedModel, seed: int) -> list[list[int]]:
    """RANDOM_SEQUENCES lists of RANDOM_TOKENS different tokens of the vocabulary, none of them an added one."""
    vocabulary, generator = hooked_model.model.vocabulary, torch.Generator().manual_seed(seed)
    usable = torch.tensor([token for token in range(vocabulary.size) if token not in vocabulary.added_ids])
    drawn = [usable[torch.randperm(len(usable), generator=generator)[:RANDOM_TOKENS]] for _ in range(RANDOM_SEQUENCES)]
    return [tokens.tolist() for tokens in drawn]


def run_one(hooked_model: HookedModel, ids: Sequence[int]) -> Tensor:
    """The attention of all heads on one sequence, (L, H, T, T), from the third axis to the fourth."""
    layers = hooked_model.run_attention(torch.tensor([ids], device=hooked_model.model.device))
    return torch.cat([weights.float().cpu() for weights in layers])


def text_scores(attention: Tensor, start: int) -> Tensor:
    """The mean attention (L, H, T, T) to the previous, the first and the current token from `start` on: (3, L, H)."""
    places = torch.arange(start, attention.shape[2])
    scores = [attention[:, :, places, columns] for columns in (places - 1, torch.zeros_like(places), places)]
    return torch.stack(scores).double().mean(3)


def repetition_scores(attention: Tensor) -> Tensor:
    """The mean attention in the second half of a sequence that ends with N tokens twice, (2, L, H).

    To the same token in the first half, and to the token behind that one.
    """
    places = torch.arange(attention.shape[2] - RANDOM_TOKENS, attention.shape[2])
    scores = [attention[:, :, places, places - RANDOM_TOKENS + behind] for behind in (0, 1)]
    return torch.stack(scores).double().mean(3)
