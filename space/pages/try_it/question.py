"""A visitor's question to the weights: a token or a pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from maps.analysis.classification import SCORE
from maps.errors import MapsError
from maps.text import pluralize
from space.live.worker import LiveQuestion
from space.pages.try_it.view import command_html, probe_command, relation_command_html
from space.web.addresses import SIDE_LABELS

MAX_PAIRS = 200  # pairs
MAX_WORD_LENGTH = 200  # characters of a word
SEPARATORS = ("\t", "->", "→", ",")  # the first that a line holds divides it


@dataclass(frozen=True)
class TryQuestion:
    """What the address asks: a source with its target (empty for none), or pairs; `invalid_lines` are lines that are no pair."""

    source: str = ""
    target: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    invalid_lines: tuple[str, ...] = ()
    side: str = SCORE

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> TryQuestion:
        """Reads an address's query; raises MapsError where it asks for nothing that can be answered."""
        source, target, side = (query.get(name, "").strip() for name in ("source", "target", "side"))
        if target and not source:
            raise MapsError("There is a target without a source; type the source too.")
        if any(len(word) > MAX_WORD_LENGTH for word in (source, target)):
            raise MapsError(f"A word has {MAX_WORD_LENGTH} characters at most here.")
        if side and side not in SIDE_LABELS:
            raise MapsError("The direction in the address is neither score nor suppression.")
        lines = [line for line in query.get("pairs", "").splitlines() if line.strip()]
        divided = [(line, *split_pair(line)) for line in lines]
        pairs = tuple((left, right) for _, left, right in divided if left and right)
        odd = tuple(line for line, left, right in divided if not (left and right))
        if len(lines) > MAX_PAIRS:
            raise MapsError(f"{len(lines):,} lines are too many; {MAX_PAIRS} pairs can be asked at once.")
        if any(len(word) > MAX_WORD_LENGTH for pair in pairs for word in pair):
            raise MapsError(f"A word has {MAX_WORD_LENGTH} characters at most here.")
        return cls(source, target, pairs, odd, side or SCORE)

    @property
    def has_question(self) -> bool:
        """Whether there is a question."""
        return bool(self.source or self.pairs)

    @property
    def question_text(self) -> str:
        """The question in words."""
        if self.pairs:
            return pluralize(len(self.pairs), "pair")
        return f"“{self.source}”" + (f" → “{self.target}”" if self.target else "")

    @property
    def live_question(self) -> LiveQuestion:
        """The question as it is put to the weights."""
        return self.pairs or (self.source, self.target or None)

    @property
    def equivalent_command(self) -> str:
        """The same as a command, as HTML."""
        return (
            relation_command_html(self.pairs) if self.pairs else command_html(probe_command(self.source, self.target))
        )


def split_pair(line: str) -> tuple[str, str]:
    """The two sides of a line; empty where there is none."""
    mark = next((mark for mark in SEPARATORS if mark in line), SEPARATORS[0])
    left, _, right = line.partition(mark)
    return left.strip(), right.strip()
