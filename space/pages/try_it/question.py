"""A visitor's question to the weights: a token, a pair, or pairs of a relation of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from maps.analysis.classification import SCORE
from maps.errors import MapsError
from maps.text import pluralize
from space.components.markup import Html
from space.live.worker import ProbeQuestion
from space.pages.try_it.view import calibrate_commands, command_html, probe_command, relation_command_html
from space.web.addresses import SIDE_LABELS

MAX_PAIRS = 200
MAX_WORD_LENGTH = 200  # characters
SEPARATORS = ("\t", "->", "→", ",")  # the first of these that a line contains divides it


@dataclass(frozen=True)
class TryQuestion:
    """The question in an address: a source with its target (empty for none), or pairs.

    `invalid_lines` are the lines that are not a pair.
    """

    source: str = ""
    target: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    invalid_lines: tuple[str, ...] = ()
    side: str = SCORE

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> TryQuestion:
        """Reads the query of an address; raises MapsError for a question that cannot be answered."""
        source = query.get("source", "").strip()
        target = query.get("target", "").strip()
        side = query.get("side", "").strip() or SCORE
        lines = [line for line in query.get("pairs", "").splitlines() if line.strip()]
        if target and not source:
            raise MapsError("There is a target without a source. Type the source too.")
        if side not in SIDE_LABELS:
            raise MapsError("The direction in the address must be score or suppression.")
        if len(lines) > MAX_PAIRS:
            raise MapsError(f"{len(lines):,} lines are too many. You can ask about {MAX_PAIRS} pairs at once.")
        pairs, invalid_lines = [], []
        for line in lines:
            left, right = split_pair(line)
            if left and right:
                pairs.append((left, right))
            else:
                invalid_lines.append(line)
        if any(len(word) > MAX_WORD_LENGTH for word in (source, target, *(word for pair in pairs for word in pair))):
            raise MapsError(f"A word can have at most {MAX_WORD_LENGTH} characters here.")
        return cls(source, target, tuple(pairs), tuple(invalid_lines), side)

    @property
    def has_question(self) -> bool:
        return bool(self.source or self.pairs)

    @property
    def question_text(self) -> str:
        if self.pairs:
            return pluralize(len(self.pairs), "pair")
        return f"“{self.source}” → “{self.target}”" if self.target else f"“{self.source}”"

    @property
    def live_question(self) -> ProbeQuestion:
        return self.pairs or (self.source, self.target or None)

    def equivalent_command(self, reading: str) -> Html:
        """The command that computes the answer in a reading."""
        if self.pairs:
            return relation_command_html(self.pairs, reading)
        return command_html([*calibrate_commands(reading), probe_command(self.source, self.target, reading)])


def split_pair(line: str) -> tuple[str, str]:
    """The two sides of a line; a side that is missing is empty."""
    separator = next((mark for mark in SEPARATORS if mark in line), SEPARATORS[0])
    left, _, right = line.partition(separator)
    return left.strip(), right.strip()
