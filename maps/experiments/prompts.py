"""Pairs of a relation put into prompts: token ids, and where the subject's last token stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from maps.experiments.hooked_model import Running
from maps.experiments.task_prompts import SUBJECT
from maps.heads.relation_scores import UsableRelation
from maps.mapping.model import Model
from maps.types import Relation


class Spoken(NamedTuple):
    """A pair for a prompt: the source as text, the target as one token."""

    source: str
    target: int


class Prompt(NamedTuple):
    """A prompt's ids, and the place of its subject's last token; `pair` counts among those that were put in."""

    pair: int
    ids: list[int]
    subject: int


class Batch(NamedTuple):
    """Prompts of equal length: which pairs (n,), ids (n, T) and subjects (n,)."""

    pairs: Tensor
    ids: Tensor
    subjects: Tensor


@dataclass(frozen=True)
class Prompts:
    """Pairs in one sentence. `unread` counts those whose subject runs into its neighbours' tokens there."""

    prompts: list[Prompt]
    unread: int

    @classmethod
    def of(cls, running: Running, template: str, sources: Sequence[str]) -> Prompts:
        """Puts sources in the place of ⟨s⟩."""
        before, _, after = template.partition(SUBJECT)
        whole = [before + source + after for source in sources]
        front, ids = running.encode(whole) if whole else ([], [])
        ends = running.encode([before + source for source in sources])[1] if whole else []
        prompts = [
            Prompt(pair, [*front, *all_ids], len(front) + len(up_to) - 1)
            for pair, (all_ids, up_to) in enumerate(zip(ids, ends, strict=True))
            if all_ids[: len(up_to)] == up_to
        ]
        return cls(prompts, len(whole) - len(prompts))

    @classmethod
    def whole(cls, running: Running, template: str, sources: Sequence[str]) -> Prompts:
        """The same where it does not matter how the subject is split: `subject` is the last place."""
        before, _, after = template.partition(SUBJECT)
        front, ids = running.encode([before + source + after for source in sources])
        return cls([Prompt(pair, [*front, *own], len(front) + len(own) - 1) for pair, own in enumerate(ids)], 0)

    def batches(self, device: torch.device) -> Iterator[Batch]:
        """The prompts by length, so that none is padded."""
        for length in sorted({len(prompt.ids) for prompt in self.prompts}):
            alike = [prompt for prompt in self.prompts if len(prompt.ids) == length]
            columns = ([p.pair for p in alike], [p.ids for p in alike], [p.subject for p in alike])
            yield Batch(*(torch.tensor(column, dtype=torch.long, device=device) for column in columns))


def single(model: Model, usable: UsableRelation) -> list[Spoken]:
    """The usable pairs of a relation as they are spoken."""
    raw = model.vocabulary.raw
    return [Spoken(raw[s].decode().strip(), t) for s, t in zip(usable.sources, usable.targets, strict=True)]


def several(model: Model, relation: Relation) -> list[Spoken]:
    """The pairs whose source is two or more tokens and whose target is one; a pair that comes twice counts once."""
    known = model.vocabulary
    targets = known.single_tokens([target for _, target in relation.pairs])
    both = zip(relation.pairs, targets, strict=True)
    found = [Spoken(source.strip(), t) for (source, _), t in both if t is not None and tokens(known.pieces, source) > 1]
    return list(dict.fromkeys(found))


def tokens(pieces: Callable[[str], list[str]], word: str) -> int:
    """Of how many tokens a word is, a dummy-prefix piece not counted."""
    found = pieces(word)
    return len(found) - (len(found) > 1 and found[0] == " ")
