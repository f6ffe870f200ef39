"""The named checks of the offline describer that a head's mappings bear out, whoever described the head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from maps.describers.offline.hypotheses import Hypothesis
from maps.describers.offline.tokens import ParsedMapping
from maps.types import Mapping


class NamedCheck(NamedTuple):
    """A check that mappings bear out: how many of them, and how many would by chance where that says something."""

    check: str
    support: int
    by_chance: float | None


def supported_checks(
    mappings: Sequence[Mapping], hypotheses_for: Callable[[Sequence[ParsedMapping]], Sequence[Hypothesis]]
) -> list[NamedCheck]:
    """Every hypothesis, of those to be tested on these mappings, that at least one bears out, highest support first.

    `by_chance` is the mean support when each source is put before another's targets; None for a check that looks at
    the targets alone.
    """
    lines = [ParsedMapping.parse(mapping) for mapping in mappings]
    borne_out = [(each, support) for each in hypotheses_for(lines) if (support := each.support(lines))]
    found = [
        NamedCheck(each.name, support, each.support_by_chance(lines) if each.depends_on_source else None)
        for each, support in borne_out
    ]
    return sorted(found, key=lambda check: -check.support)
