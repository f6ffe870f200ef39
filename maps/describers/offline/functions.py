"""Functions from one string to another, as tests of a (source, target) pair. Knows nothing of heads."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import pairwise
from posixpath import commonprefix

from maps.describers.offline.inflections import bases, is_form
from maps.describers.offline.lexicon import Lexicon
from maps.describers.offline.tokens import Token

Fits = Callable[[Token, Token], bool]

LISTS = (  # what follows what
    "monday tuesday wednesday thursday friday saturday sunday monday",
    "mon tue wed thu fri sat sun mon",
    "january february march april may june july august september october november december january",
    "jan feb mar apr may jun jul aug sep oct nov dec jan",
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth",
    "i ii iii iv v vi vii viii ix x xi xii",
    "spring summer autumn winter spring",
    " ".join("abcdefghijklmnopqrstuvwxyz"),
)
NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
NUMBER_WORDS, SEQUENCES = NUMBERS.split(), [names.split() for names in LISTS]
NEXT = frozenset(pair for names in SEQUENCES for pair in pairwise(names))
MONTHS = SEQUENCES[2][:12]
NEGATIONS = ("un", "in", "im", "ir", "il", "dis", "non", "mis")


def _number(token: Token) -> int | None:
    if token.word in NUMBER_WORDS:
        return NUMBER_WORDS.index(token.word)
    return int(token.word) if token.word.isdecimal() and len(token.word) <= 9 else None


def is_number_apart(step: int) -> Fits:
    """Both are numbers, in digits or words, and the target is greater by `step`; other strings even at step 0."""

    def fits(source: Token, target: Token) -> bool:
        number = _number(source)
        return number is not None and _number(target) == number + step and source.word != target.word

    return fits


def is_next(source: Token, target: Token) -> bool:
    """The target follows the source in a list such as the weekdays; numbers are `is_number_apart`'s."""
    return (source.word, target.word) in NEXT


def is_month_number(source: Token, target: Token) -> bool:
    """One is a month by name or by its first three letters, the other its number."""
    pairs = ((_month(source.word), _number(target)), (_month(target.word), _number(source)))
    return any(month is not None and month == number for month, number in pairs)


def _month(word: str) -> int | None:
    found = [number for number, name in enumerate(MONTHS, start=1) if word in (name, name[:3])]
    return found[0] if found else None


def is_abbreviation(source: Token, target: Token) -> bool:
    """The target is in capitals, two letters or more, and they are letters of the longer source in order."""
    text = target.text.strip()
    if len(text) < 2 or not (text.isalpha() and text.isupper()) or len(source.word) < 2 * len(text):
        return False
    letters = iter(source.word)
    return text[0].lower() == source.word[0] and all(letter in letters for letter in text.lower())


def is_other_case(source: Token, target: Token) -> bool:
    """The same word in another case."""
    return source.word == target.word and source.text.strip() != target.text.strip()


def is_spaced(source: Token, target: Token) -> bool:
    """The same string with or without its leading space."""
    return source.text != target.text and source.text.lstrip(" ") == target.text.lstrip(" ")


def is_letter_at(position: int) -> Fits:
    """The target is the one letter at that place of a source of at least two letters, case apart."""

    def fits(source: Token, target: Token) -> bool:
        return len(source.word) > 1 and source.word.isalpha() and target.word == source.word[position]

    return fits


def is_beginning(source: Token, target: Token) -> bool:
    """The target is the first letters of the source, but not all."""
    return source.word.isalpha() and source.word != target.word and source.word.startswith(target.word)


def is_ending(source: Token, target: Token) -> bool:
    """The target is the last letters of the source, two or more, but not all."""
    longer = 1 < len(target.word) < len(source.word)
    return longer and source.word.isalpha() and source.word.endswith(target.word)


def is_part(source: Token, target: Token) -> bool:
    """The target is letters that stand together in the source, but not all."""
    return source.word.isalpha() and source.word != target.word and target.word in source.word


def is_whole(source: Token, target: Token) -> bool:
    """The source is a part of the target, and two letters or more."""
    return len(source.word) > 1 and source.word.isalpha() and source.word != target.word and source.word in target.word


def completes(words: Collection[str]) -> Fits:
    """Both pieces have two letters or more and the target goes on without a space, to one of the words."""

    def fits(source: Token, target: Token) -> bool:
        if len(source.word) < 2 or len(target.word) < 2 or not (target.text.islower() and target.text.isalpha()):
            return False
        return source.text.strip().isalpha() and source.word + target.word in words

    return fits


def is_negation(source: Token, target: Token) -> bool:
    """Either is the other behind a negating prefix."""
    short, long = sorted((source.word, target.word), key=len)
    return len(short) > 2 and any(long == prefix + short for prefix in NEGATIONS)


def is_inflection(name: str, irregular: Collection[tuple[str, str]] = (), *, back: bool = False) -> Fits:
    """The target is that inflection of the source, by rule or by list; `back`: the other way round."""

    def fits(source: Token, target: Token) -> bool:
        word, form = (target.word, source.word) if back else (source.word, target.word)
        return (word, form) in irregular or is_form(word, form, name)

    return fits


def is_related(lexicon: Lexicon) -> Fits:
    """Either is an inflected form of the other, or both are of a known word."""

    def fits(source: Token, target: Token) -> bool:
        first, second = source.word, target.word
        if first == second or not (source.is_word and target.is_word):
            return False
        if first in bases(second) or second in bases(first):
            return True
        return not lexicon.lemmas.isdisjoint(lexicon.roots(first) & lexicon.roots(second))

    return fits


def is_of_family(lexicon: Lexicon) -> Fits:
    """The same word in any spelling, an inflected form, or two words that share at least five and most letters."""
    related = is_related(lexicon)

    def fits(source: Token, target: Token) -> bool:
        first, second = source.word, target.word
        if first == second or related(source, target):
            return True
        shared = len(commonprefix((first, second)))
        return shared >= 5 and 3 * shared >= 2 * max(len(first), len(second))

    return fits


def shares(length: int, *, end: bool = False) -> Fits:
    """Two longer words, not the same, with the same first letters, or last ones with `end`."""

    def fits(source: Token, target: Token) -> bool:
        first, second = (t.word[::-1] if end else t.word for t in (source, target))
        longer = len(first) > length and len(second) > length
        return longer and first[:length].isalpha() and second.startswith(first[:length]) and second != first

    return fits


def rhymes(lexicon: Lexicon) -> Fits:
    """Two different words that sound alike from their last stressed vowel on."""

    def fits(source: Token, target: Token) -> bool:
        sounds = lexicon.rhymes.get(source.word, frozenset())
        return source.word != target.word and not sounds.isdisjoint(lexicon.rhymes.get(target.word, ()))

    return fits


def shares_class(lexicon: Lexicon) -> Fits:
    """Two words of one closed class or semantic field that are no forms of one word."""
    family = is_of_family(lexicon)

    def fits(source: Token, target: Token) -> bool:
        if not (source.is_word and target.is_word):
            return False
        same = lexicon.classes_of(source.word) & lexicon.classes_of(target.word)
        return bool(same) and not family(source, target)

    return fits
