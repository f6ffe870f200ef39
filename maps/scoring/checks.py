"""The named checks of the offline describer that a head's mappings bear out, whoever described the head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from maps.describers.hypotheses import Hypothesis, hypotheses, small_set
from maps.describers.tokens import Line
from maps.types import Mapping, Relation


class Check(NamedTuple):
    """A check that mappings bear out: how many of them, and how many would by chance where that says something."""

    check: str
    support: int
    by_chance: float | None


class Checks:
    """The checks for heads of one set of relations."""

    def __init__(self, relations: Sequence[Relation]) -> None:
        self._hypotheses: list[Hypothesis] = hypotheses(relations, ())

    def of(self, mappings: Sequence[Mapping]) -> list[Check]:
        """Every check that at least one mapping bears out, highest support first.

        `by_chance` is the mean support when each source is put before another's targets; None for a check that looks
        at the targets alone.
        """
        lines = [Line.read(mapping) for mapping in mappings]
        small = small_set(lines)
        tested = [*self._hypotheses, small] if small else self._hypotheses
        borne_out = [(hypothesis, support) for hypothesis in tested if (support := hypothesis.support(lines))]
        found = [
            Check(hypothesis.name, support, hypothesis.support_by_chance(lines) if hypothesis.tied else None)
            for hypothesis, support in borne_out
        ]
        return sorted(found, key=lambda check: -check.support)
