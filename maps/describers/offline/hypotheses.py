"""The hypotheses of the offline describer: which function, if any, turns a head's sources into its targets.

A hypothesis is a test of one (source, target) pair, with the least number of a mapping's targets that must
pass for the mapping to bear it out. That number makes chance unlikely for one mapping; `Hypothesis.tied` and
`support_by_chance` make it unlikely for the list. Knows nothing of sentences' choice: see offline.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum

from maps.describers.offline import functions
from maps.describers.offline.inflections import INFLECTIONS
from maps.describers.offline.kinds import (
    KIND_TESTS,
    TARGET_SHAPE_TESTS,
    closed_classes,
    wide_kind_tests,
    word_kind_tests,
)
from maps.describers.offline.lexicon import Lexicon
from maps.describers.offline.tokens import ParsedMapping, ParsedToken, TokenTest
from maps.types import Relation

LONGEST_PREFIX, LONGEST_ENDING = 6, 5
NAMED_FORMS = {  # inflections that a list completes, with the ending that most words take
    "plural": "-s form",
    "past tense": "-ed form",
    "past participle": "-ed form",
    "comparative": "-er form",
    "superlative": "-est form",
}


class Tier(IntEnum):
    """How specific a hypothesis is; a lower tier wins, whatever the support of a higher one."""

    RELATION = 0  # the pair is in a list of ours, or a number and its successor
    OPERATION = 1  # one exact operation on the string
    OPERATION_FAMILY = 2  # one of several such operations
    LIKENESS = 3  # some likeness to the source, in letters, sound or sense
    MOST_TARGETS = 4  # says nothing of the source
    FEW_TARGETS = 5  # nor of all targets
    WIDE_TARGETS = 6  # nor much of the targets


@dataclass(frozen=True)
class Hypothesis:
    """One possible function. `phrase` names what a source gives; `min_targets` of the (five) targets must fit.

    A `depends_on_source` hypothesis claims that the target depends on its source, so it must hold for each source's own
    targets far more often than for those of the other sources.
    """

    name: str
    phrase: str
    tier: Tier
    fits: Callable[[ParsedToken, ParsedToken], bool]
    min_targets: int = 1
    depends_on_source: bool = True

    def holds_for(self, source: ParsedToken, targets: Sequence[ParsedToken]) -> bool:
        """Whether enough of the targets fit; of a shorter list of targets all must, where `min_targets` is more."""
        hits = sum(self.fits(source, target) for target in targets)
        return hits >= max(1, min(self.min_targets, len(targets)))

    def support(self, lines: Sequence[ParsedMapping]) -> int:
        """The number of mappings that bear it out."""
        return sum(self.holds_for(line.source, line.targets) for line in lines)

    def support_by_chance(self, lines: Sequence[ParsedMapping]) -> float:
        """The mean support when every source is put before the targets of another, over all rotations."""
        turns = [self.support(_rotate_targets(lines, turn)) for turn in range(1, len(lines))]
        return sum(turns) / len(turns) if turns else 0.0


def _rotate_targets(lines: Sequence[ParsedMapping], turn: int) -> list[ParsedMapping]:
    return [ParsedMapping(line.source, lines[(i + turn) % len(lines)].targets) for i, line in enumerate(lines)]


def fixed_hypotheses(
    relations: Sequence[Relation], words: Collection[str], lexicon: Lexicon | None = None
) -> list[Hypothesis]:
    """All hypotheses that hold for any head, in the fixed order that decides ties.

    `words`: whole words in lower case, against which completions are checked. Without a lexicon, those that need
    to know words are left out.
    """
    known = lexicon or Lexicon()
    found = [hypothesis for relation in relations for hypothesis in _relation_hypotheses(relation)]
    found += [*_exact_hypotheses(words), *_inflection_hypotheses(known), *_family_hypotheses(known)]
    found += [_prefix_hypothesis(length) for length in range(LONGEST_PREFIX, 0, -1)]
    found += [_suffix_hypothesis(length) for length in range(LONGEST_ENDING, 1, -1)]
    found += _likeness_hypotheses(known) if known.words else []
    return found + _target_kind_hypotheses(relations, known)


def _target_kind_hypotheses(relations: Sequence[Relation], lexicon: Lexicon) -> list[Hypothesis]:
    """What most targets are, then the narrow classes of which most mappings have two targets or one."""
    closed = closed_classes(relations, lexicon)
    kinds = word_kind_tests(closed, lexicon) | KIND_TESTS | TARGET_SHAPE_TESTS
    narrow = [_target_kind_hypothesis(name, test) for name, test in kinds.items()]
    some = [_target_kind_hypothesis(name, kinds[name], Tier.FEW_TARGETS, least) for least in (2, 1) for name in closed]
    wide = [_target_kind_hypothesis(name, test, Tier.WIDE_TARGETS) for name, test in wide_kind_tests(lexicon).items()]
    return [*narrow, *some, *wide]


def _target_kind_hypothesis(
    name: str, test: TokenTest, tier: Tier = Tier.MOST_TARGETS, min_targets: int = 3
) -> Hypothesis:
    some = {2: "two or more ", 1: "one or more "}.get(min_targets, "")
    return Hypothesis(
        f"{some}targets: {name}",
        f"{some}{name}",
        tier,
        lambda _, t: test(t),
        min_targets=min_targets,
        depends_on_source=False,
    )


def _relation_hypotheses(relation: Relation) -> list[Hypothesis]:
    """Membership of a relation, forwards and backwards. Pairs of a word with itself are left to copying."""
    name = relation.name.replace("_", " ")
    pairs = {(source.strip().casefold(), target.strip().casefold()) for source, target in relation.pairs}
    pairs = {(source, target) for source, target in pairs if source != target}
    if not pairs:
        return []
    return [
        Hypothesis(
            f"relation {name}",
            f"its counterpart in the relation “{name}”",
            Tier.RELATION,
            lambda s, t: (s.word, t.word) in pairs,
        ),
        Hypothesis(
            f"relation {name}, reversed",
            f"its counterpart in the relation “{name}”, read backwards",
            Tier.RELATION,
            lambda s, t: (t.word, s.word) in pairs,
        ),
    ]


def _exact_hypotheses(words: Collection[str]) -> list[Hypothesis]:
    """Lists that need no file, and exact operations on the string."""
    relation, form = Tier.RELATION, Tier.OPERATION
    found = [
        Hypothesis("next number", "the number that follows the source", relation, functions.number_step_test(1)),
        Hypothesis("previous number", "the number before the source", relation, functions.number_step_test(-1)),
        Hypothesis("same number", "the same number in digits or in words", relation, functions.number_step_test(0)),
        Hypothesis("next in a list", "what follows the source in its list", relation, functions.is_next_in_list),
        Hypothesis(
            "month and number", "the month's number or the month of that number", relation, functions.is_month_number
        ),
        Hypothesis("copying", "the source itself", form, lambda s, t: s.text == t.text),
        Hypothesis("change of case", "the same word in another case", form, functions.is_other_case),
        Hypothesis(
            "change of leading space", "the same word with or without a leading space", form, functions.is_other_spacing
        ),
        Hypothesis("first letter", "the first letter of the source", form, functions.letter_at_test(0)),
        Hypothesis("last letter", "the last letter of the source", form, functions.letter_at_test(-1)),
        Hypothesis("abbreviation", "an abbreviation of the source in capitals", form, functions.is_abbreviation),
        Hypothesis("negation", "the source with or without a negating prefix", form, functions.is_negation),
    ]
    if words:
        phrase = "a piece that completes the source to a word"
        found.append(Hypothesis("completion of a sub-word", phrase, form, functions.completion_test(words)))
    return found


def _inflection_hypotheses(lexicon: Lexicon) -> list[Hypothesis]:
    """Each ending and each named form, forwards and backwards."""
    known = [(name, name, Tier.OPERATION) for name in INFLECTIONS]
    known += [
        (name, ending, Tier.OPERATION_FAMILY) for name, ending in NAMED_FORMS.items() if name in lexicon.irregular_forms
    ]
    found = []
    for name, ending, tier in known:
        irregular = lexicon.irregular_forms.get(name, frozenset())
        there, back = (functions.inflection_test(ending, irregular, is_reversed=back) for back in (False, True))
        found += [
            Hypothesis(name, f"the {name} of the source", tier, there),
            Hypothesis(f"{name} undone", f"the word of which the source is the {name}", tier, back),
        ]
    return found


def _family_hypotheses(lexicon: Lexicon) -> list[Hypothesis]:
    """What several exact operations give."""
    same_word = "the source's own word, whatever its case and leading space"
    family = "words of the source's own family: the word itself, its inflected forms and derivations"
    return [
        Hypothesis("spelling", same_word, Tier.OPERATION_FAMILY, lambda s, t: s.word == t.word),
        Hypothesis(
            "inflection",
            "another inflected form of the source",
            Tier.OPERATION_FAMILY,
            functions.related_form_test(lexicon),
        ),
        Hypothesis(
            "beginning",
            "the first letter or letters of the source",
            Tier.OPERATION_FAMILY,
            functions.is_beginning_of_source,
        ),
        Hypothesis("end", "the last letters of the source", Tier.OPERATION_FAMILY, functions.is_ending_of_source),
        Hypothesis("word family", family, Tier.LIKENESS, functions.word_family_test(lexicon)),
        Hypothesis("part", "a part of the source", Tier.LIKENESS, functions.is_part_of_source),
        Hypothesis("whole", "words that contain the source", Tier.LIKENESS, functions.has_source_as_part),
    ]


def _likeness_hypotheses(lexicon: Lexicon) -> list[Hypothesis]:
    """Likeness in sound and in sense."""
    field = "other words of the source's own semantic field"
    return [
        Hypothesis("rhyme", "words that rhyme with the source", Tier.LIKENESS, functions.rhyme_test(lexicon)),
        Hypothesis("semantic field", field, Tier.LIKENESS, functions.shared_class_test(lexicon), min_targets=2),
    ]


def _prefix_hypothesis(length: int) -> Hypothesis:
    """At least two targets (three for one letter) other than the word itself begin as the source does."""
    letters = "letter" if length == 1 else f"{length} letters"
    phrase = f"words that begin with the same {letters} as the source"
    least = 3 if length == 1 else 2
    return Hypothesis(
        f"shared prefix of {length}", phrase, Tier.LIKENESS, functions.shared_letters_test(length), min_targets=least
    )


def _suffix_hypothesis(length: int) -> Hypothesis:
    """At least two targets other than the word itself end as the source does."""
    phrase = f"words that end with the same {length} letters as the source"
    return Hypothesis(
        f"shared suffix of {length}",
        phrase,
        Tier.LIKENESS,
        functions.shared_letters_test(length, at_end=True),
        min_targets=2,
    )
