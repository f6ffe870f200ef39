"""Kinds of tokens that the offline describer can name: scripts, classes of words, shapes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import partial

from maps.describers.offline.lexicon import PART_OF_SPEECH_FIELDS, Lexicon, WordClasses
from maps.describers.offline.tokens import TEXT_PATTERN, ParsedToken, TokenTest
from maps.types import Relation

# The first words of the Unicode names of letters, by the usual name of the script.
SCRIPTS = {
    "Chinese or Japanese characters": ("CJK", "HIRAGANA", "KATAKANA"),
    "Korean characters": ("HANGUL",),
    "Cyrillic letters": ("CYRILLIC",),
    "Greek letters": ("GREEK",),
    "Arabic letters": ("ARABIC",),
    "Hebrew letters": ("HEBREW",),
    "Devanagari letters": ("DEVANAGARI",),
    "Thai letters": ("THAI",),
}


def _is_in_script(names: Sequence[str], token: ParsedToken) -> bool:
    letters = [character for character in token.word if character.isalpha()]
    return bool(letters) and all(unicodedata.name(letter, "?").split()[0] in names for letter in letters)


def _is_punctuation(token: ParsedToken) -> bool:
    return token.word.isprintable() and not any(c.isalnum() or c.isspace() for c in token.word)


# Kinds narrow enough to describe targets as well as sources.
KIND_TESTS: dict[str, TokenTest] = {
    "numbers": lambda token: token.word.isdecimal(),
    "bytes that are no text by themselves": lambda token: TEXT_PATTERN.fullmatch(token.stored_form) is None,
    "white space": lambda token: token.text.isspace(),
    "punctuation or symbols": lambda token: (
        TEXT_PATTERN.fullmatch(token.stored_form) is not None and _is_punctuation(token)
    ),
    "single letters": lambda token: len(token.word) == 1 and token.word.isalpha() and token.word.isascii(),
    **{kind: partial(_is_in_script, names) for kind, names in SCRIPTS.items()},
}
TARGET_SHAPE_TESTS: dict[str, TokenTest] = {  # for targets only
    "strings in capitals": lambda token: token.is_word and token.text.isupper()
}
# Beside closed classes, the kinds that the targets of random heads hardly ever are of.
RARE_BY_CHANCE = frozenset({"function words", "British spellings", *KIND_TESTS} - {"punctuation or symbols"})
WIDE_KIND_TESTS: dict[str, TokenTest] = {
    "punctuation or white space": lambda token: token.text.isspace() or _is_punctuation(token)
}

# The class of a relation's sources (0) or targets (1); sides that are not a closed class are left out.
SIDE_CLASSES = {
    ("name_copying", 0): "first names",
    ("year_to_following", 0): "years",
    ("country_to_capital", 0): "countries",
    ("country_to_capital", 1): "capitals",
    ("country_to_language", 0): "countries",
    ("country_to_language", 1): "languages",
    ("product_by_company", 1): "companies",
    ("work_to_location", 1): "places of work",
    ("adj_to_comparative", 1): "comparatives",
    ("adj_to_superlative", 1): "superlatives",
    ("noun_to_pronoun", 1): "pronouns",
    ("verb_to_past_tense", 1): "verbs in the past tense",
    ("english_to_french", 1): "French words",
    ("english_to_spanish", 1): "Spanish words",
}


def closed_classes(relations: Sequence[Relation], lexicon: Lexicon) -> WordClasses:
    """The closed classes of the lexicon and of the relations: their words, by the name of the class.

    A user's own relation (without category) gives two classes, named after it.
    """
    classes = {name: set(words) for name, words in lexicon.closed_classes.items()}
    for relation in relations:
        for side, side_name in enumerate(("sources", "targets")):
            own_name = "" if relation.category else f"{side_name} of the relation “{relation.name}”"
            name = SIDE_CLASSES.get((relation.name, side), own_name)
            if name:
                words = {ParsedToken.parse(pair[side].replace("\\", "\\\\")).word for pair in relation.pairs}
                classes.setdefault(name, set()).update(words)
    return {name: frozenset(words) for name, words in classes.items()}


def word_kind_tests(closed: WordClasses, lexicon: Lexicon) -> dict[str, TokenTest]:
    """Tests for closed classes, for semantic fields (not parts of speech), and for words by their spelling."""
    fields = [name for name in lexicon.semantic_fields if name not in PART_OF_SPEECH_FIELDS]
    return {
        **{name: partial(_is_listed, words) for name, words in closed.items()},
        **{name: partial(_is_in_fields, lexicon, (name,)) for name in fields},
        "function words": partial(_is_listed, lexicon.function_words),
        "British spellings": partial(_is_british_spelling, lexicon),
        "names from program code": partial(_is_code_name, lexicon),
        "beginnings of words, cut off before the word ends": partial(_is_cut_off_word, lexicon),
    }


def wide_kind_tests(lexicon: Lexicon) -> dict[str, TokenTest]:
    """Tests for kinds that say little: punctuation or space, and parts of speech (the most frequent one of a word)."""
    names = lexicon.semantic_fields
    parts = {
        "adjectives": ("adjectives",),
        "adverbs": ("adverbs",),
        "verbs": tuple(name for name in names if "verbs" in name and name != "adverbs"),
        "nouns": tuple(name for name in names if "verbs" not in name and name != "adjectives"),
    }
    return WIDE_KIND_TESTS | {part: partial(_is_in_fields, lexicon, fields) for part, fields in parts.items()}


def is_word_piece(lexicon: Lexicon, token: ParsedToken) -> bool:
    """At least two letters that are not a known word, and that begin one or have no leading space."""
    is_part = token.word in lexicon.beginnings or not token.text.startswith(" ")
    return token.is_word and is_part and not lexicon.is_known(token.word)


def _is_listed(words: frozenset[str], token: ParsedToken) -> bool:
    return token.word in words


def _is_in_fields(lexicon: Lexicon, names: Sequence[str], token: ParsedToken) -> bool:
    return len(token.word) > 2 and any(lexicon.is_in_field(token.word, name) for name in names)


BRITISH_ENDINGS = ("isation", "isations", "isational", "ised", "ising", "avour", "oured", "olour")


def _is_british_spelling(lexicon: Lexicon, token: ParsedToken) -> bool:
    """A word whose American spelling (-iz-, -or-) is known, or the ending of such a word as a piece."""
    word = token.word
    if not token.text.startswith(" ") and word in BRITISH_ENDINGS:
        return True
    if len(word) < 6 or not word.isalpha():
        return word == "whilst"
    american = re.sub(r"is(?=(?:e[drs]?|es|ing|ations?|ational)$)", "iz", word)
    american = re.sub(r"our(?=s?$|ed$|ing$|able$|ite$)", "or", american)
    return word == "whilst" or (american != word and lexicon.is_known(american))


CODE_NAME = re.compile(r"\w*[a-z][A-Z]\w*|[A-Za-z]\w*_\w+|__\w+__")
CODE_CLASSES = ("programming keywords", "Python modules and functions")


def _is_code_name(lexicon: Lexicon, token: ParsedToken) -> bool:
    """A name in camel case or with an underscore, or one that the lexicon lists."""
    if CODE_NAME.fullmatch(token.text.strip()):
        return True
    return any(token.word in lexicon.closed_classes.get(name, ()) for name in CODE_CLASSES)


def _is_cut_off_word(lexicon: Lexicon, token: ParsedToken) -> bool:
    """A leading space and at least four letters that begin a known word and are not a known word."""
    word = token.word
    starts = token.text.startswith(" ") and len(word) > 3 and token.text.strip().isalpha()
    return starts and word in lexicon.beginnings and not lexicon.is_known(word)
