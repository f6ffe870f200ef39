"""The offline describer: deterministic, free, without any model. A floor for what descriptions can be."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from maps.describers.offline.hypotheses import Hypothesis, Tier, hypotheses
from maps.describers.offline.inputs import Inputs
from maps.describers.offline.kinds import classes, is_piece, wide_kinds, word_kinds
from maps.describers.offline.recurring import SMALL_SET, STRINGS, recurring
from maps.describers.offline.tokens import Line
from maps.describers.offline.word_lists import lexicon
from maps.text import quoted
from maps.types import Answer, Description, Mapping, Relation

MODEL = "offline rules v2"
UNCLEAR = "Unclear"
SHORTEST_WORD = 4  # letters of a whole word that a sub-word may complete
HALF, HALF_TO_CHANCE = 0.4, 4  # the least share of mappings for "about half", and how far it is above chance


@dataclass(frozen=True)
class Finding:
    """A hypothesis that stands, with its support; `half`: in about half of the mappings only."""

    hypothesis: Hypothesis
    support: int
    half: bool

    @property
    def rank(self) -> tuple[bool, int, int, int]:
        """The best first: what says little of the targets comes after what holds in half of the mappings."""
        tier = self.hypothesis.tier
        targets = self.hypothesis.least if tier == Tier.SOME else 0
        return (self.half or tier == Tier.WIDE, tier, -targets, -self.support)


class Offline:
    """Tests fixed hypotheses on a head's mappings and says the best one, or "Unclear".

    A hypothesis stands where two thirds of the mappings bear it out (20 of 30; docs/contract.md, section 5)
    and, if it ties targets to their sources, where at most half as many would with the sources' targets
    exchanged. One that ties them also stands, and is said to hold in about half of the mappings, from two fifths
    on (12 of 30), where at most a quarter as many would. Of those that stand the most specific tier wins, then the
    highest support, then the order; docs/offline.md lists them.
    """

    name = "offline"

    def __init__(self, relations: Sequence[Relation] = ()) -> None:
        """`relations`: those whose membership is tested."""
        known = lexicon()
        self._hypotheses = hypotheses(relations, {word for word in known.words if len(word) >= SHORTEST_WORD}, known)
        closed = classes(relations, known)
        parts = wide_kinds(known) | {"pieces of words": partial(is_piece, known)}
        self._inputs = Inputs(known, closed, word_kinds({}, known), parts)

    async def describe(self, mappings: Sequence[Mapping], seed: int) -> Answer:
        """Describes a head; nothing is random, so the seed plays no part and the answer's seed is None.

        `support` is the number of mappings that bear out the pattern, None where it is "Unclear".
        """
        del seed
        lines = [Line.read(mapping) for mapping in mappings]
        needed = max(1, -(-2 * len(lines) // 3))
        tested = self.tested(lines)
        standing = _standing(tested, lines, needed)
        names = ", ".join(hypothesis.name for hypothesis in tested)
        description = Description(
            input_strings=self._inputs.sentence([line.source for line in lines], needed),
            observed_pattern=_sentence(standing, lines),
            reasoning=f"Fixed rules of the offline describer, no language model. Tested: {names}.",
        )
        return Answer(description, MODEL, support=standing[0].support if standing else None)

    def tested(self, lines: Sequence[Line]) -> list[Hypothesis]:
        """The hypotheses that are tested on these mappings, in the order that decides ties."""
        return [*self._hypotheses, *recurring(lines, max(1, -(-2 * len(lines) // 3)))]


def _standing(tested: Sequence[Hypothesis], lines: Sequence[Line], needed: int) -> list[Finding]:
    """What stands, best first."""
    found = (_found(hypothesis, lines, needed) for hypothesis in tested)
    return sorted((finding for finding in found if finding), key=lambda finding: finding.rank)


def _found(hypothesis: Hypothesis, lines: Sequence[Line], needed: int) -> Finding | None:
    """A hypothesis with its support, or None where it does not stand."""
    least = max(2, math.ceil(HALF * len(lines))) if hypothesis.tied else needed
    if not _reaches(hypothesis, lines, least):
        return None
    support = hypothesis.support(lines)
    chance = hypothesis.support_by_chance(lines) if hypothesis.tied else 0.0
    if support >= needed and 2 * chance <= support:
        return Finding(hypothesis, support, half=False)
    return Finding(hypothesis, support, half=True) if HALF_TO_CHANCE * chance <= support else None


def _reaches(hypothesis: Hypothesis, lines: Sequence[Line], least: int) -> bool:
    """Whether the support is at least that; looks no further once too many mappings have failed."""
    failures = 0
    for line in lines:
        failures += not hypothesis.bears_out(line.source, line.targets)
        if failures > len(lines) - least:
            return False
    return len(lines) >= least


def _sentence(standing: Sequence[Finding], lines: Sequence[Line]) -> str:
    """One sentence for the best finding, with a second one of the same kind where there is one."""
    if not standing:
        return UNCLEAR
    best, finding = standing[0].hypothesis, standing[0]
    if not best.tied:
        kinds = [other.hypothesis for other in standing if other.hypothesis.tier == best.tier == Tier.TARGETS]
        named = next((kind for kind in kinds if kind.name != SMALL_SET), best)
        return _of_targets(named, kinds, lines)
    also = [
        other.hypothesis for other in standing[1:] if other.hypothesis.tier <= Tier.FORM and other.half == finding.half
    ]
    start = "In about half of the mappings, the outputs include" if finding.half else "The outputs include"
    said = f"{start} {best.phrase}, such as {_pairs(best, lines)}"
    return said + "".join(f"; also {other.phrase}, such as {_pairs(other, lines)}" for other in also[:1]) + "."


def _of_targets(best: Hypothesis, kinds: Sequence[Hypothesis], lines: Sequence[Line]) -> str:
    """The sentence for what says nothing of the source."""
    if best.tier == Tier.SOME:
        joint = " " if best.name in STRINGS else ", such as "
        return f"Whatever the input, the outputs mostly include {best.phrase}{joint}{_targets(best, lines)}."
    few = any(kind is not best for kind in kinds if kind.name == SMALL_SET)
    again = ", the same few again and again" if few else ""
    return f"Whatever the input, the outputs are mostly {best.phrase}{again}, such as {_targets(best, lines)}."


def _pairs(hypothesis: Hypothesis, lines: Sequence[Line]) -> str:
    """Up to two examples from different words, source to target."""
    found: dict[str, str] = {}
    for line in lines:
        target = next((target for target in line.targets if hypothesis.fits(line.source, target)), None)
        if target and hypothesis.bears_out(line.source, line.targets):
            found.setdefault(line.source.word, f"{quoted(line.source.stored)} to {quoted(target.stored)}")
    return " and ".join(list(found.values())[:2])


def _targets(hypothesis: Hypothesis, lines: Sequence[Line]) -> str:
    """Up to five different words among the targets that fit, the most frequent first."""
    fitting = [t for line in lines for t in line.targets if hypothesis.fits(line.source, t)]
    spelled = {token.word: token for token in reversed(fitting)}  # as each word is written first
    counts = Counter(token.word for token in fitting)
    return ", ".join(quoted(spelled[word].stored) for word, _ in counts.most_common(5))
