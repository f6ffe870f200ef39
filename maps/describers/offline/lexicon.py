"""English word lists as one value (describer.py reads them from files), and regular inflections by their endings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

WordClasses = dict[str, frozenset[str]]
PART_OF_SPEECH_FIELDS = ("adjectives", "adverbs", "other nouns", "other verbs")  # too wide to be a telling field
# (old ending, new ending) by form: ("y", "ies") turns "city" into "cities".
INFLECTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "-s form": (("", "s"), ("", "es"), ("y", "ies")),
    "-ed form": (("", "ed"), ("e", "ed"), ("y", "ied")),
    "-ing form": (("", "ing"), ("e", "ing")),
    "-er form": (("", "er"), ("e", "er"), ("y", "ier")),
    "-est form": (("", "est"), ("e", "est"), ("y", "iest")),
    "-ly form": (("", "ly"), ("y", "ily"), ("le", "ly"), ("ic", "ically")),
}
DOUBLING_FORMS = ("-ed form", "-ing form", "-er form", "-est form")  # "stop" gives "stopped"


@dataclass(frozen=True)
class Lexicon:
    """Word lists, all in lower case."""

    semantic_fields: WordClasses  # base forms, by field ("animals") or part of speech
    closed_classes: WordClasses  # all members of small classes ("months"), by class
    function_words: frozenset[str]
    irregular_forms: dict[str, frozenset[tuple[str, str]]]  # (word, form), by inflection
    rhyme_groups: dict[str, frozenset[int]]  # numbers of the groups that a word rhymes with, by word

    @cached_property
    def lemmas(self) -> frozenset[str]:
        """The base forms of all fields."""
        return frozenset().union(*self.semantic_fields.values())

    @cached_property
    def words(self) -> frozenset[str]:
        forms = (form for pairs in self.irregular_forms.values() for _, form in pairs)
        return self.lemmas.union(forms, self.rhyme_groups, *self.closed_classes.values())

    @cached_property
    def beginnings(self) -> frozenset[str]:
        """Every beginning, of three or more letters, of a longer word."""
        return frozenset(word[:length] for word in self.words for length in range(3, len(word)))

    @cached_property
    def irregular_bases(self) -> dict[str, frozenset[str]]:
        """The base words by irregular form."""
        bases: dict[str, frozenset[str]] = {}
        for pairs in self.irregular_forms.values():
            for word, form in pairs:
                bases[form] = bases.get(form, frozenset()) | {word}
        return bases

    def is_known(self, word: str) -> bool:
        """Whether a word is listed or is an inflected form of a listed word."""
        return word in self.words or not self.lemmas.isdisjoint(possible_bases(word))

    def possible_roots(self, word: str) -> frozenset[str]:
        """The words that a word may be a form of, including itself."""
        return possible_bases(word) | self.irregular_bases.get(word, frozenset())

    def is_in_field(self, word: str, name: str) -> bool:
        """Whether a word is in a field, or is not listed itself and an inflected form of a word in the field."""
        members = self.semantic_fields[name]
        return word in members or (word not in self.words and not members.isdisjoint(possible_bases(word)))

    def class_names(self, word: str) -> frozenset[str]:
        """The closed classes and semantic fields of a word, without parts of speech."""
        closed = {name for name, words in self.closed_classes.items() if word in words}
        telling = self.semantic_fields.keys() - set(PART_OF_SPEECH_FIELDS)
        return frozenset(closed | {name for name in telling if self.is_in_field(word, name)})


def has_form(word: str, form: str, inflection: str) -> bool:
    """Whether `form` is an inflection of a word with at least three letters (both in lower case)."""
    if len(word) < 3 or not word.isalpha() or form[:2] != word[:2]:
        return False
    endings = INFLECTIONS[inflection]
    if any(word.endswith(end) and form == word.removesuffix(end) + new for end, new in endings):
        return True
    return inflection in DOUBLING_FORMS and word[-1] not in "aeiouy" and form == word + word[-1] + endings[0][1]


@lru_cache(maxsize=100_000)
def possible_bases(form: str) -> frozenset[str]:
    """The strings that a string may be an inflection of, including itself; most are not words."""
    candidates = {form}
    for name, endings in INFLECTIONS.items():
        for end, new in endings:
            stem = form.removesuffix(new)
            if stem != form:
                candidates.add(stem + end)
        stem = form.removesuffix(endings[0][1])
        if name in DOUBLING_FORMS and stem != form and len(stem) > 3 and stem[-1] == stem[-2]:
            candidates.add(stem[:-1])
    return frozenset(word for word in candidates if word == form or has_any_form(word, form))


def has_any_form(word: str, form: str) -> bool:
    return any(has_form(word, form, name) for name in INFLECTIONS)
