"""The offline describer's word lists, as they ship."""

from __future__ import annotations

from pathlib import Path

import pytest

from maps.describers.offline.lexicon import PARTS_OF_SPEECH, Lexicon
from maps.describers.offline.word_lists import lexicon

FOLDER = Path(__file__).parents[4] / "maps" / "data" / "lexicon"


def test_the_lists_are_small_and_their_words_in_lower_case() -> None:
    files = sorted(FOLDER.glob("*.txt"))
    assert [file.name for file in files] == ["closed.txt", "fields.txt", "irregular.txt", "rhymes.txt"]
    assert sum(file.stat().st_size for file in files) < 300_000
    assert all(word == word.casefold().strip() for word in lexicon().words)


def test_a_word_is_of_one_field_and_every_field_has_a_name_for_people() -> None:
    known = lexicon()
    assert len(known.lemmas) == sum(map(len, known.fields.values())) > 10_000
    assert set(PARTS_OF_SPEECH) < set(known.fields)


@pytest.mark.parametrize(
    ("word", "classes"),
    [
        ("dogs", {"animals"}),
        ("tuesday", {"days of the week"}),
        ("germany", set()),
        ("climbed", {"verbs of motion"}),
    ],
)
def test_words_are_found_in_their_classes(word: str, classes: set[str]) -> None:
    assert lexicon().classes_of(word) >= classes


def test_function_words_are_those_of_the_grammatical_classes() -> None:
    known = lexicon()
    assert {"the", "into", "themselves", "weren", "whoever"} <= known.function_words
    assert known.function_words.isdisjoint({"blue", "tuesday", "dog", "numpy"})


def test_irregular_forms_lead_to_their_words() -> None:
    known = lexicon()
    assert known.roots("ate") == {"ate", "eat"}
    assert {"mouse"} <= known.roots("mice")
    assert ("eat", "ate") in known.irregular["past tense"]
    assert known.rhymes["bread"] & known.rhymes["said"]


def test_an_empty_lexicon_knows_nothing() -> None:
    empty = Lexicon()
    assert not empty.knows("dog")
    assert not empty.classes_of("dog")
    assert empty.roots("went") == {"went"}
