"""What the offline describer knows of English words, as a value; maps.describers.offline.word_lists reads the lists that ship."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from maps.describers.offline.inflections import possible_bases

WordClasses = dict[str, frozenset[str]]
PART_OF_SPEECH_FIELDS = ("adjectives", "adverbs", "other nouns", "other verbs")  # fields that say little


@dataclass(frozen=True)
class Lexicon:
    """Word lists, all in lower case; empty, it knows no word.

    `semantic_fields`: base forms by semantic field or part of speech; `closed_classes`: all members of small classes, by their names;
    `irregular_forms`: pairs of a word and its form, by inflection; `rhyme_groups`: the numbers of a word's rhymes.
    """

    semantic_fields: WordClasses = field(default_factory=dict)
    closed_classes: WordClasses = field(default_factory=dict)
    function_words: frozenset[str] = frozenset()
    irregular_forms: dict[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
    rhyme_groups: dict[str, frozenset[int]] = field(default_factory=dict)

    @cached_property
    def lemmas(self) -> frozenset[str]:
        """The base forms of all fields."""
        return frozenset().union(*self.semantic_fields.values())

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word that a list holds."""
        forms = (form for pairs in self.irregular_forms.values() for _, form in pairs)
        return self.lemmas.union(forms, self.rhyme_groups, *self.closed_classes.values())

    @cached_property
    def beginnings(self) -> frozenset[str]:
        """Every beginning of three letters and more that a word is longer than."""
        return frozenset(word[:length] for word in self.words for length in range(3, len(word)))

    @cached_property
    def irregular_bases(self) -> dict[str, frozenset[str]]:
        """The words that an irregular form belongs to."""
        found: dict[str, frozenset[str]] = {}
        for pairs in self.irregular_forms.values():
            for word, form in pairs:
                found[form] = found.get(form, frozenset()) | {word}
        return found

    def is_known(self, word: str) -> bool:
        """Whether it is a listed word or an inflected form of one."""
        return word in self.words or not self.lemmas.isdisjoint(possible_bases(word))

    def possible_roots(self, word: str) -> frozenset[str]:
        """The words that it may be a form of, itself among them."""
        return possible_bases(word) | self.irregular_bases.get(word, frozenset())

    def is_in_field(self, word: str, name: str) -> bool:
        """Whether it is a word of the field; an inflected form where it is no listed word itself."""
        members = self.semantic_fields[name]
        return word in members or (word not in self.words and not members.isdisjoint(possible_bases(word)))

    def class_names(self, word: str) -> frozenset[str]:
        """The names of the closed classes and telling fields that a word belongs to."""
        closed = {name for name, words in self.closed_classes.items() if word in words}
        return frozenset(closed | {name for name in self.semantic_fields if self._is_in_specific_field(word, name)})

    def _is_in_specific_field(self, word: str, name: str) -> bool:
        return name not in PART_OF_SPEECH_FIELDS and self.is_in_field(word, name)
