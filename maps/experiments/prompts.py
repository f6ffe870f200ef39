"""Pairs of a relation put into prompts: token ids, and where the subject's last token stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from maps.experiments.hooked_model import HookedModel
from maps.experiments.task_prompts import SUBJECT_MARKER
from maps.heads.relation_scores import UsableRelation
from maps.mapping.model import Model
from maps.types import Relation


class PromptPair(NamedTuple):
    """A pair for a prompt: the source as text, the target as one token."""

    source: str
    target: int


class Prompt(NamedTuple):
    """A prompt's ids, and the place of its subject's last token; `pair_index` counts among those that were put in."""

    pair_index: int
    ids: list[int]
    subject_end: int


class PromptBatch(NamedTuple):
    """Prompts of equal length: which pairs (n,), ids (n, T) and subjects (n,)."""

    pair_indices: Tensor
    ids: Tensor
    subject_ends: Tensor


@dataclass(frozen=True)
class FilledPrompts:
    """Pairs in one sentence. `unread_pairs` counts those whose subject runs into its neighbours' tokens there."""

    prompts: list[Prompt]
    unread_pairs: int

    @classmethod
    def from_template(cls, hooked_model: HookedModel, template: str, sources: Sequence[str]) -> FilledPrompts:
        """Puts sources in the place of ⟨s⟩."""
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
        """The same where it does not matter how the subject is split: `subject` is the last place."""
        before, _, after = template.partition(SUBJECT_MARKER)
        front, ids = hooked_model.encode([before + source + after for source in sources])
        return cls([Prompt(pair, [*front, *own], len(front) + len(own) - 1) for pair, own in enumerate(ids)], 0)

    def batches(self, device: torch.device) -> Iterator[PromptBatch]:
        """The prompts by length, so that none is padded."""
        for length in sorted({len(prompt.ids) for prompt in self.prompts}):
            alike = [prompt for prompt in self.prompts if len(prompt.ids) == length]
            columns = ([p.pair_index for p in alike], [p.ids for p in alike], [p.subject_end for p in alike])
            yield PromptBatch(*(torch.tensor(column, dtype=torch.long, device=device) for column in columns))


def single_token_pairs(model: Model, usable: UsableRelation) -> list[PromptPair]:
    """The usable pairs of a relation as they are spoken."""
    raw = model.vocabulary.token_bytes
    return [PromptPair(raw[s].decode().strip(), t) for s, t in zip(usable.sources, usable.targets, strict=True)]


def multi_token_pairs(model: Model, relation: Relation) -> list[PromptPair]:
    """The pairs whose source is two or more tokens and whose target is one; a pair that comes twice counts once."""
    known = model.vocabulary
    targets = known.single_token_ids([target for _, target in relation.pairs])
    both = zip(relation.pairs, targets, strict=True)
    found = [
        PromptPair(source.strip(), t)
        for (source, _), t in both
        if t is not None and token_count(known.pieces, source) > 1
    ]
    return list(dict.fromkeys(found))


def token_count(pieces: Callable[[str], list[str]], word: str) -> int:
    """Of how many tokens a word is, a dummy-prefix piece not counted."""
    found = pieces(word)
    return len(found) - (len(found) > 1 and found[0] == " ")
