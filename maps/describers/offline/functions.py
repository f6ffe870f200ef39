"""Functions from one string to another, as tests of a (source, target) pair. What a test needs is before it."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise
from posixpath import commonprefix

from maps.describers.offline.lexicon import Lexicon, has_form, possible_bases
from maps.describers.offline.tokens import ParsedToken

SEQUENCE_STRINGS = (  # lists in which each word is followed by the next
    "monday tuesday wednesday thursday friday saturday sunday monday",
    "mon tue wed thu fri sat sun mon",
    "january february march april may june july august september october november december january",
    "jan feb mar apr may jun jul aug sep oct nov dec jan",
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth",
    "i ii iii iv v vi vii viii ix x xi xii",
    "spring summer autumn winter spring",
    " ".join("abcdefghijklmnopqrstuvwxyz"),
)
NUMBER_NAMES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
NUMBER_WORDS, SEQUENCES = NUMBER_NAMES.split(), [names.split() for names in SEQUENCE_STRINGS]
NEXT_PAIRS = frozenset(pair for names in SEQUENCES for pair in pairwise(names))  # for numbers see `is_number_step`
MONTH_NAMES = SEQUENCES[2][:12]
NEGATING_PREFIXES = ("un", "in", "im", "ir", "il", "dis", "non", "mis")


def _number_value(token: ParsedToken) -> int | None:
    if token.word in NUMBER_WORDS:
        return NUMBER_WORDS.index(token.word)
    return int(token.word) if token.word.isdecimal() and len(token.word) <= 9 else None


def is_number_step(step: int, source: ParsedToken, target: ParsedToken) -> bool:
    """Both are numbers, in digits or words; the target is greater by `step`, or the same number written differently."""
    number = _number_value(source)
    return number is not None and _number_value(target) == number + step and source.word != target.word


def is_listed_pair(pairs: Collection[tuple[str, str]], source: ParsedToken, target: ParsedToken) -> bool:
    return (source.word, target.word) in pairs


def is_month_number(source: ParsedToken, target: ParsedToken) -> bool:
    """One is a month, by its name or the first three letters, and the other is its number."""
    source_month, target_month = _month_number(source.word), _month_number(target.word)
    if source_month is not None and source_month == _number_value(target):
        return True
    return target_month is not None and target_month == _number_value(source)


def _month_number(word: str) -> int | None:
    return next((number for number, name in enumerate(MONTH_NAMES, start=1) if word in (name, name[:3])), None)


def is_abbreviation(source: ParsedToken, target: ParsedToken) -> bool:
    """The target is two or more capitals that occur in the source in this order; the source is twice as long."""
    text = target.text.strip()
    if len(text) < 2 or not (text.isalpha() and text.isupper()) or len(source.word) < 2 * len(text):
        return False
    letters = iter(source.word)  # `in` advances the iterator, so that the letters are found in order
    return text[0].lower() == source.word[0] and all(letter in letters for letter in text.lower())


def is_other_case(source: ParsedToken, target: ParsedToken) -> bool:
    return source.word == target.word and source.text.strip() != target.text.strip()


def is_other_spacing(source: ParsedToken, target: ParsedToken) -> bool:
    """The same string with or without its leading space."""
    return source.text != target.text and source.text.lstrip(" ") == target.text.lstrip(" ")


def is_letter_at(position: int, source: ParsedToken, target: ParsedToken) -> bool:
    """The target is the letter at a position of the source, which has at least two letters; case is ignored."""
    return len(source.word) > 1 and source.word.isalpha() and target.word == source.word[position]


def is_beginning_of_source(source: ParsedToken, target: ParsedToken) -> bool:
    """The target is the first letter or letters of the source, but not all."""
    return source.word.isalpha() and source.word != target.word and source.word.startswith(target.word)


def is_ending_of_source(source: ParsedToken, target: ParsedToken) -> bool:
    """The target is the last two or more letters of the source, but not all."""
    longer = 1 < len(target.word) < len(source.word)
    return longer and source.word.isalpha() and source.word.endswith(target.word)


def is_part_of_source(source: ParsedToken, target: ParsedToken) -> bool:
    """The target is a part of the source, but not all of it."""
    return source.word.isalpha() and source.word != target.word and target.word in source.word


def has_source_as_part(source: ParsedToken, target: ParsedToken) -> bool:
    """The source is a part of the target and has at least two letters."""
    return len(source.word) > 1 and source.word.isalpha() and source.word != target.word and source.word in target.word


def completes_word(words: Collection[str], source: ParsedToken, target: ParsedToken) -> bool:
    """Source and target, of two or more letters each, together spell one of the words."""
    if len(source.word) < 2 or len(target.word) < 2 or not (target.text.islower() and target.text.isalpha()):
        return False
    return source.text.strip().isalpha() and source.word + target.word in words


def is_negation(source: ParsedToken, target: ParsedToken) -> bool:
    """One is the other with a negating prefix."""
    short, long = sorted((source.word, target.word), key=len)
    return len(short) > 2 and any(long == prefix + short for prefix in NEGATING_PREFIXES)


def is_inflection(
    name: str,
    irregular: Collection[tuple[str, str]],
    source: ParsedToken,
    target: ParsedToken,
    *,
    is_reversed: bool = False,
) -> bool:
    """The target is an inflection of the source, by rule or by list; `is_reversed`: the source is one of the target."""
    word, form = (target.word, source.word) if is_reversed else (source.word, target.word)
    return (word, form) in irregular or has_form(word, form, name)


def is_related_form(lexicon: Lexicon, source: ParsedToken, target: ParsedToken) -> bool:
    """One is an inflected form of the other, or both are inflected forms of one known word."""
    first, second = source.word, target.word
    if first == second or not (source.is_word and target.is_word):
        return False
    if first in possible_bases(second) or second in possible_bases(first):
        return True
    return not lexicon.lemmas.isdisjoint(lexicon.possible_roots(first) & lexicon.possible_roots(second))


def is_same_family(lexicon: Lexicon, source: ParsedToken, target: ParsedToken) -> bool:
    """The same word, a related form, or a shared beginning of at least five letters and 2/3 of the longer word."""
    first, second = source.word, target.word
    if first == second or is_related_form(lexicon, source, target):
        return True
    shared = len(commonprefix((first, second)))
    return shared >= 5 and 3 * shared >= 2 * max(len(first), len(second))


def shares_letters(length: int, source: ParsedToken, target: ParsedToken, *, at_end: bool = False) -> bool:
    """Two different, longer words with the same first (with `at_end`: last) `length` letters."""
    first, second = source.word, target.word
    if at_end:
        first, second = first[::-1], second[::-1]
    longer = len(first) > length and len(second) > length
    return longer and first[:length].isalpha() and second.startswith(first[:length]) and second != first


def rhymes(lexicon: Lexicon, source: ParsedToken, target: ParsedToken) -> bool:
    """Two different words that rhyme: they sound alike from the last stressed vowel on."""
    sounds = lexicon.rhyme_groups.get(source.word, frozenset())
    return source.word != target.word and not sounds.isdisjoint(lexicon.rhyme_groups.get(target.word, ()))


def shares_class(lexicon: Lexicon, source: ParsedToken, target: ParsedToken) -> bool:
    """Two words of the same closed class or semantic field that are not forms of one word."""
    if not (source.is_word and target.is_word):
        return False
    shared = lexicon.class_names(source.word) & lexicon.class_names(target.word)
    return bool(shared) and not is_same_family(lexicon, source, target)
