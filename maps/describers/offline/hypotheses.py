"""The hypotheses of the offline describer about which function turns a head's sources into its targets.

A hypothesis tests one (source, target) pair. A mapping supports it if at least `min_targets` of its targets pass, which
makes chance unlikely for one mapping; `support_by_chance` makes it unlikely for the whole list. The describer chooses
among the supported hypotheses (describer.py).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import partial

from maps.describers.offline import functions, kinds
from maps.describers.offline.lexicon import INFLECTIONS, Lexicon
from maps.describers.offline.tokens import ParsedMapping, ParsedToken, TokenTest
from maps.types import Relation

LONGEST_PREFIX, LONGEST_ENDING = 6, 5
NAMED_FORMS = {  # inflections with a list of irregular forms, and the ending of the regular forms
    "plural": "-s form",
    "past tense": "-ed form",
    "past participle": "-ed form",
    "comparative": "-er form",
    "superlative": "-est form",
}
SMALL_SET = "one small set"
FEW_STRINGS = "a few strings"  # the sentence lists them
SMALL_SET_SIZE, FEW_STRINGS_SIZE = 10, 5  # words
MIN_WORDS_PER_ENDING = 8  # different words that share an ending
MIN_WORDS_PER_KIND = 7  # different words of a kind, if one or two targets of each mapping are of it; a week has seven


class Tier(IntEnum):
    """How specific a hypothesis is. The lowest tier wins, even against higher support in another tier."""

    RELATION = 0  # source and target are a known pair: of a relation, or successive numbers, weekdays …
    OPERATION = 1  # the target is one exact operation on the source: first letter, -s form …
    OPERATION_FAMILY = 2  # the target is one of several such operations: any inflected form …
    LIKENESS = 3  # the target resembles the source in letters, sound or meaning
    MOST_TARGETS = 4  # most targets are of one kind, whatever the source: animals, punctuation …
    FEW_TARGETS = 5  # some targets of each mapping are of one kind, whatever the source
    WIDE_TARGETS = 6  # most targets are of a wide kind, whatever the source: nouns, verbs …


@dataclass(frozen=True)
class Hypothesis:
    """One possible function. `phrase` is the name of its output in a sentence.

    `min_targets`: how many of a mapping's five targets must fit. `depends_on_source`: the hypothesis says how targets
    depend on their source, so it must hold far more often for a source's own targets than for those of other sources.
    `min_words`: how many different words must fit; fewer are strings that recur by chance rather than a kind.
    `needs_other_sources`: it says something only where sources have nothing in common. If all share a part, as in the
    calibrated reading, random heads show it as often as trained ones.
    """

    name: str
    phrase: str
    tier: Tier
    fits: Callable[[ParsedToken, ParsedToken], bool]
    min_targets: int = 1
    depends_on_source: bool = True
    min_words: int = 0
    needs_other_sources: bool = False

    def holds_for(self, source: ParsedToken, targets: Sequence[ParsedToken]) -> bool:
        """Whether at least `min_targets` targets fit; all of them if there are fewer."""
        fitting = sum(self.fits(source, target) for target in targets)
        return fitting >= max(1, min(self.min_targets, len(targets)))

    def support(self, lines: Sequence[ParsedMapping]) -> int:
        return sum(self.holds_for(line.source, line.targets) for line in lines)

    def has_words(self, lines: Sequence[ParsedMapping]) -> bool:
        """Whether at least `min_words` different words among the targets fit."""
        if not self.min_words:
            return True
        words = {target.word for line in lines for target in line.targets if self.fits(line.source, target)}
        return len(words) >= self.min_words

    def support_by_chance(self, lines: Sequence[ParsedMapping]) -> float:
        """The mean support over all rotations of the targets: source i gets the targets of source i + 1, i + 2 …"""
        supports = []
        for shift in range(1, len(lines)):
            targets = [line.targets for line in (*lines[shift:], *lines[:shift])]
            supports.append(sum(self.holds_for(line.source, own) for line, own in zip(lines, targets, strict=True)))
        return sum(supports) / len(supports) if supports else 0.0


def fixed_hypotheses(relations: Sequence[Relation], words: Collection[str], lexicon: Lexicon) -> list[Hypothesis]:
    """All hypotheses that do not depend on the head, in the order that decides ties.

    `words`: whole words in lower case, which a piece of a word may complete.
    """
    relation_pairs = [hypothesis for relation in relations for hypothesis in _relation_hypotheses(relation)]
    return [
        *relation_pairs,
        *_exact_hypotheses(words),
        *_inflection_hypotheses(lexicon),
        *_family_hypotheses(lexicon),
        *(_prefix_hypothesis(length) for length in range(LONGEST_PREFIX, 0, -1)),
        *(_suffix_hypothesis(length) for length in range(LONGEST_ENDING, 1, -1)),
        *_likeness_hypotheses(lexicon),
        *_target_kind_hypotheses(relations, lexicon),
    ]


def _target_kind_hypotheses(relations: Sequence[Relation], lexicon: Lexicon) -> list[Hypothesis]:
    """Kinds of most targets; then of two targets in each mapping, closed classes of one too; then wide kinds."""
    closed, wide = kinds.closed_classes(relations, lexicon), kinds.wide_kind_tests(lexicon)
    narrow = kinds.word_kind_tests(closed, lexicon) | kinds.KIND_TESTS | kinds.TARGET_SHAPE_TESTS
    is_open = {name: name not in closed and name not in kinds.RARE_BY_CHANCE for name in (*narrow, *wide)}

    def hypothesis(name: str, tier: Tier, min_targets: int, min_words: int = 0) -> Hypothesis:
        test, amount = (narrow | wide)[name], {2: "two or more ", 1: "one or more "}.get(min_targets, "")
        about, phrase = f"{amount}targets: {name}", f"{amount}{name}"
        fits = partial(_target_passes, test)
        return Hypothesis(about, phrase, tier, fits, min_targets, False, min_words, is_open[name])

    return [
        *(hypothesis(name, Tier.MOST_TARGETS, 3) for name in narrow),
        *(hypothesis(name, Tier.FEW_TARGETS, 2, MIN_WORDS_PER_KIND) for name in narrow),
        *(hypothesis(name, Tier.FEW_TARGETS, 1, MIN_WORDS_PER_KIND) for name in closed),
        *(hypothesis(name, Tier.WIDE_TARGETS, 3) for name in wide),
    ]


def _target_passes(test: TokenTest, _: ParsedToken, target: ParsedToken) -> bool:
    return test(target)


def _relation_hypotheses(relation: Relation) -> list[Hypothesis]:
    """Membership in a relation, forwards and backwards. Pairs of a word with itself are left to "copying"."""
    name = relation.name.replace("_", " ")
    pairs = {(source.strip().casefold(), target.strip().casefold()) for source, target in relation.pairs}
    pairs = {(source, target) for source, target in pairs if source != target}
    if not pairs:
        return []
    phrase, tier = f"its counterpart in the relation “{name}”", Tier.RELATION
    forwards = partial(functions.is_listed_pair, pairs)
    backwards = partial(functions.is_listed_pair, {(target, source) for source, target in pairs})
    return [
        Hypothesis(f"relation {name}", phrase, tier, forwards),
        Hypothesis(f"relation {name}, reversed", f"{phrase}, read backwards", tier, backwards),
    ]


def _exact_hypotheses(words: Collection[str]) -> list[Hypothesis]:
    """Numbers and fixed lists, and exact operations on the string."""
    relation, operation = Tier.RELATION, Tier.OPERATION
    month = "the month's number or the month of that number"
    following = partial(functions.is_listed_pair, functions.NEXT_PAIRS)
    rewritten = "the same number in digits or in words"
    respaced = "the same word with or without a leading space"
    completes = "a piece that completes the source to a word"
    return [
        Hypothesis("next number", "the number that follows the source", relation, partial(functions.is_number_step, 1)),
        Hypothesis("previous number", "the number before the source", relation, partial(functions.is_number_step, -1)),
        Hypothesis("same number", rewritten, relation, partial(functions.is_number_step, 0)),
        Hypothesis("next in a list", "what follows the source in its list", relation, following),
        Hypothesis("month and number", month, relation, functions.is_month_number),
        Hypothesis("copying", "the source itself", operation, lambda s, t: s.text == t.text),
        Hypothesis("change of case", "the same word in another case", operation, functions.is_other_case),
        Hypothesis("change of leading space", respaced, operation, functions.is_other_spacing),
        Hypothesis("first letter", "the first letter of the source", operation, partial(functions.is_letter_at, 0)),
        Hypothesis("last letter", "the last letter of the source", operation, partial(functions.is_letter_at, -1)),
        Hypothesis("abbreviation", "an abbreviation of the source in capitals", operation, functions.is_abbreviation),
        Hypothesis("negation", "the source with or without a negating prefix", operation, functions.is_negation),
        Hypothesis("completion of a sub-word", completes, operation, partial(functions.completes_word, words)),
    ]


def _inflection_hypotheses(lexicon: Lexicon) -> list[Hypothesis]:
    """Each regular ending and each named form, forwards and backwards."""
    forms = [(name, name, Tier.OPERATION) for name in INFLECTIONS]
    forms += [(name, ending, Tier.OPERATION_FAMILY) for name, ending in NAMED_FORMS.items()]
    hypotheses = []
    for name, ending, tier in forms:
        irregular = lexicon.irregular_forms.get(name, frozenset())
        inflect = partial(functions.is_inflection, ending, irregular)
        undo = partial(functions.is_inflection, ending, irregular, is_reversed=True)
        hypotheses += [
            Hypothesis(name, f"the {name} of the source", tier, inflect),
            Hypothesis(f"{name} undone", f"the word of which the source is the {name}", tier, undo),
        ]
    return hypotheses


def _family_hypotheses(lexicon: Lexicon) -> list[Hypothesis]:
    """One of several exact operations, and likeness in letters."""
    same_word = "the source's own word, whatever its case and leading space"
    family = "words of the source's own family: the word itself, its inflected forms and derivations"
    start, operations, likeness = "the first letter or letters of the source", Tier.OPERATION_FAMILY, Tier.LIKENESS
    related, same_family = partial(functions.is_related_form, lexicon), partial(functions.is_same_family, lexicon)
    return [
        Hypothesis("spelling", same_word, operations, lambda s, t: s.word == t.word),
        Hypothesis("inflection", "another inflected form of the source", operations, related),
        Hypothesis("beginning", start, operations, functions.is_beginning_of_source),
        Hypothesis("end", "the last letters of the source", operations, functions.is_ending_of_source),
        Hypothesis("word family", family, likeness, same_family),
        Hypothesis("part", "a part of the source", likeness, functions.is_part_of_source),
        Hypothesis("whole", "words that contain the source", likeness, functions.has_source_as_part),
    ]


def _likeness_hypotheses(lexicon: Lexicon) -> list[Hypothesis]:
    """Likeness in sound and in meaning."""
    field, shares_class = "other words of the source's own semantic field", partial(functions.shares_class, lexicon)
    rhymes = partial(functions.rhymes, lexicon)
    return [
        Hypothesis("rhyme", "words that rhyme with the source", Tier.LIKENESS, rhymes),
        Hypothesis("semantic field", field, Tier.LIKENESS, shares_class, min_targets=2),
    ]


def _prefix_hypothesis(length: int) -> Hypothesis:
    """At least two targets (three for one letter) begin as the source does and are not the source itself."""
    letters, min_targets = ("letter", 3) if length == 1 else (f"{length} letters", 2)
    phrase = f"words that begin with the same {letters} as the source"
    test = partial(functions.shares_letters, length)
    return Hypothesis(f"shared prefix of {length}", phrase, Tier.LIKENESS, test, min_targets)


def _suffix_hypothesis(length: int) -> Hypothesis:
    """At least two targets end as the source does and are not the source itself."""
    phrase = f"words that end with the same {length} letters as the source"
    test = partial(functions.shares_letters, length, at_end=True)
    return Hypothesis(f"shared suffix of {length}", phrase, Tier.LIKENESS, test, min_targets=2)


def recurring_hypotheses(lines: Sequence[ParsedMapping], min_support: int) -> list[Hypothesis]:
    """The hypotheses that a head's targets suggest, narrow ones first; each still has to be tested.

    Three targets are among at most ten words, each of which is a target in at least a third of the mappings. Three
    targets have one ending. Two targets are among at most five words, each of which is a target in at least a fifth of
    the mappings.
    """
    # In how many mappings each word is among the targets.
    counts = Counter(word for line in lines for word in sorted({target.word for target in line.targets}))
    small_set = _frequent_words(counts, SMALL_SET_SIZE, len(lines) / 3)
    few = _frequent_words(counts, FEW_STRINGS_SIZE, len(lines) / 5)
    return [
        *_word_hypotheses(small_set, SMALL_SET, "the same few strings", Tier.MOST_TARGETS, 3),
        *_ending_hypotheses(lines, min_support),
        *_word_hypotheses(few, FEW_STRINGS, "two or more of the strings", Tier.FEW_TARGETS, 2),
    ]


def _frequent_words(counts: Counter[str], max_words: int, min_count: float) -> frozenset[str]:
    """Of the `max_words` most frequent words, those that are targets in at least `min_count` mappings, and in two."""
    return frozenset(word for word, count in counts.most_common(max_words) if count >= max(min_count, 2))


def _word_hypotheses(words: frozenset[str], name: str, phrase: str, tier: Tier, min_targets: int) -> list[Hypothesis]:
    """The hypothesis that `min_targets` targets are among the words; none without words."""
    fits = partial(_is_among, words)
    return [Hypothesis(name, phrase, tier, fits, min_targets, False, needs_other_sources=True)] if words else []


def _is_among(words: frozenset[str], _: ParsedToken, target: ParsedToken) -> bool:
    return target.word in words


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
        hypothesis = Hypothesis(name, phrase, Tier.MOST_TARGETS, fits, 3, False, needs_other_sources=True)
        if hypothesis.support(lines) >= min_support:
            return [hypothesis]
    return []


def _has_ending(ending: str, _: ParsedToken, target: ParsedToken) -> bool:
    return target.is_word and target.word.endswith(ending) and target.word != ending
