"""Hypotheses suggested by a head's own targets: strings and endings that recur whatever the source."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from maps.describers.offline.hypotheses import Hypothesis, Tier
from maps.describers.offline.tokens import ParsedMapping, ParsedToken

SMALL_SET = "one small set"
STRING_LIST_NAMES = ("one string", "a few strings")  # the sentence lists all strings of these hypotheses
SMALL_SET_SIZE, FEW_STRINGS_SIZE = 10, 5  # words
MIN_WORDS_PER_ENDING = 8  # different words that share an ending


def recurring_hypotheses(lines: Sequence[ParsedMapping], min_support: int) -> list[Hypothesis]:
    """The hypotheses that a head's targets suggest, narrow ones first; each still has to be tested."""
    suggested = [
        _small_set_hypothesis(lines),
        _constant_string_hypothesis(lines, min_support),
        *_ending_hypotheses(lines, min_support),
        _few_strings_hypothesis(lines),
    ]
    return [hypothesis for hypothesis in suggested if hypothesis]


def _mapping_counts(lines: Sequence[ParsedMapping]) -> Counter[str]:
    """In how many mappings each word is among the targets."""
    return Counter(word for line in lines for word in sorted({target.word for target in line.targets}))


def _frequent_words(lines: Sequence[ParsedMapping], max_words: int, share_divisor: int) -> frozenset[str]:
    """Of the `max_words` most frequent words, those in the targets of at least 1 / share_divisor of the mappings."""
    common = _mapping_counts(lines).most_common(max_words)
    return frozenset(word for word, count in common if share_divisor * count >= len(lines) and count > 1)


def _small_set_hypothesis(lines: Sequence[ParsedMapping]) -> Hypothesis | None:
    """Three targets are among at most ten words, each of which is a target in at least a third of the mappings."""
    words = _frequent_words(lines, SMALL_SET_SIZE, 3)
    if not words:
        return None
    return Hypothesis(SMALL_SET, "the same few strings", Tier.MOST_TARGETS, lambda _, t: t.word in words, 3, False)


def _constant_string_hypothesis(lines: Sequence[ParsedMapping], min_support: int) -> Hypothesis | None:
    """One target is a word that is a target in at least `min_support` mappings."""
    words = frozenset(word for word, count in _mapping_counts(lines).items() if count >= min_support and count > 1)
    if not words:
        return None
    phrase = "the string" if len(words) == 1 else "one of the strings"
    return Hypothesis(STRING_LIST_NAMES[0], phrase, Tier.FEW_TARGETS, lambda _, t: t.word in words, 1, False)


def _few_strings_hypothesis(lines: Sequence[ParsedMapping]) -> Hypothesis | None:
    """Two targets are among at most five words, each of which is a target in at least a fifth of the mappings."""
    words = _frequent_words(lines, FEW_STRINGS_SIZE, 5)
    if not words:
        return None
    phrase = "two or more of the strings"
    return Hypothesis(STRING_LIST_NAMES[1], phrase, Tier.FEW_TARGETS, lambda _, t: t.word in words, 2, False)


def _ending_hypotheses(lines: Sequence[ParsedMapping], min_support: int) -> list[Hypothesis]:
    """The longest ending that three targets have in enough mappings, and that eight different words have."""
    words: dict[str, set[str]] = defaultdict(set)
    for word in {target.word for line in lines for target in line.targets if target.is_word}:
        for length in range(1, min(5, len(word))):
            words[word[-length:]].add(word)
    for ending in sorted((e for e in words if len(words[e]) >= MIN_WORDS_PER_ENDING), key=lambda e: (-len(e), e)):
        hypothesis = _ending_hypothesis(ending)
        if hypothesis.support(lines) >= min_support:
            return [hypothesis]
    return []


def _ending_hypothesis(ending: str) -> Hypothesis:
    def fits(_: ParsedToken, target: ParsedToken) -> bool:
        return target.is_word and target.word.endswith(ending) and target.word != ending

    return Hypothesis(f"targets in -{ending}", f"strings that end in “{ending}”", Tier.MOST_TARGETS, fits, 3, False)
