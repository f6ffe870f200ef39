"""The word lists that ship with the library."""

from __future__ import annotations

from pathlib import Path

import pytest

from maps.describers.offline.describer import load_lexicon
from maps.describers.offline.lexicon import PART_OF_SPEECH_FIELDS

FOLDER = Path(__file__).parents[4] / "maps" / "data" / "lexicon"


def test_the_lists_are_small_and_in_lower_case() -> None:
    files = sorted(FOLDER.glob("*.txt"))
    assert [file.name for file in files] == ["closed.txt", "fields.txt", "irregular.txt", "rhymes.txt"]
    assert sum(file.stat().st_size for file in files) < 300_000
    assert all(word == word.casefold().strip() for word in load_lexicon().words)


def test_each_word_is_in_one_field() -> None:
    known = load_lexicon()
    assert len(known.lemmas) == sum(map(len, known.semantic_fields.values())) > 10_000
    assert set(PART_OF_SPEECH_FIELDS) < set(known.semantic_fields)


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
    assert load_lexicon().class_names(word) >= classes


def test_function_words_are_those_of_the_grammatical_classes() -> None:
    known = load_lexicon()
    assert {"the", "into", "themselves", "weren", "whoever"} <= known.function_words
    assert known.function_words.isdisjoint({"blue", "tuesday", "dog", "numpy"})


def test_irregular_forms_lead_to_their_words() -> None:
    known = load_lexicon()
    assert known.possible_roots("ate") == {"ate", "eat"}
    assert {"mouse"} <= known.possible_roots("mice")
    assert ("eat", "ate") in known.irregular_forms["past tense"]
    assert known.rhyme_groups["bread"] & known.rhyme_groups["said"]
