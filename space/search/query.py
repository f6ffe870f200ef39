"""Parses what a visitor typed: cut to a limit, valid text only, split into words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from maps.text import pluralize

MAX_QUERY_LENGTH, MAX_WORDS, MAX_WORD_LENGTH = 200, 12, 40
WORD_PATTERN = re.compile(r"[^\W_]+")
CHIP_SYMBOLS = str.maketrans({"·": " ", "⏎": "\n", "⇥": "\t"})  # as chips show white space


@dataclass(frozen=True)
class Query:
    """A search: the text to look for among tokens, its words, and notes for the visitor on what was left out.

    `is_whole` is False for a text of the maximal length: it may have been cut, so it matches every token that starts
    with it.
    """

    text: str
    words: tuple[str, ...]
    notes: tuple[str, ...]
    is_whole: bool

    @classmethod
    def parse(cls, typed_text: str) -> Query:
        """Parses any string; lone surrogates become question marks."""
        valid_text = typed_text.encode("utf-8", "replace").decode()
        text = valid_text[:MAX_QUERY_LENGTH]
        words = tuple(dict.fromkeys(split_words(text)))
        notes = []
        if len(valid_text) > MAX_QUERY_LENGTH:
            notes.append(
                f"Your search has {len(valid_text):,} characters; only the first {MAX_QUERY_LENGTH} are searched for."
            )
        if len(words) > MAX_WORDS:
            left = pluralize(len(words) - MAX_WORDS, "word")
            notes.append(f"Descriptions are searched for the first {MAX_WORDS} words only; {left} left out.")
        return cls(text, words[:MAX_WORDS], tuple(notes), len(valid_text) < MAX_QUERY_LENGTH)

    @property
    def spellings(self) -> frozenset[str]:
        """How an atlas may store the text: as typed, with doubled backslashes, or with spaces for a chip's symbols."""
        plain = self.text.translate(CHIP_SYMBOLS)
        return frozenset({self.text, self.text.replace("\\", "\\\\"), plain, plain.replace("\\", "\\\\")})


def split_words(text: str) -> list[str]:
    return [normalise_word(word) for word in WORD_PATTERN.findall(text)]


def normalise_word(word: str) -> str:
    """A word without case, cut if it is very long."""
    return word[:MAX_WORD_LENGTH].casefold()


def fold_token(token: str) -> str:
    """A token without case and without the space around it; a token of white space only is unchanged."""
    return token.strip().casefold() or token
