"""What the offline describer knows of English words, as a value; maps.describers.offline.word_lists reads the lists that ship."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from maps.describers.offline.inflections import bases

Classes = dict[str, frozenset[str]]
PARTS_OF_SPEECH = ("adjectives", "adverbs", "other nouns", "other verbs")  # fields that say little


@dataclass(frozen=True)
class Lexicon:
    """Word lists, all in lower case; empty, it knows no word.

    `fields`: base forms by semantic field or part of speech; `closed`: all members of small classes, by their names;
    `irregular`: pairs of a word and its form, by inflection; `rhymes`: the numbers of a word's rhymes.
    """

    fields: Classes = field(default_factory=dict)
    closed: Classes = field(default_factory=dict)
    function_words: frozenset[str] = frozenset()
    irregular: dict[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
    rhymes: dict[str, frozenset[int]] = field(default_factory=dict)

    @cached_property
    def lemmas(self) -> frozenset[str]:
        """The base forms of all fields."""
        return frozenset().union(*self.fields.values())

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word that a list holds."""
        forms = (form for pairs in self.irregular.values() for _, form in pairs)
        return self.lemmas.union(forms, self.rhymes, *self.closed.values())

    @cached_property
    def beginnings(self) -> frozenset[str]:
        """Every beginning of three letters and more that a word is longer than."""
        return frozenset(word[:length] for word in self.words for length in range(3, len(word)))

    @cached_property
    def base_of(self) -> dict[str, frozenset[str]]:
        """The words that an irregular form belongs to."""
        found: dict[str, frozenset[str]] = {}
        for pairs in self.irregular.values():
            for word, form in pairs:
                found[form] = found.get(form, frozenset()) | {word}
        return found

    def knows(self, word: str) -> bool:
        """Whether it is a listed word or an inflected form of one."""
        return word in self.words or not self.lemmas.isdisjoint(bases(word))

    def roots(self, word: str) -> frozenset[str]:
        """The words that it may be a form of, itself among them."""
        return bases(word) | self.base_of.get(word, frozenset())

    def is_of_field(self, word: str, name: str) -> bool:
        """Whether it is a word of the field; an inflected form where it is no listed word itself."""
        members = self.fields[name]
        return word in members or (word not in self.words and not members.isdisjoint(bases(word)))

    def classes_of(self, word: str) -> frozenset[str]:
        """The names of the closed classes and telling fields that a word belongs to."""
        closed = {name for name, words in self.closed.items() if word in words}
        return frozenset(closed | {name for name in self.fields if self._tells(word, name)})

    def _tells(self, word: str, name: str) -> bool:
        return name not in PARTS_OF_SPEECH and self.is_of_field(word, name)
