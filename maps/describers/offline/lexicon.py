"""English word lists as one value, which maps.describers.offline.word_lists reads from files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from maps.describers.offline.inflections import possible_bases

WordClasses = dict[str, frozenset[str]]
PART_OF_SPEECH_FIELDS = ("adjectives", "adverbs", "other nouns", "other verbs")  # too wide to be a telling field


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
