"""A head on a person's own sentence, as plain values: the app holds them and never imports torch."""

from __future__ import annotations

from dataclasses import dataclass

from maps.mapping.probe_results import VocabularyToken
from maps.types import HeadId

MAX_TEXT_LENGTH = 400  # characters of a sentence
MAX_SENTENCE_TOKENS = 64
COMPARED_TARGETS = 10  # highest tokens of two lists of which the common ones are counted
SHOWN_TARGETS = 5


@dataclass(frozen=True)
class SentenceQuestion:
    """What does this head do on this sentence?"""

    head: HeadId
    text: str


@dataclass(frozen=True)
class HeadAtPosition:
    """What a head does at one position of a sentence.

    `weights[j]` is its attention to position j; they run from the first position to this one, and sum to 1 (less
    where the model has attention sinks). `read` is the position of the highest weight. `taken` is the position from
    which it takes most: weight times the length of what the head makes of that position. `length` is that of the vector
    that it writes. `written` are the tokens that this vector promotes most, `predicted` those that the weights predict
    for the token at `taken`; COMPARED_TARGETS each. `common` counts the tokens in both lists, `common_for_read` the
    same with the prediction for the token at `read`, `common_of_others` with the predictions of the layer's other
    heads, on average (None in a layer of one head).
    """

    token: VocabularyToken
    weights: tuple[float, ...]
    read: int
    taken: int
    length: float
    written: tuple[VocabularyToken, ...]
    predicted: tuple[VocabularyToken, ...]
    common: int
    common_for_read: int
    common_of_others: float | None


@dataclass(frozen=True)
class HeadOnSentence:
    """What a head does at each position of a sentence, in a run of the model and as its weights predict."""

    model: str
    head: HeadId
    vocabulary: int
    positions: tuple[HeadAtPosition, ...]

    @property
    def mean_common(self) -> float:
        """How many of COMPARED_TARGETS agree, averaged over the positions."""
        return mean([each.common for each in self.positions])

    @property
    def mean_common_for_read(self) -> float:
        return mean([each.common_for_read for each in self.positions])

    @property
    def mean_common_of_others(self) -> float | None:
        """The same for the other heads of the layer; None if there are none."""
        values = [each.common_of_others for each in self.positions if each.common_of_others is not None]
        return mean(values) if values else None


def mean(values: list[int] | list[float]) -> float:
    return sum(values) / len(values)
