"""Hypotheses that are read off a head's own targets: strings and endings that come whatever the source."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from maps.describers.offline.hypotheses import Hypothesis, Tier
from maps.describers.offline.tokens import ParsedMapping, ParsedToken

SMALL_SET = "one small set"
STRING_LIST_NAMES = ("one string", "a few strings")  # whose strings are all said
SMALL_SET_SIZE, FEW_STRINGS_SIZE = 10, 5  # words
MIN_WORDS_PER_ENDING = 8  # different ones that share an ending


def recurring_hypotheses(lines: Sequence[ParsedMapping], min_support: int) -> list[Hypothesis]:
    """Those that a head's targets suggest, narrow ones first; each is still to be tested."""
    found = [
        _small_set_hypothesis(lines),
        _constant_string_hypothesis(lines, min_support),
        *_ending_hypotheses(lines, min_support),
        _few_strings_hypothesis(lines),
    ]
    return [hypothesis for hypothesis in found if hypothesis]


def _mapping_counts(lines: Sequence[ParsedMapping]) -> Counter[str]:
    """In how many mappings a word is among the targets."""
    return Counter(word for line in lines for word in sorted({target.word for target in line.targets}))


def _frequent_words(lines: Sequence[ParsedMapping], max_words: int, share_divisor: int) -> frozenset[str]:
    """The most frequent words, at most so many, that are each among the targets of 1 / part of the mappings."""
    common = _mapping_counts(lines).most_common(max_words)
    return frozenset(word for word, count in common if share_divisor * count >= len(lines) and count > 1)


def _small_set_hypothesis(lines: Sequence[ParsedMapping]) -> Hypothesis | None:
    """The same few words come whatever the source.

    The set: at most ten words, each among the targets of at least a third of the mappings. A mapping bears it
    out where three of its targets are of the set.
    """
    often = _frequent_words(lines, SMALL_SET_SIZE, 3)
    if not often:
        return None
    return Hypothesis(SMALL_SET, "the same few strings", Tier.MOST_TARGETS, lambda _, t: t.word in often, 3, False)


def _constant_string_hypothesis(lines: Sequence[ParsedMapping], needed: int) -> Hypothesis | None:
    """The words that are each among the targets of nearly all mappings; one of them bears a mapping out."""
    always = frozenset(word for word, count in _mapping_counts(lines).items() if count >= needed and count > 1)
    if not always:
        return None
    words = "the string" if len(always) == 1 else "one of the strings"
    return Hypothesis(STRING_LIST_NAMES[0], words, Tier.FEW_TARGETS, lambda _, t: t.word in always, 1, False)


def _few_strings_hypothesis(lines: Sequence[ParsedMapping]) -> Hypothesis | None:
    """Two targets of a mapping are of five words, each among the targets of a fifth of the mappings."""
    often = _frequent_words(lines, FEW_STRINGS_SIZE, 5)
    if not often:
        return None
    return Hypothesis(
        STRING_LIST_NAMES[1], "two or more of the strings", Tier.FEW_TARGETS, lambda _, t: t.word in often, 2, False
    )


def _ending_hypotheses(lines: Sequence[ParsedMapping], needed: int) -> list[Hypothesis]:
    """The longest ending that three targets of enough mappings share, in different words, if there is one."""
    words: dict[str, set[str]] = defaultdict(set)
    for word in {target.word for line in lines for target in line.targets if target.is_word}:
        for length in range(1, min(5, len(word))):
            words[word[-length:]].add(word)
    for ending in sorted((e for e in words if len(words[e]) >= MIN_WORDS_PER_ENDING), key=lambda e: (-len(e), e)):
        hypothesis = _ending_hypothesis(ending)
        if hypothesis.support(lines) >= needed:
            return [hypothesis]
    return []


def _ending_hypothesis(ending: str) -> Hypothesis:
    def fits(_: ParsedToken, target: ParsedToken) -> bool:
        return target.is_word and target.word.endswith(ending) and target.word != ending

    return Hypothesis(f"targets in -{ending}", f"strings that end in “{ending}”", Tier.MOST_TARGETS, fits, 3, False)
