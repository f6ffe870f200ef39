"""The named checks of the offline describer that a head's mappings bear out, whoever described the head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from maps.describers.offline.hypotheses import Hypothesis
from maps.describers.offline.tokens import Line
from maps.types import Mapping


class Check(NamedTuple):
    """A check that mappings bear out: how many of them, and how many would by chance where that says something."""

    check: str
    support: int
    by_chance: float | None


def checks(mappings: Sequence[Mapping], tested: Callable[[Sequence[Line]], Sequence[Hypothesis]]) -> list[Check]:
    """Every hypothesis, of those to be tested on these mappings, that at least one bears out, highest support first.

    `by_chance` is the mean support when each source is put before another's targets; None for a check that looks at
    the targets alone.
    """
    lines = [Line.read(mapping) for mapping in mappings]
    borne_out = [(each, support) for each in tested(lines) if (support := each.support(lines))]
    found = [
        Check(each.name, support, each.support_by_chance(lines) if each.tied else None) for each, support in borne_out
    ]
    return sorted(found, key=lambda check: -check.support)
