"""A visitor's question to the weights: a token or a pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from maps.analysis.classification import SCORE
from maps.errors import MapsError
from maps.text import many
from space.live.worker import Question
from space.pages.try_it.view import command_shown, probe_command, relation_command
from space.web.addresses import SIDES

LIMIT = 200  # pairs
LONGEST = 200  # characters of a word
SEPARATORS = ("\t", "->", "→", ",")  # the first that a line holds divides it


@dataclass(frozen=True)
class Asked:
    """What the address asks: a source with its target (empty for none), or pairs; `odd` are lines that are no pair."""

    source: str = ""
    target: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    odd: tuple[str, ...] = ()
    side: str = SCORE

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Asked:
        """Reads an address's query; raises MapsError where it asks for nothing that can be answered."""
        source, target, side = (query.get(name, "").strip() for name in ("source", "target", "side"))
        if target and not source:
            raise MapsError("There is a target without a source; type the source too.")
        if any(len(word) > LONGEST for word in (source, target)):
            raise MapsError(f"A word has {LONGEST} characters at most here.")
        if side and side not in SIDES:
            raise MapsError("The direction in the address is neither score nor suppression.")
        lines = [line for line in query.get("pairs", "").splitlines() if line.strip()]
        divided = [(line, *pair_of(line)) for line in lines]
        pairs = tuple((left, right) for _, left, right in divided if left and right)
        odd = tuple(line for line, left, right in divided if not (left and right))
        if len(lines) > LIMIT:
            raise MapsError(f"{len(lines):,} lines are too many; {LIMIT} pairs can be asked at once.")
        if any(len(word) > LONGEST for pair in pairs for word in pair):
            raise MapsError(f"A word has {LONGEST} characters at most here.")
        return cls(source, target, pairs, odd, side or SCORE)

    @property
    def something(self) -> bool:
        """Whether there is a question."""
        return bool(self.source or self.pairs)

    @property
    def words(self) -> str:
        """The question in words."""
        if self.pairs:
            return many(len(self.pairs), "pair")
        return f"“{self.source}”" + (f" → “{self.target}”" if self.target else "")

    @property
    def put(self) -> Question:
        """The question as it is put to the weights."""
        return self.pairs or (self.source, self.target or None)

    @property
    def command(self) -> str:
        """The same as a command, as HTML."""
        return relation_command(self.pairs) if self.pairs else command_shown(probe_command(self.source, self.target))


def pair_of(line: str) -> tuple[str, str]:
    """The two sides of a line; empty where there is none."""
    mark = next((mark for mark in SEPARATORS if mark in line), SEPARATORS[0])
    left, _, right = line.partition(mark)
    return left.strip(), right.strip()
