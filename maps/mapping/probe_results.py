"""The results of `maps.probe` and of own pairs, as plain values: the app holds them and never imports torch."""

from __future__ import annotations

from dataclasses import dataclass

from maps.types import HeadId


@dataclass(frozen=True)
class VocabularyToken:
    """A token of a vocabulary; `string` is in the stored form, as in an atlas."""

    id: int
    string: str


@dataclass(frozen=True)
class HeadPairRank:
    """A pair under one head: the target's score in the source's row of M, and its rank from either end."""

    head: HeadId
    score: float
    rank: int  # 1 + tokens that score strictly higher
    from_lowest: int  # 1 + tokens that score strictly lower


@dataclass(frozen=True)
class HeadTargets:
    """A source under one head: its saliency, the ratio to the head's mean saliency, its highest targets."""

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
    """What the heads of a model do with a token or a pair.

    With a target, `pair` contains its rank under every head, best first. Without one, `as_source` contains each head's
    targets of the token, highest ratio first, and `as_target` each head's best source for it, best rank first.
    """

    model: str
    vocabulary: int
    source: VocabularyToken
    target: VocabularyToken | None = None
    pair: tuple[HeadPairRank, ...] = ()
    as_source: tuple[HeadTargets, ...] = ()
    as_target: tuple[HeadBestSource, ...] = ()

    def pair_by_suppression(self) -> list[HeadPairRank]:
        """The pair under every head, by rank from the lowest end."""
        return sorted(self.pair, key=lambda each: (each.from_lowest, each.head))


@dataclass(frozen=True)
class OwnPairsScore:
    """One head's score and suppression, from 0 to 1; None where no pair is usable."""

    head: HeadId
    score: float | None
    suppression: float | None


@dataclass(frozen=True)
class OwnPairsResult:
    """A person's own pairs scored on every head. `unusable`: pairs that are not two single tokens."""

    model: str
    k: int
    pairs: int
    unusable: tuple[tuple[str, str], ...]
    heads: tuple[OwnPairsScore, ...]
