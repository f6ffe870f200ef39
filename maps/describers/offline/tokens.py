"""Tokens as the offline describer reads them: their text and their word."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from maps.types import Mapping

TEXT_PATTERN = re.compile(r"(?:[^\\]|\\\\)*", re.DOTALL)  # a stored string without escaped bytes


@dataclass(frozen=True)
class ParsedToken:
    """A stored string with what it says.

    `text` is the string itself, or the stored form where its bytes are no text; `word` is the text without
    case and surrounding space, or the text where nothing else is left.
    """

    stored_form: str
    text: str
    word: str

    @classmethod
    def parse(cls, stored_form: str) -> ParsedToken:
        """Undoes the stored form's doubled backslashes."""
        text = stored_form.replace("\\\\", "\\") if TEXT_PATTERN.fullmatch(stored_form) else stored_form
        return cls(stored_form, text, text.strip().casefold() or text)

    @property
    def is_word(self) -> bool:
        """Whether it is two letters or more, apart from space around them."""
        return len(self.word) > 1 and self.word.isalpha()


@dataclass(frozen=True)
class ParsedMapping:
    """A mapping as the offline describer reads it."""

    source: ParsedToken
    targets: tuple[ParsedToken, ...]

    @classmethod
    def parse(cls, mapping: Mapping) -> ParsedMapping:
        """The strings of a mapping; ids and scores play no part."""
        return cls(ParsedToken.parse(mapping.source), tuple(ParsedToken.parse(target) for target in mapping.targets))


TokenTest = Callable[[ParsedToken], bool]
