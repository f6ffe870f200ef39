"""What a visitor typed, made ready: cut, without what is no text, taken apart into words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from maps.text import pluralize

MAX_QUERY_LENGTH, MAX_WORDS, MAX_WORD_LENGTH = 200, 12, 40
WORD_PATTERN = re.compile(r"[^\W_]+")
CHIP_SYMBOLS = str.maketrans({"·": " ", "⏎": "\n", "⇥": "\t"})  # as chips show white space


@dataclass(frozen=True)
class Query:
    """A search: the text as it is looked for among tokens, its words, and what was left out, in sentences.

    `is_whole` is False where the text was cut: then it stands for every token that begins so.
    """

    text: str
    words: tuple[str, ...]
    notes: tuple[str, ...]
    is_whole: bool

    @classmethod
    def parse(cls, typed_text: str) -> Query:
        """The search for any string whatever."""
        read = typed_text.encode("utf-8", "replace").decode()
        text = read[:MAX_QUERY_LENGTH]
        words = tuple(dict.fromkeys(split_words(text)))
        notes = []
        if len(read) > MAX_QUERY_LENGTH:
            notes.append(f"The search is cut to its first {MAX_QUERY_LENGTH} of {len(read):,} characters.")
        if len(words) > MAX_WORDS:
            left = pluralize(len(words) - MAX_WORDS, "word")
            notes.append(f"Descriptions are searched for the first {MAX_WORDS} words; {left} left out.")
        return cls(text, words[:MAX_WORDS], tuple(notes), len(read) < MAX_QUERY_LENGTH)

    @property
    def spellings(self) -> frozenset[str]:
        """How an atlas may store the text: as it stands, with a doubled backslash, with a chip's symbols for spaces."""
        plain = self.text.translate(CHIP_SYMBOLS)
        return frozenset({self.text, self.text.replace("\\", "\\\\"), plain, plain.replace("\\", "\\\\")})


def split_words(text: str) -> list[str]:
    """The words of a text without case, very long ones cut."""
    return [normalise_word(found) for found in WORD_PATTERN.findall(text)]


def normalise_word(word: str) -> str:
    """A word as it is looked for."""
    return word[:MAX_WORD_LENGTH].casefold()


def fold_token(token: str) -> str:
    """A token without case and the space around it; white space stays as it is."""
    return token.strip().casefold() or token
