"""Tokens as the offline describer reads them: their text and their word."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from maps.types import Mapping

TEXT = re.compile(r"(?:[^\\]|\\\\)*", re.DOTALL)  # a stored string without escaped bytes


@dataclass(frozen=True)
class Token:
    """A stored string with what it says.

    `text` is the string itself, or the stored form where its bytes are no text; `word` is the text without
    case and surrounding space, or the text where nothing else is left.
    """

    stored: str
    text: str
    word: str

    @classmethod
    def read(cls, stored: str) -> Token:
        """Undoes the stored form's doubled backslashes."""
        text = stored.replace("\\\\", "\\") if TEXT.fullmatch(stored) else stored
        return cls(stored, text, text.strip().casefold() or text)

    @property
    def is_word(self) -> bool:
        """Whether it is two letters or more, apart from space around them."""
        return len(self.word) > 1 and self.word.isalpha()


@dataclass(frozen=True)
class Line:
    """A mapping as the offline describer reads it."""

    source: Token
    targets: tuple[Token, ...]

    @classmethod
    def read(cls, mapping: Mapping) -> Line:
        """The strings of a mapping; ids and scores play no part."""
        return cls(Token.read(mapping.source), tuple(Token.read(target) for target in mapping.targets))


Test = Callable[[Token], bool]
