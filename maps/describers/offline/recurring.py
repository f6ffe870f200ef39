"""Hypotheses suggested by a head's own targets: strings and endings that recur whatever the source."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial

from maps.describers.offline.hypotheses import Hypothesis, Tier
from maps.describers.offline.tokens import ParsedMapping, ParsedToken

SMALL_SET = "one small set"
STRING_LIST_NAMES = ("one string", "a few strings")  # the sentence lists all strings of these hypotheses
SMALL_SET_SIZE, FEW_STRINGS_SIZE = 10, 5  # words
MIN_WORDS_PER_ENDING = 8  # different words that share an ending


def recurring_hypotheses(lines: Sequence[ParsedMapping], min_support: int) -> list[Hypothesis]:
    """The hypotheses that a head's targets suggest, narrow ones first; each still has to be tested.

    Three targets are among at most ten words, each of which is a target in at least a third of the mappings. One target
    is a word that is a target in at least `min_support` mappings. Three targets have one ending. Two targets are among
    at most five words, each of which is a target in at least a fifth of the mappings.
    """
    # In how many mappings each word is among the targets.
    counts = Counter(word for line in lines for word in sorted({target.word for target in line.targets}))
    small_set = _frequent_words(counts, SMALL_SET_SIZE, len(lines) / 3)
    constant = _frequent_words(counts, len(counts), min_support)
    few = _frequent_words(counts, FEW_STRINGS_SIZE, len(lines) / 5)
    one_string = "the string" if len(constant) == 1 else "one of the strings"
    return [
        *_word_hypotheses(small_set, SMALL_SET, "the same few strings", Tier.MOST_TARGETS, 3),
        *_word_hypotheses(constant, STRING_LIST_NAMES[0], one_string, Tier.FEW_TARGETS, 1),
        *_ending_hypotheses(lines, min_support),
        *_word_hypotheses(few, STRING_LIST_NAMES[1], "two or more of the strings", Tier.FEW_TARGETS, 2),
    ]


def _frequent_words(counts: Counter[str], max_words: int, min_count: float) -> frozenset[str]:
    """Of the `max_words` most frequent words, those that are targets in at least `min_count` mappings, and in two."""
    return frozenset(word for word, count in counts.most_common(max_words) if count >= max(min_count, 2))


def _word_hypotheses(words: frozenset[str], name: str, phrase: str, tier: Tier, min_targets: int) -> list[Hypothesis]:
    """The hypothesis that `min_targets` targets are among the words; none without words."""
    return [Hypothesis(name, phrase, tier, lambda _, t: t.word in words, min_targets, False)] if words else []


def _ending_hypotheses(lines: Sequence[ParsedMapping], min_support: int) -> list[Hypothesis]:
    """The longest ending that three targets have in enough mappings, and that eight different words have."""
    words: dict[str, set[str]] = defaultdict(set)
    for word in {target.word for line in lines for target in line.targets if target.is_word}:
        for length in range(1, min(5, len(word))):
            words[word[-length:]].add(word)
    frequent = [ending for ending in words if len(words[ending]) >= MIN_WORDS_PER_ENDING]
    for ending in sorted(frequent, key=lambda e: (-len(e), e)):
        fits = partial(_has_ending, ending)
        name, phrase = f"targets in -{ending}", f"strings that end in “{ending}”"
        hypothesis = Hypothesis(name, phrase, Tier.MOST_TARGETS, fits, 3, False)
        if hypothesis.support(lines) >= min_support:
            return [hypothesis]
    return []


def _has_ending(ending: str, _: ParsedToken, target: ParsedToken) -> bool:
    return target.is_word and target.word.endswith(ending) and target.word != ending
