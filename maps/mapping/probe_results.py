"""What asking all heads of a model about a token, a pair or own pairs finds, as plain values; and `maps.probe`.

Knows no tensor: the app holds such values and never imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maps.types import HeadId

if TYPE_CHECKING:
    pass

LayerProgress = Callable[[Sequence[int], int], Iterable[int]]


@dataclass(frozen=True)
class VocabularyToken:
    """An entry of a vocabulary; its string is in the stored form, as an atlas has it."""

    id: int
    string: str


@dataclass(frozen=True)
class HeadPairRank:
    """A pair under one head: the target's score in the source's row of M, and its ranks from either end, from 1."""

    head: HeadId
    score: float
    rank: int  # 1 + tokens that score strictly higher
    from_lowest: int  # 1 + tokens that score strictly lower


@dataclass(frozen=True)
class HeadTargets:
    """What one head makes of a source: its saliency, that as a multiple of the head's mean, its highest targets."""

    head: HeadId
    saliency: float
    ratio: float | None  # None where the head's mean saliency is 0
    targets: tuple[VocabularyToken, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class HeadBestSource:
    """The source with the highest score for a target under one head, and the target's rank in that source's row."""

    head: HeadId
    source: VocabularyToken
    score: float
    rank: int


@dataclass(frozen=True)
class Probe:
    """What the heads of a model do with a token, or with a pair.

    With a target, `pair` ranks it under every head, the best rank first. Without one, `as_source` holds what each
    head makes of the token, strongest for the head first, and `as_target` what makes each head promote it, the best
    rank first.
    """

    model: str
    vocabulary: int
    source: VocabularyToken
    target: VocabularyToken | None = None
    pair: tuple[HeadPairRank, ...] = ()
    as_source: tuple[HeadTargets, ...] = ()
    as_target: tuple[HeadBestSource, ...] = ()

    def pair_by_suppression(self) -> list[HeadPairRank]:
        """The pair under every head, the best rank from the lowest end first."""
        return sorted(self.pair, key=lambda each: (each.from_lowest, each.head))


@dataclass(frozen=True)
class OwnPairsScore:
    """One head's score and suppression on own pairs, from 0 to 1; None where no pair is usable."""

    head: HeadId
    score: float | None
    suppression: float | None


@dataclass(frozen=True)
class OwnPairsResult:
    """Own pairs on every head of a model, by layer and head; `unusable` are the pairs that are no two single tokens."""

    model: str
    k: int
    pairs: int
    unusable: tuple[tuple[str, str], ...]
    heads: tuple[OwnPairsScore, ...]
