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
from maps.describers.offline.kinds import KINDS, SHAPES, classes, wide_kinds, word_kinds
from maps.describers.offline.lexicon import Lexicon
from maps.describers.offline.tokens import Line, Test, Token
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
    FORM = 1  # one exact operation on the string
    FAMILY = 2  # one of several such operations
    PREFIX = 3  # some likeness to the source, in letters, sound or sense
    TARGETS = 4  # says nothing of the source
    SOME = 5  # nor of all targets
    WIDE = 6  # nor much of the targets


@dataclass(frozen=True)
class Hypothesis:
    """One possible function. `phrase` names what a source gives; `least` of the (five) targets must fit.

    A `tied` hypothesis claims that the target depends on its source, so it must hold for each source's own
    targets far more often than for those of the other sources.
    """

    name: str
    phrase: str
    tier: Tier
    fits: Callable[[Token, Token], bool]
    least: int = 1
    tied: bool = True

    def bears_out(self, source: Token, targets: Sequence[Token]) -> bool:
        """Whether enough of the targets fit; of a shorter list of targets all must, where `least` is more."""
        hits = sum(self.fits(source, target) for target in targets)
        return hits >= max(1, min(self.least, len(targets)))

    def support(self, lines: Sequence[Line]) -> int:
        """The number of mappings that bear it out."""
        return sum(self.bears_out(line.source, line.targets) for line in lines)

    def support_by_chance(self, lines: Sequence[Line]) -> float:
        """The mean support when every source is put before the targets of another, over all rotations."""
        turns = [self.support(_rotated(lines, turn)) for turn in range(1, len(lines))]
        return sum(turns) / len(turns) if turns else 0.0


def _rotated(lines: Sequence[Line], turn: int) -> list[Line]:
    return [Line(line.source, lines[(i + turn) % len(lines)].targets) for i, line in enumerate(lines)]


def hypotheses(
    relations: Sequence[Relation], words: Collection[str], lexicon: Lexicon | None = None
) -> list[Hypothesis]:
    """All hypotheses that hold for any head, in the fixed order that decides ties.

    `words`: whole words in lower case, against which completions are checked. Without a lexicon, those that need
    to know words are left out.
    """
    known = lexicon or Lexicon()
    found = [hypothesis for relation in relations for hypothesis in _of_relation(relation)]
    found += [*_exact(words), *_inflections(known), *_families(known)]
    found += [_beginning(length) for length in range(LONGEST_PREFIX, 0, -1)]
    found += [_ending(length) for length in range(LONGEST_ENDING, 1, -1)]
    found += _likenesses(known) if known.words else []
    return found + _kinds_of_targets(relations, known)


def _kinds_of_targets(relations: Sequence[Relation], lexicon: Lexicon) -> list[Hypothesis]:
    """What most targets are, then the narrow classes of which most mappings have two targets or one."""
    closed = classes(relations, lexicon)
    kinds = word_kinds(closed, lexicon) | KINDS | SHAPES
    narrow = [_targets_of_kind(name, test) for name, test in kinds.items()]
    some = [_targets_of_kind(name, kinds[name], Tier.SOME, least) for least in (2, 1) for name in closed]
    wide = [_targets_of_kind(name, test, Tier.WIDE) for name, test in wide_kinds(lexicon).items()]
    return [*narrow, *some, *wide]


def _targets_of_kind(name: str, test: Test, tier: Tier = Tier.TARGETS, least: int = 3) -> Hypothesis:
    some = {2: "two or more ", 1: "one or more "}.get(least, "")
    return Hypothesis(f"{some}targets: {name}", f"{some}{name}", tier, lambda _, t: test(t), least=least, tied=False)


def _of_relation(relation: Relation) -> list[Hypothesis]:
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


def _exact(words: Collection[str]) -> list[Hypothesis]:
    """Lists that need no file, and exact operations on the string."""
    relation, form = Tier.RELATION, Tier.FORM
    found = [
        Hypothesis("next number", "the number that follows the source", relation, functions.is_number_apart(1)),
        Hypothesis("previous number", "the number before the source", relation, functions.is_number_apart(-1)),
        Hypothesis("same number", "the same number in digits or in words", relation, functions.is_number_apart(0)),
        Hypothesis("next in a list", "what follows the source in its list", relation, functions.is_next),
        Hypothesis(
            "month and number", "the month's number or the month of that number", relation, functions.is_month_number
        ),
        Hypothesis("copying", "the source itself", form, lambda s, t: s.text == t.text),
        Hypothesis("change of case", "the same word in another case", form, functions.is_other_case),
        Hypothesis(
            "change of leading space", "the same word with or without a leading space", form, functions.is_spaced
        ),
        Hypothesis("first letter", "the first letter of the source", form, functions.is_letter_at(0)),
        Hypothesis("last letter", "the last letter of the source", form, functions.is_letter_at(-1)),
        Hypothesis("abbreviation", "an abbreviation of the source in capitals", form, functions.is_abbreviation),
        Hypothesis("negation", "the source with or without a negating prefix", form, functions.is_negation),
    ]
    if words:
        phrase = "a piece that completes the source to a word"
        found.append(Hypothesis("completion of a sub-word", phrase, form, functions.completes(words)))
    return found


def _inflections(lexicon: Lexicon) -> list[Hypothesis]:
    """Each ending and each named form, forwards and backwards."""
    known = [(name, name, Tier.FORM) for name in INFLECTIONS]
    known += [(name, ending, Tier.FAMILY) for name, ending in NAMED_FORMS.items() if name in lexicon.irregular]
    found = []
    for name, ending, tier in known:
        irregular = lexicon.irregular.get(name, frozenset())
        there, back = (functions.is_inflection(ending, irregular, back=back) for back in (False, True))
        found += [
            Hypothesis(name, f"the {name} of the source", tier, there),
            Hypothesis(f"{name} undone", f"the word of which the source is the {name}", tier, back),
        ]
    return found


def _families(lexicon: Lexicon) -> list[Hypothesis]:
    """What several exact operations give."""
    same_word = "the source's own word, whatever its case and leading space"
    family = "words of the source's own family: the word itself, its inflected forms and derivations"
    return [
        Hypothesis("spelling", same_word, Tier.FAMILY, lambda s, t: s.word == t.word),
        Hypothesis("inflection", "another inflected form of the source", Tier.FAMILY, functions.is_related(lexicon)),
        Hypothesis("beginning", "the first letter or letters of the source", Tier.FAMILY, functions.is_beginning),
        Hypothesis("end", "the last letters of the source", Tier.FAMILY, functions.is_ending),
        Hypothesis("word family", family, Tier.PREFIX, functions.is_of_family(lexicon)),
        Hypothesis("part", "a part of the source", Tier.PREFIX, functions.is_part),
        Hypothesis("whole", "words that contain the source", Tier.PREFIX, functions.is_whole),
    ]


def _likenesses(lexicon: Lexicon) -> list[Hypothesis]:
    """Likeness in sound and in sense."""
    field = "other words of the source's own semantic field"
    return [
        Hypothesis("rhyme", "words that rhyme with the source", Tier.PREFIX, functions.rhymes(lexicon)),
        Hypothesis("semantic field", field, Tier.PREFIX, functions.shares_class(lexicon), least=2),
    ]


def _beginning(length: int) -> Hypothesis:
    """At least two targets (three for one letter) other than the word itself begin as the source does."""
    letters = "letter" if length == 1 else f"{length} letters"
    phrase = f"words that begin with the same {letters} as the source"
    least = 3 if length == 1 else 2
    return Hypothesis(f"shared prefix of {length}", phrase, Tier.PREFIX, functions.shares(length), least=least)


def _ending(length: int) -> Hypothesis:
    """At least two targets other than the word itself end as the source does."""
    phrase = f"words that end with the same {length} letters as the source"
    return Hypothesis(f"shared suffix of {length}", phrase, Tier.PREFIX, functions.shares(length, end=True), least=2)
