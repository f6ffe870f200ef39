"""The offline describer: deterministic, free, without any model. A floor for what descriptions can be."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from maps.describers.offline.hypotheses import Hypothesis, Tier, fixed_hypotheses
from maps.describers.offline.inputs import SourceDescriber
from maps.describers.offline.kinds import closed_classes, is_word_piece, wide_kind_tests, word_kind_tests
from maps.describers.offline.recurring import SMALL_SET, STRING_LIST_NAMES, recurring_hypotheses
from maps.describers.offline.tokens import ParsedMapping
from maps.describers.offline.word_lists import load_lexicon
from maps.text import quote_for_prompt
from maps.types import Answer, Description, Mapping, Relation

OFFLINE_MODEL = "offline rules v2"
UNCLEAR = "Unclear"
MIN_WORD_LENGTH = 4  # letters of a whole word that a sub-word may complete
HALF_SHARE, HALF_CHANCE_FACTOR = 0.4, 4  # the least share of mappings for "about half", and how far it is above chance


@dataclass(frozen=True)
class SupportedHypothesis:
    """A hypothesis that stands, with its support; `is_half`: in about half of the mappings only."""

    hypothesis: Hypothesis
    support: int
    is_half: bool

    @property
    def sort_key(self) -> tuple[bool, int, int, int]:
        """The best first: what says little of the targets comes after what holds in half of the mappings."""
        tier = self.hypothesis.tier
        targets = self.hypothesis.min_targets if tier == Tier.FEW_TARGETS else 0
        return (self.is_half or tier == Tier.WIDE_TARGETS, tier, -targets, -self.support)


class OfflineDescriber:
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
        known = load_lexicon()
        self._hypotheses = fixed_hypotheses(
            relations, {word for word in known.words if len(word) >= MIN_WORD_LENGTH}, known
        )
        closed = closed_classes(relations, known)
        parts = wide_kind_tests(known) | {"pieces of words": partial(is_word_piece, known)}
        self._source_describer = SourceDescriber(known, closed, word_kind_tests({}, known), parts)

    async def describe(self, mappings: Sequence[Mapping], seed: int) -> Answer:
        """Describes a head; nothing is random, so the seed plays no part and the answer's seed is None.

        `support` is the number of mappings that bear out the pattern, None where it is "Unclear".
        """
        del seed
        lines = [ParsedMapping.parse(mapping) for mapping in mappings]
        needed = max(1, -(-2 * len(lines) // 3))
        tested = self.applicable_hypotheses(lines)
        standing = _supported_hypotheses(tested, lines, needed)
        names = ", ".join(hypothesis.name for hypothesis in tested)
        description = Description(
            input_strings=self._source_describer.describe_sources([line.source for line in lines], needed),
            observed_pattern=_pattern_sentence(standing, lines),
            reasoning=f"Fixed rules of the offline describer, no language model. Tested: {names}.",
        )
        return Answer(description, OFFLINE_MODEL, support=standing[0].support if standing else None)

    def applicable_hypotheses(self, lines: Sequence[ParsedMapping]) -> list[Hypothesis]:
        """The hypotheses that are tested on these mappings, in the order that decides ties."""
        return [*self._hypotheses, *recurring_hypotheses(lines, max(1, -(-2 * len(lines) // 3)))]


def _supported_hypotheses(
    tested: Sequence[Hypothesis], lines: Sequence[ParsedMapping], min_support: int
) -> list[SupportedHypothesis]:
    """What stands, best first."""
    found = (_check_hypothesis(hypothesis, lines, min_support) for hypothesis in tested)
    return sorted((finding for finding in found if finding), key=lambda finding: finding.sort_key)


def _check_hypothesis(
    hypothesis: Hypothesis, lines: Sequence[ParsedMapping], min_support: int
) -> SupportedHypothesis | None:
    """A hypothesis with its support, or None where it does not stand."""
    least = max(2, math.ceil(HALF_SHARE * len(lines))) if hypothesis.depends_on_source else min_support
    if not _has_support(hypothesis, lines, least):
        return None
    support = hypothesis.support(lines)
    chance = hypothesis.support_by_chance(lines) if hypothesis.depends_on_source else 0.0
    if support >= min_support and 2 * chance <= support:
        return SupportedHypothesis(hypothesis, support, is_half=False)
    return SupportedHypothesis(hypothesis, support, is_half=True) if HALF_CHANCE_FACTOR * chance <= support else None


def _has_support(hypothesis: Hypothesis, lines: Sequence[ParsedMapping], min_support: int) -> bool:
    """Whether the support is at least that; looks no further once too many mappings have failed."""
    failures = 0
    for line in lines:
        failures += not hypothesis.holds_for(line.source, line.targets)
        if failures > len(lines) - min_support:
            return False
    return len(lines) >= min_support


def _pattern_sentence(supported: Sequence[SupportedHypothesis], lines: Sequence[ParsedMapping]) -> str:
    """One sentence for the best finding, with a second one of the same kind where there is one."""
    if not supported:
        return UNCLEAR
    best, finding = supported[0].hypothesis, supported[0]
    if not best.depends_on_source:
        kinds = [other.hypothesis for other in supported if other.hypothesis.tier == best.tier == Tier.MOST_TARGETS]
        named = next((kind for kind in kinds if kind.name != SMALL_SET), best)
        return _targets_sentence(named, kinds, lines)
    also = [
        other.hypothesis
        for other in supported[1:]
        if other.hypothesis.tier <= Tier.OPERATION and other.is_half == finding.is_half
    ]
    start = "In about half of the mappings, the outputs include" if finding.is_half else "The outputs include"
    said = f"{start} {best.phrase}, such as {_example_pairs(best, lines)}"
    return said + "".join(f"; also {other.phrase}, such as {_example_pairs(other, lines)}" for other in also[:1]) + "."


def _targets_sentence(best: Hypothesis, kinds: Sequence[Hypothesis], lines: Sequence[ParsedMapping]) -> str:
    """The sentence for what says nothing of the source."""
    if best.tier == Tier.FEW_TARGETS:
        joint = " " if best.name in STRING_LIST_NAMES else ", such as "
        return f"Whatever the input, the outputs mostly include {best.phrase}{joint}{_example_targets(best, lines)}."
    few = any(kind is not best for kind in kinds if kind.name == SMALL_SET)
    again = ", the same few again and again" if few else ""
    return f"Whatever the input, the outputs are mostly {best.phrase}{again}, such as {_example_targets(best, lines)}."


def _example_pairs(hypothesis: Hypothesis, lines: Sequence[ParsedMapping]) -> str:
    """Up to two examples from different words, source to target."""
    found: dict[str, str] = {}
    for line in lines:
        target = next((target for target in line.targets if hypothesis.fits(line.source, target)), None)
        if target and hypothesis.holds_for(line.source, line.targets):
            found.setdefault(
                line.source.word,
                f"{quote_for_prompt(line.source.stored_form)} to {quote_for_prompt(target.stored_form)}",
            )
    return " and ".join(list(found.values())[:2])


def _example_targets(hypothesis: Hypothesis, lines: Sequence[ParsedMapping]) -> str:
    """Up to five different words among the targets that fit, the most frequent first."""
    fitting = [t for line in lines for t in line.targets if hypothesis.fits(line.source, t)]
    spelled = {token.word: token for token in reversed(fitting)}  # as each word is written first
    counts = Counter(token.word for token in fitting)
    return ", ".join(quote_for_prompt(spelled[word].stored_form) for word, _ in counts.most_common(5))
