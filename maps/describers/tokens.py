"""Tokens as the offline describer reads them: their text, their word, and the kinds that they belong to."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from maps.types import Mapping, Relation

TEXT = re.compile(r"(?:[^\\]|\\\\)*", re.DOTALL)  # a stored string without escaped bytes


@dataclass(frozen=True)
class Token:
    """A stored string with what it says.

    `text` is the string itself, or the stored form where its bytes are no text; `word` is the text without
    case and surrounding space, or the text where nothing else is left.
    """

    stored: str
    text: str
    word: str

    @classmethod
    def read(cls, stored: str) -> Token:
        """Undoes the stored form's doubled backslashes."""
        text = stored.replace("\\\\", "\\") if TEXT.fullmatch(stored) else stored
        return cls(stored, text, text.strip().casefold() or text)

    @property
    def is_word(self) -> bool:
        """Whether it is two letters or more, apart from space around them."""
        return len(self.word) > 1 and self.word.isalpha()


@dataclass(frozen=True)
class Line:
    """A mapping as the offline describer reads it."""

    source: Token
    targets: tuple[Token, ...]

    @classmethod
    def read(cls, mapping: Mapping) -> Line:
        """The strings of a mapping; ids and scores play no part."""
        return cls(Token.read(mapping.source), tuple(Token.read(target) for target in mapping.targets))


Test = Callable[[Token], bool]

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
PRONOUNS = (
    "i me my mine myself you your yours yourself yourselves he him his himself she her hers herself it its itself "
    "we us our ours ourselves they them their theirs themselves"
)


def classes(relations: Sequence[Relation]) -> dict[str, frozenset[str]]:
    """The closed classes that the relations' sides are, as words, by their names.

    A user's own relation (without category) gives two, named after it. Pronouns are known in all their cases.
    """
    found: dict[str, set[str]] = {"pronouns": set(PRONOUNS.split())}
    for relation in relations:
        for side in (0, 1):
            own = f"{ROLES[side]} of the relation “{relation.name}”" if not relation.category else None
            name = SIDES.get((relation.name, side), own)
            if name:
                words = {Token.read(pair[side].replace("\\", "\\\\")).word for pair in relation.pairs}
                found.setdefault(name, set()).update(words)
    return {name: frozenset(words) for name, words in found.items()}


def inputs_sentence(sources: Sequence[Token], known: dict[str, frozenset[str]], needed: int) -> str:
    """One sentence on what the sources have in common, or "Unclear" where fewer than `needed` share it."""
    counts = {name: sum(source.word in words for source in sources) for name, words in known.items()}
    best = max(counts, key=lambda name: counts[name], default=None)
    if best is not None and counts[best] >= needed:
        return f"The inputs are mostly {best}."
    for kind, test in (KINDS | WIDE_KINDS).items():
        if sum(test(source) for source in sources) >= needed:
            return f"The inputs are mostly {kind}."
    described = _shape(sources, needed)
    return f"The inputs are mostly {described}." if described else "Unclear"


# Each part of a shape: the first entry that enough sources pass is said.
NOUNS: dict[str, Test] = {
    "words in capitals": lambda token: token.is_word and token.text.isupper(),
    "capitalised words": lambda token: token.is_word and token.text.strip().istitle(),
    "words in lower case": lambda token: token.is_word and token.text.islower(),
    "words": lambda token: token.is_word,
}
SPACING: dict[str, Test] = {
    " with a leading space": lambda token: token.text.startswith(" "),
    " without a leading space": lambda token: not token.text.startswith(" "),
}


def _shape(sources: Sequence[Token], needed: int) -> str:
    """The sources' case, spacing and shared letters, or nothing."""

    def first_of(tests: dict[str, Test]) -> str:
        return next((name for name, test in tests.items() if sum(map(test, sources)) >= needed), "")

    noun, spacing = first_of(NOUNS), first_of(SPACING)
    if not noun:
        return f"strings{spacing}" if spacing == " with a leading space" else ""
    words = [source.word for source in sources if source.is_word]
    start = _shared(words, needed)
    end = _shared([word[::-1] for word in words], needed)[::-1]
    letters = f" that begin with “{start}”" if start else f" that end in “{end}”" if end else ""
    return noun + spacing + letters


def _shared(words: Sequence[str], needed: int) -> str:
    """The longest beginning that at least `needed` of the words share."""
    shared = ""
    for length in range(1, max(map(len, words), default=0) + 1):
        starts = [word[:length] for word in words if len(word) >= length]
        most = max(sorted(set(starts)), key=starts.count)
        if starts.count(most) < needed:
            break
        shared = most
    return shared
