"""The offline describer: fixed rules, no model, always the same answer. A baseline to compare describers with."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files

from maps.atlas.readings import PAPER_READING, reading_phrase, shares_mean
from maps.describers.offline.hypotheses import (
    FEW_STRINGS,
    SMALL_SET,
    Hypothesis,
    Tier,
    fixed_hypotheses,
    recurring_hypotheses,
)
from maps.describers.offline.inputs import SourceDescriber
from maps.describers.offline.kinds import closed_classes, is_word_piece, wide_kind_tests, word_kind_tests
from maps.describers.offline.lexicon import Lexicon
from maps.describers.offline.tokens import ParsedMapping
from maps.text import quote_for_prompt
from maps.types import Answer, Description, Mapping, Relation

OFFLINE_MODEL = "offline rules v4"
UNCLEAR = "Unclear"
WHATEVER_THE_INPUT = "Whatever the input, the outputs"
MIN_WORD_LENGTH = 4  # letters of a word that a piece may complete
HALF_SHARE = 0.4  # the least share of mappings for "in about half of the mappings"
HALF_CHANCE_FACTOR = 4  # such a hypothesis needs this many times the support expected by chance


@dataclass(frozen=True)
class SupportedHypothesis:
    """A hypothesis with enough support. `is_half`: enough for "about half of the mappings" only."""

    hypothesis: Hypothesis
    support: int
    is_half: bool

    @property
    def sort_key(self) -> tuple[bool, int, int, int]:
        """Sorts the best first: by tier, but wide kinds of targets come after whatever holds in half of the mappings.

        In the tier FEW_TARGETS, the hypothesis about more targets is better. Ties go to the higher support.
        """
        tier = self.hypothesis.tier
        targets = self.hypothesis.min_targets if tier == Tier.FEW_TARGETS else 0
        return (self.is_half or tier == Tier.WIDE_TARGETS, tier, -targets, -self.support)


class OfflineDescriber:
    """Tests fixed hypotheses on a head's mappings and describes the head by the best one, or by "Unclear".

    A hypothesis needs the support of two thirds of the mappings (20 of 30; docs/contract.md, section 5). A hypothesis
    about how targets depend on sources also needs twice the support that it has when the sources' targets are
    exchanged. If it has the support of only two fifths (12 of 30), but four times that with exchanged targets, the
    sentence begins "In about half of the mappings". Of the hypotheses with enough support the most specific tier wins,
    then the highest support, then the order in docs/offline.md. Where all sources share a part, most sentences about
    the targets alone are true of random heads too, and are no pattern.
    """

    name = "offline"

    def __init__(
        self, relations: Sequence[Relation] = (), reading: str = PAPER_READING, *, is_of_group: bool = False
    ) -> None:
        """`relations`: the relations that mappings are compared with. `reading`: that of the mappings.

        `is_of_group`: the mappings are one operation of a head. That they have targets in common tells it from the
        others, in every reading.
        """
        lexicon = load_lexicon()
        long_words = {word for word in lexicon.words if len(word) >= MIN_WORD_LENGTH}
        self._hypotheses = fixed_hypotheses(relations, long_words, lexicon)
        self._reading, self._is_of_group = PAPER_READING if is_of_group else reading, is_of_group
        closed = closed_classes(relations, lexicon)
        parts_of_speech = wide_kind_tests(lexicon) | {"pieces of words": partial(is_word_piece, lexicon)}
        self._source_describer = SourceDescriber(lexicon, closed, word_kind_tests({}, lexicon), parts_of_speech)

    async def describe(self, mappings: Sequence[Mapping], seed: int) -> Answer:
        """Describes a head. Nothing is random, so the seed is not used and the answer's seed is None.

        `support` is the number of mappings with the pattern; None if the pattern is "Unclear".
        """
        del seed
        lines = [ParsedMapping.parse(mapping) for mapping in mappings]
        hypotheses = self.applicable_hypotheses(lines)
        with_support = _supported_hypotheses(hypotheses, lines)
        patterns = self._patterns(with_support)
        sources = [line.source for line in lines]
        names = ", ".join(hypothesis.name for hypothesis in hypotheses)
        reasoning = f"Fixed rules of the offline describer, no language model. Tested: {names}."
        if with_support and not patterns:
            reasoning = (
                f"{_pattern_sentence(with_support, lines)} Random heads show the like in "
                f"{reading_phrase(self._reading)}, so it counts as no pattern. {reasoning}"
            )
        pattern = _pattern_sentence(patterns, lines)
        if self._is_of_group:
            pattern = pattern.replace(WHATEVER_THE_INPUT, "The outputs", 1)
        inputs = self._source_describer.describe_sources(sources, _two_thirds(lines))
        support = patterns[0].support if patterns else None
        return Answer(Description(inputs, pattern, reasoning), OFFLINE_MODEL, support=support)

    def best_hypothesis(self, mappings: Sequence[Mapping]) -> Hypothesis | None:
        """The hypothesis that describes a head, or None where the pattern is "Unclear"."""
        lines = [ParsedMapping.parse(mapping) for mapping in mappings]
        patterns = self._patterns(_supported_hypotheses(self.applicable_hypotheses(lines), lines))
        return patterns[0].hypothesis if patterns else None

    def _patterns(self, with_support: Sequence[SupportedHypothesis]) -> list[SupportedHypothesis]:
        """Of the hypotheses with enough support, those that count as a pattern in the reading."""
        is_shared = shares_mean(self._reading)
        return [each for each in with_support if not (is_shared and each.hypothesis.needs_other_sources)]

    def applicable_hypotheses(self, lines: Sequence[ParsedMapping]) -> list[Hypothesis]:
        """The hypotheses to test on these mappings, in the order that decides ties."""
        return [*self._hypotheses, *recurring_hypotheses(lines, _two_thirds(lines))]


def _list_rows(name: str) -> list[list[str]]:
    """The lines of a word list in maps/data/lexicon, split at tabs, without comments."""
    text = files("maps.data").joinpath("lexicon", f"{name}.txt").read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if not line.startswith("#")]


@cache
def load_lexicon() -> Lexicon:
    closed = {name: frozenset(words.split()) for name, words in _list_rows("closed")}
    irregular: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for inflection, word, form in _list_rows("irregular"):
        irregular[inflection].add((word, form))
    rhymes: dict[str, set[int]] = defaultdict(set)
    for number, (group,) in enumerate(_list_rows("rhymes")):
        for word in group.split():
            rhymes[word].add(number)
    return Lexicon(
        semantic_fields={name: frozenset(words.split()) for name, words in _list_rows("fields")},
        # A class whose name begins with + consists of function words.
        closed_classes={name.removeprefix("+"): words for name, words in closed.items()},
        function_words=frozenset().union(*(words for name, words in closed.items() if name.startswith("+"))),
        irregular_forms={name: frozenset(pairs) for name, pairs in irregular.items()},
        rhyme_groups={word: frozenset(numbers) for word, numbers in rhymes.items()},
    )


def _two_thirds(lines: Sequence[ParsedMapping]) -> int:
    """Two thirds of the number of mappings, rounded up, and at least 1."""
    return max(1, -(-2 * len(lines) // 3))


def _supported_hypotheses(
    hypotheses: Sequence[Hypothesis], lines: Sequence[ParsedMapping]
) -> list[SupportedHypothesis]:
    """The hypotheses with enough support, the best first."""
    checked = [_check_hypothesis(hypothesis, lines) for hypothesis in hypotheses]
    return sorted(filter(None, checked), key=lambda each: each.sort_key)


def _check_hypothesis(hypothesis: Hypothesis, lines: Sequence[ParsedMapping]) -> SupportedHypothesis | None:
    """A hypothesis with its support, or None if that is not enough (thresholds in `OfflineDescriber`)."""
    if not hypothesis.depends_on_source:
        has_support = _has_support(hypothesis, lines, _two_thirds(lines)) and hypothesis.has_words(lines)
        return SupportedHypothesis(hypothesis, hypothesis.support(lines), is_half=False) if has_support else None
    if not _has_support(hypothesis, lines, max(2, math.ceil(HALF_SHARE * len(lines)))):
        return None  # checked first, since the support by chance takes one pass over the mappings per mapping
    support = hypothesis.support(lines)
    by_chance = hypothesis.support_by_chance(lines)
    if support >= _two_thirds(lines) and 2 * by_chance <= support:
        return SupportedHypothesis(hypothesis, support, is_half=False)
    if HALF_CHANCE_FACTOR * by_chance <= support:
        return SupportedHypothesis(hypothesis, support, is_half=True)
    return None


def _has_support(hypothesis: Hypothesis, lines: Sequence[ParsedMapping], min_support: int) -> bool:
    """Whether at least `min_support` mappings support a hypothesis; stops as soon as too many do not."""
    failures = 0
    for line in lines:
        failures += not hypothesis.holds_for(line.source, line.targets)
        if failures > len(lines) - min_support:
            return False
    return len(lines) >= min_support


def _pattern_sentence(supported: Sequence[SupportedHypothesis], lines: Sequence[ParsedMapping]) -> str:
    """The sentence for the best hypothesis; a second exact one with the same kind of support is added."""
    if not supported:
        return UNCLEAR
    best, is_half = supported[0].hypothesis, supported[0].is_half
    if not best.depends_on_source:
        kinds = [other.hypothesis for other in supported if other.hypothesis.tier == best.tier == Tier.MOST_TARGETS]
        named_kind = next((kind for kind in kinds if kind.name != SMALL_SET), best)
        return _targets_sentence(named_kind, kinds, lines)
    start = "In about half of the mappings, the outputs include" if is_half else "The outputs include"
    sentence = f"{start} {best.phrase}, such as {_example_pairs(best, lines)}"
    for other in supported[1:]:
        if other.hypothesis.tier <= Tier.OPERATION and other.is_half == is_half:
            sentence += f"; also {other.hypothesis.phrase}, such as {_example_pairs(other.hypothesis, lines)}"
            break
    return f"{sentence}."


def _targets_sentence(best: Hypothesis, kinds: Sequence[Hypothesis], lines: Sequence[ParsedMapping]) -> str:
    if best.tier == Tier.FEW_TARGETS:
        separator = " " if best.name == FEW_STRINGS else ", such as "
        return f"{WHATEVER_THE_INPUT} mostly include {best.phrase}{separator}{_example_targets(best, lines)}."
    is_also_small_set = any(kind is not best and kind.name == SMALL_SET for kind in kinds)
    few = ", the same few again and again" if is_also_small_set else ""
    return f"{WHATEVER_THE_INPUT} are mostly {best.phrase}{few}, such as {_example_targets(best, lines)}."


def _example_pairs(hypothesis: Hypothesis, lines: Sequence[ParsedMapping]) -> str:
    """Up to two examples of different words, as source to target."""
    examples: dict[str, str] = {}
    for line in lines:
        target = next((target for target in line.targets if hypothesis.fits(line.source, target)), None)
        if target and hypothesis.holds_for(line.source, line.targets):
            source, output = quote_for_prompt(line.source.stored_form), quote_for_prompt(target.stored_form)
            examples.setdefault(line.source.word, f"{source} to {output}")
    return " and ".join(list(examples.values())[:2])


def _example_targets(hypothesis: Hypothesis, lines: Sequence[ParsedMapping]) -> str:
    """Up to five different words among the targets that fit, the most frequent first."""
    fitting = [target for line in lines for target in line.targets if hypothesis.fits(line.source, target)]
    first_spelling = {token.word: token for token in reversed(fitting)}
    counts = Counter(token.word for token in fitting)
    return ", ".join(quote_for_prompt(first_spelling[word].stored_form) for word, _ in counts.most_common(5))
