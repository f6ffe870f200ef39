"""Kinds of tokens that the offline describer names: scripts, classes of words, shapes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import partial

from maps.describers.offline.lexicon import PARTS_OF_SPEECH, Classes, Lexicon
from maps.describers.offline.tokens import TEXT, Test, Token
from maps.types import Relation

# The first word of a letter's Unicode name, by the way that a reader would call the script.
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


def _is_in_script(names: Sequence[str], token: Token) -> bool:
    letters = [character for character in token.word if character.isalpha()]
    return bool(letters) and all(unicodedata.name(letter, "?").split()[0] in names for letter in letters)


def _is_punctuation(token: Token) -> bool:
    return token.word.isprintable() and not any(c.isalnum() or c.isspace() for c in token.word)


# Kinds narrow enough to say something of targets as well as of sources.
KINDS: dict[str, Test] = {
    "numbers": lambda token: token.word.isdecimal(),
    "bytes that are no text by themselves": lambda token: TEXT.fullmatch(token.stored) is None,
    "white space": lambda token: token.text.isspace(),
    "punctuation or symbols": lambda token: TEXT.fullmatch(token.stored) is not None and _is_punctuation(token),
    "single letters": lambda token: len(token.word) == 1 and token.word.isalpha() and token.word.isascii(),
    **{kind: partial(_is_in_script, names) for kind, names in SCRIPTS.items()},
}
SHAPES: dict[str, Test] = {  # of targets only
    "strings in capitals": lambda token: token.is_word and token.text.isupper(),
}
WIDE_KINDS: dict[str, Test] = {
    "punctuation or white space": lambda token: token.text.isspace() or _is_punctuation(token),
}

# What the two sides of the relations are, where one word says it; the other sides are no closed class.
SIDES = {
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
ROLES = ("sources", "targets")


def classes(relations: Sequence[Relation], lexicon: Lexicon) -> Classes:
    """The closed classes of the lexicon and those that the relations' sides are, as words, by their names.

    A user's own relation (without category) gives two, named after it.
    """
    found = {name: set(words) for name, words in lexicon.closed.items()}
    for relation in relations:
        for side in (0, 1):
            own = f"{ROLES[side]} of the relation “{relation.name}”" if not relation.category else None
            name = SIDES.get((relation.name, side), own)
            if name:
                words = {Token.read(pair[side].replace("\\", "\\\\")).word for pair in relation.pairs}
                found.setdefault(name, set()).update(words)
    return {name: frozenset(words) for name, words in found.items()}


def word_kinds(known: Classes, lexicon: Lexicon) -> dict[str, Test]:
    """Tests of all closed classes, of the telling fields, and of words by how they are written."""
    kinds: dict[str, Test] = {name: partial(_is_among, words) for name, words in known.items()}
    telling = [name for name in lexicon.fields if name not in PARTS_OF_SPEECH]
    kinds |= {name: partial(_is_of_field, lexicon, (name,)) for name in telling}
    if lexicon.words:
        kinds["function words"] = partial(_is_among, lexicon.function_words)
        kinds["British spellings"] = partial(_is_british, lexicon)
        kinds["names from program code"] = partial(_is_code, lexicon)
        kinds["beginnings of words, cut off before the word ends"] = partial(_is_cut_off, lexicon)
    return kinds


def wide_kinds(lexicon: Lexicon) -> dict[str, Test]:
    """Parts of speech, by a word's most frequent one, and kinds that say little of targets."""
    names = lexicon.fields
    parts = {
        "adjectives": ("adjectives",),
        "adverbs": ("adverbs",),
        "verbs": tuple(name for name in names if "verbs" in name and name != "adverbs"),
        "nouns": tuple(name for name in names if "verbs" not in name and name != "adjectives"),
    }
    known = {part: partial(_is_of_field, lexicon, fields) for part, fields in parts.items() if names}
    return WIDE_KINDS | known


def is_piece(lexicon: Lexicon, token: Token) -> bool:
    """Two letters or more that are no known word, but begin one or go on without a space."""
    begins = token.word in lexicon.beginnings or not token.text.startswith(" ")
    return token.is_word and begins and not lexicon.knows(token.word)


def _is_among(words: frozenset[str], token: Token) -> bool:
    return token.word in words


def _is_of_field(lexicon: Lexicon, names: Sequence[str], token: Token) -> bool:
    return len(token.word) > 2 and any(lexicon.is_of_field(token.word, name) for name in names)


BRITISH_ENDINGS = ("isation", "isations", "isational", "ised", "ising", "avour", "oured", "olour")


def _is_british(lexicon: Lexicon, token: Token) -> bool:
    """A word that is known with -iz- or -or instead, or an ending of such a word as a piece."""
    word = token.word
    if not token.text.startswith(" ") and word in BRITISH_ENDINGS:
        return True
    if len(word) < 6 or not word.isalpha():
        return word == "whilst"
    other = re.sub(r"is(?=(?:e[drs]?|es|ing|ations?|ational)$)", "iz", word)
    other = re.sub(r"our(?=s?$|ed$|ing$|able$|ite$)", "or", other)
    return word == "whilst" or (other != word and lexicon.knows(other))


CODE = re.compile(r"\w*[a-z][A-Z]\w*|[A-Za-z]\w*_\w+|__\w+__")
CODE_CLASSES = ("programming keywords", "Python modules and functions")


def _is_code(lexicon: Lexicon, token: Token) -> bool:
    """A name in camel case or with an underscore, or one of those that the lexicon lists."""
    if CODE.fullmatch(token.text.strip()):
        return True
    return any(token.word in lexicon.closed.get(name, ()) for name in CODE_CLASSES)


def _is_cut_off(lexicon: Lexicon, token: Token) -> bool:
    """A leading space and four letters or more that begin a known word and are none themselves."""
    word = token.word
    starts = token.text.startswith(" ") and len(word) > 3 and token.text.strip().isalpha()
    return starts and word in lexicon.beginnings and not lexicon.knows(word)
