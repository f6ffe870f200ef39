"""The values that the rooms of the house hand to each other. Knows nothing of tensors, files or pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from maps.errors import MapsError

TAU = 0.15  # a head implements a relation where φ ≥ τ (paper, section 4.1)
MIN_PAIRS = 30  # usable pairs below which no head is classified by a relation
DTYPES = ("stored", "float32", "bfloat16")  # what E and U are kept in; stored: as the checkpoint has them
HEAD_NAME_PATTERN = re.compile(r"L(\d{1,4})H(\d{1,4})")


def check_at_least_one(name: str, value: int) -> int:
    """The number, if it is a whole one from 1 on; otherwise MapsError with the name of what it stands for."""
    if not isinstance(value, int) or value < 1:
        raise MapsError(f"{name} must be a whole number from 1 on, not {value!r}.")
    return value


def check_seed(seed: int) -> int:
    """The seed, if attempts, layers and heads can be added to it within 32 bits; otherwise MapsError."""
    if not isinstance(seed, int) or not 0 <= seed < 10**9:
        raise MapsError(f"The seed must be a whole number from 0 to 999,999,999, not {seed!r}.")
    return seed


class HeadId(NamedTuple):
    """One attention head; layers and heads count from 0. Prints as `L23H4`."""

    layer: int
    head: int

    def __str__(self) -> str:
        return f"L{self.layer}H{self.head}"

    @classmethod
    def parse(cls, text: str) -> HeadId:
        """Reads `L23H4`; raises MapsError on anything else."""
        match = HEAD_NAME_PATTERN.fullmatch(text.strip().upper())
        if match is None:
            raise MapsError(f"{text!r} is no head: write the layer and the head, as in L23H4.")
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True)
class Mapping:
    """A salient source token with its highest-scoring targets under one head.

    `rank` counts from 1. `saliency` is σ of the source (paper, section 3.2), `scores` the entries of M.
    Strings are stored as in the atlas: leading space kept, invalid bytes as `\\xE2`, backslash doubled.
    """

    rank: int
    source_id: int
    source: str
    saliency: float
    target_ids: tuple[int, ...]
    targets: tuple[str, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Relation:
    """A named list of (source, target) string pairs. `category` is empty for a user's own relation."""

    name: str
    category: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RelationScore:
    """φ of one relation on one head, in [0, 1]; `score` and `suppression` are None at 0 usable pairs."""

    relation: str
    category: str
    k: int
    pairs: int
    score: float | None
    suppression: float | None


@dataclass(frozen=True)
class Description:
    """What a describer says of a head's mappings: the three keys of the describer's answer."""

    input_strings: str
    observed_pattern: str
    reasoning: str

    @property
    def pattern(self) -> bool:
        """The exact reading: a pattern is described unless the answer is "unclear" or empty."""
        return self.observed_pattern.strip().rstrip(".").strip().lower() not in ("", "unclear")

    @property
    def pattern_paper(self) -> bool:
        """The paper's reading: no pattern where "clear" occurs anywhere in the answer."""
        return "clear" not in self.observed_pattern.lower()


@dataclass(frozen=True)
class Answer:
    """A description with where it came from. What a describer does not know is None."""

    description: Description
    model: str
    support: int | None = None
    prompt_hash: str | None = None
    seed: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
