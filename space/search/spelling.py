"""Which words are similar: a typing error or two apart, or of the same stem."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz import process
from rapidfuzz.distance import OSA

# An ending comes before the endings that it ends in itself, because the first match is removed.
ENDINGS = (
    *("ations", "ation", "ating", "ated", "ates", "ate", "ions", "ings", "ion", "ing", "ies", "ied", "ers", "est"),
    *("ed", "es", "er", "ly", "s", "e", "y"),
)
SHORTEST_STEM = 3  # letters


def allowed_errors(word: str) -> int:
    """How many typing errors are forgiven in a word: none below 4 letters, 1 below 8, else 2."""
    if len(word) < 4:
        return 0
    return 1 if len(word) < 8 else 2


def near_words(word: str, choices: Sequence[str]) -> list[tuple[int, int]]:
    """The choices near a word, except the word itself, as (index, typing errors), nearest first.

    An error is a missing, an additional or a wrong letter, or two swapped neighbours (optimal string alignment).
    """
    if not allowed_errors(word):
        return []
    matches = process.extract(word, choices, scorer=OSA.distance, score_cutoff=allowed_errors(word), limit=None)
    return [(index, int(distance)) for _, distance, index in matches if distance]


def stem(word: str) -> str:
    """A word without the first of the ENDINGS that leaves at least three letters: country and countries give countr."""
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= SHORTEST_STEM:
            return word.removesuffix(ending)
    return word
