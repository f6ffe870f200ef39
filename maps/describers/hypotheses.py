"""The hypotheses of the offline describer: which function, if any, turns a head's sources into its targets.

A hypothesis is a test of one (source, target) pair, with the least number of a mapping's targets that must
pass for the mapping to bear it out. That number makes chance unlikely for one mapping; `Hypothesis.tied` and
`support_by_chance` make it unlikely for the list. Knows nothing of sentences' choice: see offline.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum

from maps.describers.inflections import INFLECTIONS, is_form, related
from maps.describers.tokens import KINDS, WIDE_KINDS, Line, Test, Token, classes
from maps.types import Relation

LONGEST_PREFIX = 6
SMALL_SET = 10  # words


class Tier(IntEnum):
    """How specific a hypothesis is; a lower tier wins, whatever the support of a higher one."""

    RELATION = 0  # the pair is in a list of ours, or a number and its successor
    FORM = 1  # one exact operation on the string
    FAMILY = 2  # one of several such operations
    PREFIX = 3
    TARGETS = 4  # says nothing of the source
    WIDE = 5  # nor much of the targets


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


def hypotheses(relations: Sequence[Relation], words: Collection[str]) -> list[Hypothesis]:
    """All hypotheses that hold for any head, in the fixed order that decides ties.

    `words`: whole words in lower case, against which completions are checked.
    """
    found = [hypothesis for relation in relations for hypothesis in _of_relation(relation)]
    found += [
        Hypothesis("next number", "the number that follows the source", Tier.RELATION, _is_next_number),
        Hypothesis("copying", "the source itself", Tier.FORM, lambda s, t: s.text == t.text),
        Hypothesis("change of case", "the same word in another case", Tier.FORM, _is_other_case),
        Hypothesis("change of leading space", "the same word with or without a leading space", Tier.FORM, _is_spaced),
        Hypothesis("first letter", "the first letter of the source", Tier.FORM, _is_letter_at(0)),
        Hypothesis("last letter", "the last letter of the source", Tier.FORM, _is_letter_at(-1)),
    ]
    found += [_inflection(name, back=back) for name in INFLECTIONS for back in (False, True)]
    if words:
        phrase = "a piece that completes the source to a word"
        found.append(Hypothesis("completion of a sub-word", phrase, Tier.FORM, lambda s, t: _completes(s, t, words)))
    found += [
        Hypothesis(
            "spelling",
            "the source's own word, whatever its case and leading space",
            Tier.FAMILY,
            lambda s, t: s.word == t.word,
        ),
        Hypothesis(
            "inflection",
            "another inflected form of the source",
            Tier.FAMILY,
            lambda s, t: related(s.word, t.word),
        ),
    ]
    found += [_prefix(length) for length in range(LONGEST_PREFIX, 0, -1)]
    found += [_targets_of_class(name, members) for name, members in classes(relations).items()]
    found += [_targets_of_kind(name, test) for name, test in KINDS.items()]
    found += [_targets_of_kind(name, test, Tier.WIDE) for name, test in WIDE_KINDS.items()]
    return found


def small_set(lines: Sequence[Line]) -> Hypothesis | None:
    """The hypothesis that the same few words come whatever the source, or None where no words recur.

    The set: at most ten words, each among the targets of at least a third of the mappings. A mapping bears it
    out where three of its targets are of the set.
    """
    counts = Counter(word for line in lines for word in sorted({target.word for target in line.targets}))
    often = tuple(word for word, count in counts.most_common(SMALL_SET) if 3 * count >= len(lines) and count > 1)
    if not often:
        return None
    return Hypothesis("one small set", "the same few strings", Tier.TARGETS, lambda _, t: t.word in often, 3, False)


def _targets_of_class(name: str, members: Collection[str]) -> Hypothesis:
    return _targets_of_kind(name, lambda token: token.word in members)


def _targets_of_kind(name: str, test: Test, tier: Tier = Tier.TARGETS) -> Hypothesis:
    return Hypothesis(f"targets: {name}", name, tier, lambda _, t: test(t), least=3, tied=False)


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


NUMBER_WORDS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]


def _number(token: Token) -> int | None:
    if token.word in NUMBER_WORDS:
        return NUMBER_WORDS.index(token.word)
    return int(token.word) if token.word.isdecimal() and len(token.word) <= 9 else None


def _is_next_number(source: Token, target: Token) -> bool:
    number = _number(source)
    return number is not None and _number(target) == number + 1


def _is_other_case(source: Token, target: Token) -> bool:
    return source.word == target.word and source.text.strip() != target.text.strip()


def _is_spaced(source: Token, target: Token) -> bool:
    return source.text != target.text and source.text.lstrip(" ") == target.text.lstrip(" ")


def _is_letter_at(position: int) -> Callable[[Token, Token], bool]:
    """The target is the one letter at that place of a source of at least two letters, case apart."""

    def fits(source: Token, target: Token) -> bool:
        return len(source.word) > 1 and source.word.isalpha() and target.word == source.word[position]

    return fits


def _completes(source: Token, target: Token, words: Collection[str]) -> bool:
    """Both pieces have two letters or more and the target goes on without a space."""
    if len(source.word) < 2 or len(target.word) < 2 or not (target.text.islower() and target.text.isalpha()):
        return False
    return source.text.strip().isalpha() and source.word + target.word in words


def _prefix(length: int) -> Hypothesis:
    """At least two targets (three for one letter) other than the word itself begin as the source does."""
    letters = "letter" if length == 1 else f"{length} letters"
    phrase = f"words that begin with the same {letters} as the source"

    def fits(source: Token, target: Token) -> bool:
        head = source.word[:length]
        longer = len(source.word) > length and len(target.word) > length
        return longer and head.isalpha() and target.word.startswith(head) and target.word != source.word

    return Hypothesis(f"shared prefix of {length}", phrase, Tier.PREFIX, fits, least=3 if length == 1 else 2)


def _inflection(name: str, *, back: bool) -> Hypothesis:
    if back:
        phrase = f"the word of which the source is the {name}"
        return Hypothesis(f"{name} undone", phrase, Tier.FORM, lambda s, t: is_form(t.word, s.word, name))
    return Hypothesis(name, f"the {name} of the source", Tier.FORM, lambda s, t: is_form(s.word, t.word, name))
