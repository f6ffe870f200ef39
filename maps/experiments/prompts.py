"""Puts the pairs of a relation into prompts: token ids, and the position of the subject's last token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from maps.experiments.hooked_model import HookedModel
from maps.experiments.task_prompts import SUBJECT_MARKER
from maps.heads.relation_scores import UsableRelation, first_id
from maps.mapping.model import Model
from maps.types import Relation


class PromptPair(NamedTuple):
    """A pair for a prompt: the source as text, the target as one token."""

    source: str
    target: int


class Prompt(NamedTuple):
    """A prompt's ids and the position of its subject's last token; `pair_index` is the index of its pair."""

    pair_index: int
    ids: list[int]
    subject_end: int


class PromptBatch(NamedTuple):
    """n prompts of equal length T: indices of the pairs (n,), ids (n, T), positions of the subjects' ends (n,)."""

    pair_indices: Tensor
    ids: Tensor
    subject_ends: Tensor


@dataclass(frozen=True)
class FilledPrompts:
    """One prompt filled with pairs; `unread_pairs` counts pairs whose subject shares a token with its neighbours."""

    prompts: list[Prompt]
    unread_pairs: int

    @classmethod
    def from_template(cls, hooked_model: HookedModel, template: str, sources: Sequence[str]) -> FilledPrompts:
        """Puts each source in the place of ⟨s⟩, and leaves out sources whose tokens change there."""
        before, _, after = template.partition(SUBJECT_MARKER)
        whole = [before + source + after for source in sources]
        front, ids = hooked_model.encode(whole) if whole else ([], [])
        ends = hooked_model.encode([before + source for source in sources])[1] if whole else []
        prompts = [
            Prompt(pair, [*front, *all_ids], len(front) + len(up_to) - 1)
            for pair, (all_ids, up_to) in enumerate(zip(ids, ends, strict=True))
            if all_ids[: len(up_to)] == up_to
        ]
        return cls(prompts, len(whole) - len(prompts))

    @classmethod
    def for_last_position(cls, hooked_model: HookedModel, template: str, sources: Sequence[str]) -> FilledPrompts:
        """The same for experiments that only look at the last position, which `subject_end` is here."""
        before, _, after = template.partition(SUBJECT_MARKER)
        front, ids = hooked_model.encode([before + source + after for source in sources])
        return cls([Prompt(pair, [*front, *own], len(front) + len(own) - 1) for pair, own in enumerate(ids)], 0)

    def batches(self, device: torch.device) -> Iterator[PromptBatch]:
        """The prompts in batches of equal length, so that none is padded."""
        for length in sorted({len(prompt.ids) for prompt in self.prompts}):
            alike = [prompt for prompt in self.prompts if len(prompt.ids) == length]
            yield PromptBatch(*(torch.tensor(field, device=device) for field in zip(*alike, strict=True)))


def single_token_pairs(model: Model, usable: UsableRelation) -> list[PromptPair]:
    """The usable pairs of a relation, with their sources as text."""
    raw = model.vocabulary.token_bytes
    return [PromptPair(raw[s].decode().strip(), t) for s, t in zip(usable.sources, usable.targets, strict=True)]


def multi_token_pairs(model: Model, relation: Relation) -> list[PromptPair]:
    """The pairs whose source is two or more tokens and whose target is one token, without duplicates."""
    vocabulary = model.vocabulary
    words = [target for _, target in relation.pairs]
    targets = vocabulary.single_token_ids(words)
    if not relation.category:
        targets = [first_id(*ids) for ids in zip(targets, vocabulary.unspaced_token_ids(words), strict=True)]
    pairs = []
    for (source, _), target in zip(relation.pairs, targets, strict=True):
        first, *others = vocabulary.pieces(source) or [""]  # some tokenizers put a space in front as a token of its own
        if target is not None and len(others) > (first == " "):
            pairs.append(PromptPair(source.strip(), target))
    return list(dict.fromkeys(pairs))
