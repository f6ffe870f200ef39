"""The values that all packages share: heads, mappings, relations, descriptions. No tensors, files or pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from maps.errors import MapsError

TAU = 0.15  # a head implements a relation where φ ≥ τ (paper, section 4.1)
MIN_PAIRS = 30  # usable pairs below which no head is classified by a relation
MIN_PAIRS_BEYOND_COPYING = 10  # pairs that copying does not hit, below which there is no score beyond copying
COPYING_RELATIONS = ("copying", "name_copying")
DTYPES = ("stored", "float32", "bfloat16")  # of E and U in memory; stored: as in the checkpoint
HEAD_NAME_PATTERN = re.compile(r"L(\d{1,4})H(\d{1,4})")

Part = TypeVar("Part", int, str)  # of long work: a layer or a relation
Progress = Callable[[Sequence[Part], int], Iterable[Part]]  # wraps the parts still to do, given how many are done


class UnevenParts(list[int]):
    """Parts of unequal work. A bar that looks at `work` knows better how long the rest takes."""

    def __init__(self, parts: Iterable[int], work: Sequence[float]) -> None:
        super().__init__(parts)
        self.work = work


def no_progress_bar(todo: Sequence[Part], _done: int) -> Iterable[Part]:
    return todo


def check_at_least_one(name: str, value: int) -> int:
    """The value, if it is a whole number of at least 1; otherwise raises MapsError with the name of the setting."""
    if not isinstance(value, int) or value < 1:
        raise MapsError(f"{name} must be a whole number of at least 1, not {value!r}.")
    return value


def check_seed(seed: int) -> int:
    """The seed, if it stays within 32 bits when an attempt, layer or head is added; otherwise raises MapsError."""
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
        """Reads `L23H4`; raises MapsError for anything else."""
        match = HEAD_NAME_PATTERN.fullmatch(text.strip().upper())
        if match is None:
            raise MapsError(f"{text!r} is not a head; write the layer and the head, as in L23H4.")
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True)
class Mapping:
    """A salient source token with its highest-scoring targets under one head.

    `rank`: from 1. `saliency`: σ of the source (paper, section 3.2). `scores`: the entries of M, one for each target.
    Strings are as in the atlas: leading space kept, invalid bytes as `\\xE2`, backslashes doubled.
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
    """How much one head implements (`score`, φ) and suppresses a relation, in [0, 1]; None without usable pairs.

    `k`: how many highest targets count as a hit. `pairs`: the number of usable pairs. The control: `identity` is the
    score of the identity matrix in the head's place, which only copies; `beyond_copying` and
    `suppression_beyond_copying` are the head's own on the `beyond_copying_pairs` that the identity does not hit, None
    where these are fewer than MIN_PAIRS_BEYOND_COPYING.
    """

    relation: str
    category: str
    k: int
    pairs: int
    score: float | None
    suppression: float | None
    identity: float | None = None
    beyond_copying: float | None = None
    suppression_beyond_copying: float | None = None
    beyond_copying_pairs: int = 0

    @property
    def is_copying(self) -> bool:
        """Whether the relation is copying itself, for which copying is no control."""
        return is_copying_relation(self.relation, self.category)

    @property
    def classified_score(self) -> float | None:
        """What τ is compared with: the score on pairs that copying does not hit, of copying relations the score."""
        return self.score if self.is_copying else self.beyond_copying

    @property
    def classified_suppression(self) -> float | None:
        """The same of the suppression."""
        return self.suppression if self.is_copying else self.suppression_beyond_copying


def is_copying_relation(relation: str, category: str | None) -> bool:
    """Whether this is one of the predefined copying relations; a user's own, without a category, never is."""
    return bool(category) and relation in COPYING_RELATIONS


@dataclass(frozen=True)
class Description:
    """A describer's answer about the mappings of one head."""

    input_strings: str
    observed_pattern: str
    reasoning: str

    @property
    def pattern(self) -> bool:
        """Whether a pattern is described: the answer is neither "unclear" nor empty."""
        return is_pattern(self.observed_pattern)

    @property
    def pattern_paper(self) -> bool:
        """The same by the paper's rule: "clear" does not occur anywhere in the answer."""
        return "clear" not in self.observed_pattern.lower()


def is_pattern(observed_pattern: str) -> bool:
    """Whether the words of a description say a pattern: neither "unclear" nor nothing."""
    return observed_pattern.strip().rstrip(".").strip().lower() not in ("", "unclear")


@dataclass(frozen=True)
class Answer:
    """A description with its origin and cost; None where the describer does not know."""

    description: Description
    model: str
    support: int | None = None
    prompt_hash: str | None = None
    seed: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
