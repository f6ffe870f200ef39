"""Parses what a visitor typed: cut to a limit, valid text only, split into words, and the heads that it names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from maps.text import pluralize
from maps.types import HeadId

MAX_QUERY_LENGTH, MAX_WORDS, MAX_WORD_LENGTH = 200, 12, 40
WORD_PATTERN = re.compile(r"[^\W_]+")
CHIP_SYMBOLS = str.maketrans({"·": " ", "⏎": "\n", "⇥": "\t"})  # as chips show white space
WORDS_OF_QUESTIONS = (
    "a about an and are at by can did do does for from how i in is me of on or s show tell that the to was were what "
    "when where which who whose why with you"
)
STOP_WORDS = frozenset(WORDS_OF_QUESTIONS.split())  # they say nothing about what is asked
# `L26H2`, `L26 H2`, `layer 26, head 2`, anywhere in the text
HEAD_NAME = re.compile(r"\b(?:l|layer\s*)(\d{1,4})[\s,._-]*(?:h|head\s*)(\d{1,4})\b", re.ASCII | re.IGNORECASE)
BARE_HEAD_NAME = re.compile(r"\s*(\d{1,4})[.:](\d{1,4})\s*", re.ASCII)  # `26.2`, if it is the whole text
MAX_HEADS_NAMED = 4


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
    def content_words(self) -> tuple[str, ...]:
        """The words without the names of heads and the stop words; all words if they are nothing but stop words."""
        if self.named_heads:
            unnamed = split_words(HEAD_NAME.sub(" ", self.text)) if HEAD_NAME.search(self.text) else []
            return tuple(word for word in self.words if word in unnamed and word not in STOP_WORDS)
        return tuple(word for word in self.words if word not in STOP_WORDS) or self.words

    @property
    def named_heads(self) -> tuple[HeadId, ...]:
        """The first MAX_HEADS_NAMED heads whose names the text contains, such as `L26H2` or `layer 26 head 2`."""
        whole = BARE_HEAD_NAME.fullmatch(self.text)
        matches = [whole] if whole else HEAD_NAME.finditer(self.text)
        return tuple(dict.fromkeys(HeadId(int(match[1]), int(match[2])) for match in matches))[:MAX_HEADS_NAMED]

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
