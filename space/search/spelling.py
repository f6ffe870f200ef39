"""Which words are near to each other: a typing error apart, or of the same stem."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz import process
from rapidfuzz.distance import OSA

# Longer ones before those that they end in.
ENDINGS = "ations ation ating ated ates ate ions ings ion ing ies ied ers est ed es er ly s e y"
SHORTEST_STEM = 3


def allowed_errors(word: str) -> int:
    """How many typing errors a word of that length may have: none below 4 letters, 1 below 8, else 2."""
    return 0 if len(word) < 4 else 1 if len(word) < 8 else 2


def near_words(word: str, choices: Sequence[str]) -> list[tuple[int, int]]:
    """The places of the choices near a word and how many errors each is away, nearest first, the word itself not.

    An error is a letter too many, too few or another one, or two neighbours exchanged (optimal string alignment).
    """
    if not allowed_errors(word):
        return []
    found = process.extract(word, choices, scorer=OSA.distance, score_cutoff=allowed_errors(word), limit=None)
    return [(place, int(distance)) for _, distance, place in found if distance]


def stem(word: str) -> str:
    """A word without the first of the endings that leaves three letters of it: country and countries become countr."""
    for ending in ENDINGS.split():
        if word.endswith(ending) and len(word) - len(ending) >= SHORTEST_STEM:
            return word.removesuffix(ending)
    return word
