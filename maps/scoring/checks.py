"""The hypotheses of the offline describer that a head's mappings support, for heads described by any describer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from maps.describers.offline.hypotheses import Hypothesis
from maps.describers.offline.tokens import ParsedMapping
from maps.types import Mapping


class NamedCheck(NamedTuple):
    """A hypothesis, the number of mappings that support it, and the number expected by chance (None: not defined)."""

    check: str
    support: int
    by_chance: float | None


def supported_checks(
    mappings: Sequence[Mapping], hypotheses_for: Callable[[Sequence[ParsedMapping]], Sequence[Hypothesis]]
) -> list[NamedCheck]:
    """The hypotheses for these mappings that at least one mapping supports, highest support first.

    `by_chance` is the mean support when each source is paired with the targets of another one; None for a hypothesis
    about the targets alone.
    """
    lines = [ParsedMapping.parse(mapping) for mapping in mappings]
    checks = []
    for hypothesis in hypotheses_for(lines):
        support = hypothesis.support(lines)
        if support:
            by_chance = hypothesis.support_by_chance(lines) if hypothesis.depends_on_source else None
            checks.append(NamedCheck(hypothesis.name, support, by_chance))
    return sorted(checks, key=lambda check: -check.support)
