"""Which heads of an atlas a command is about: named ones, those of some layers, or a sample."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from maps.errors import MapsError
from maps.types import HeadId


@dataclass(frozen=True)
class HeadChoice:
    """The heads that count; without any restriction, all."""

    heads: tuple[HeadId, ...] = ()
    layers: tuple[int, int] | None = None  # the first and the last
    sample: int | None = None  # at most this many of the heads that the other two leave
    seed: int = 0  # of the sample

    def select(self, every: Sequence[HeadId]) -> list[HeadId]:
        """The chosen ones of an atlas's heads, in its order; raises MapsError if one is missing, or none is left."""
        known = set(every)
        missing = [str(head) for head in self.heads if head not in known]
        if missing:
            raise MapsError(f"The atlas has no head {', '.join(missing)}; its heads are {every[0]} to {every[-1]}.")
        chosen = [head for head in every if self.includes(head)]
        if not chosen:
            raise MapsError("No head of the atlas is chosen; look at the layers and the names of heads.")
        if self.sample is None or self.sample >= len(chosen):
            return chosen
        drawn = set(random.Random(f"sample:{self.seed}").sample(chosen, self.sample))  # the same on every machine
        return [head for head in chosen if head in drawn]

    @property
    def is_restricted(self) -> bool:
        return bool(self.heads) or self.layers is not None or self.sample is not None

    def includes(self, head: HeadId) -> bool:
        """Whether a head is one of the named ones and in the layers."""
        is_named = not self.heads or head in self.heads
        return is_named and (self.layers is None or self.layers[0] <= head.layer <= self.layers[1])


EVERY_HEAD = HeadChoice()


def named_heads(heads: Iterable[HeadId | str]) -> HeadChoice:
    """The choice of these heads, given as ids or as `L26H2`; raises MapsError for anything else."""
    parsed = (HeadId.parse(head) if isinstance(head, str) else HeadId(*head) for head in heads)
    return HeadChoice(tuple(dict.fromkeys(parsed)))
