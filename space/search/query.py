"""What a visitor typed, made ready: cut, without what is no text, taken apart into words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from maps.text import many

LONGEST, MOST_WORDS, LONGEST_WORD = 200, 12, 40
WORD = re.compile(r"[^\W_]+")
SYMBOLS = str.maketrans({"·": " ", "⏎": "\n", "⇥": "\t"})  # as chips show white space


@dataclass(frozen=True)
class Query:
    """A search: the text as it is looked for among tokens, its words, and what was left out, in sentences.

    `whole` is False where the text was cut: then it stands for every token that begins so.
    """

    text: str
    words: tuple[str, ...]
    notes: tuple[str, ...]
    whole: bool

    @classmethod
    def of(cls, given: str) -> Query:
        """The search for any string whatever."""
        read = given.encode("utf-8", "replace").decode()
        text = read[:LONGEST]
        words = tuple(dict.fromkeys(words_of(text)))
        notes = []
        if len(read) > LONGEST:
            notes.append(f"The search is cut to its first {LONGEST} of {len(read):,} characters.")
        if len(words) > MOST_WORDS:
            left = many(len(words) - MOST_WORDS, "word")
            notes.append(f"Descriptions are searched for the first {MOST_WORDS} words; {left} left out.")
        return cls(text, words[:MOST_WORDS], tuple(notes), len(read) < LONGEST)

    @property
    def spellings(self) -> frozenset[str]:
        """How an atlas may store the text: as it stands, with a doubled backslash, with a chip's symbols for spaces."""
        plain = self.text.translate(SYMBOLS)
        return frozenset({self.text, self.text.replace("\\", "\\\\"), plain, plain.replace("\\", "\\\\")})


def words_of(text: str) -> list[str]:
    """The words of a text without case, very long ones cut."""
    return [word_of(found) for found in WORD.findall(text)]


def word_of(found: str) -> str:
    """A word as it is looked for."""
    return found[:LONGEST_WORD].casefold()


def folded(token: str) -> str:
    """A token without case and the space around it; white space stays as it is."""
    return token.strip().casefold() or token
