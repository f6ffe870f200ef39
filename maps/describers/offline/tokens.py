"""Tokens as the offline describer reads them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from maps.types import Mapping

TEXT_PATTERN = re.compile(r"(?:[^\\]|\\\\)*", re.DOTALL)  # a stored string without escaped bytes


@dataclass(frozen=True)
class ParsedToken:
    """A token of the atlas.

    `text`: the token itself, or the stored form if its bytes are not text. `word`: the text in lower case without
    surrounding space, or the text if nothing is left.
    """

    stored_form: str
    text: str
    word: str

    @classmethod
    def parse(cls, stored_form: str) -> ParsedToken:
        """Parses a stored form, in which backslashes are doubled."""
        text = stored_form.replace("\\\\", "\\") if TEXT_PATTERN.fullmatch(stored_form) else stored_form
        return cls(stored_form, text, text.strip().casefold() or text)

    @property
    def is_word(self) -> bool:
        """Whether the token is at least two letters, without surrounding space."""
        return len(self.word) > 1 and self.word.isalpha()


@dataclass(frozen=True)
class ParsedMapping:
    """A mapping as tokens, without ids and scores."""

    source: ParsedToken
    targets: tuple[ParsedToken, ...]

    @classmethod
    def parse(cls, mapping: Mapping) -> ParsedMapping:
        return cls(ParsedToken.parse(mapping.source), tuple(ParsedToken.parse(target) for target in mapping.targets))


TokenTest = Callable[[ParsedToken], bool]
