"""The relation files that ship with the library."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from maps.data.relation_info import MULTIPLE_TARGETS, ORIGIN_TEXTS, RELATION_TEXTS

DATA = Path(__file__).parents[3] / "maps" / "data"
CATEGORIES = {
    "copying": "algorithmic",
    "name_copying": "algorithmic",
    "word_to_first_letter": "algorithmic",
    "word_to_last_letter": "algorithmic",
    "year_to_following": "algorithmic",
    "country_to_capital": "knowledge",
    "country_to_language": "knowledge",
    "object_to_superclass": "knowledge",
    "product_by_company": "knowledge",
    "work_to_location": "knowledge",
    "word_to_antonym": "linguistic",
    "adj_to_comparative": "linguistic",
    "adj_to_superlative": "linguistic",
    "noun_to_pronoun": "linguistic",
    "verb_to_past_tense": "linguistic",
    "word_to_compound": "linguistic",
    "word_to_homophone": "linguistic",
    "word_to_synonym": "linguistic",
    "english_to_french": "translation",
    "english_to_spanish": "translation",
}
KEYS = ["name", "category", "description", "known_faults", "multiple_targets", "origins", "pairs"]
RELATIONS_BY_GROUP = {  # groups in left_out.txt that are not the name of a relation
    "adjectives": ("adj_to_comparative", "adj_to_superlative"),
    "letters": ("word_to_first_letter", "word_to_last_letter"),
}


def read(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((DATA / "relations" / f"{name}.json").read_text(encoding="utf-8"))
    return data


def pairs(name: str) -> list[tuple[str, str]]:
    return [(source, target) for source, target, _ in read(name)["pairs"]]


def handwritten(name: str) -> list[list[str]]:
    lines = (DATA / "handwritten" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def test_the_files_are_the_twenty_relations_in_their_categories() -> None:
    files = sorted((DATA / "relations").iterdir())
    assert [file.name for file in files] == sorted(f"{name}.json" for name in CATEGORIES)
    assert {file.stem: read(file.stem)["category"] for file in files} == CATEGORIES
    assert {file.stem: read(file.stem)["name"] for file in files} == {name: name for name in CATEGORIES}


@pytest.mark.parametrize("name", CATEGORIES)
def test_a_file_follows_the_schema(name: str) -> None:
    data = read(name)
    assert list(data) == KEYS
    assert data["description"].endswith(".")
    assert data["known_faults"].endswith(".")
    assert isinstance(data["multiple_targets"], bool)
    assert all(isinstance(text, str) and text for text in data["origins"].values())
    assert [pair for pair in data["pairs"] if [type(part) for part in pair] != [str, str, str]] == []


@pytest.mark.parametrize("name", CATEGORIES)
def test_a_file_has_one_pair_a_line(name: str) -> None:
    text = (DATA / "relations" / f"{name}.json").read_text(encoding="utf-8")
    lines = [line.strip().rstrip(",") for line in text.splitlines() if line.startswith("    [")]
    assert [json.loads(line) for line in lines] == read(name)["pairs"]
    assert text.endswith("]\n}\n")


@pytest.mark.parametrize("name", CATEGORIES)
def test_no_pair_is_empty_padded_or_duplicate(name: str) -> None:
    counts = Counter(pairs(name))
    assert [pair for pair in counts if not all(pair)] == []
    assert [pair for pair in counts if tuple(part.strip() for part in pair) != pair] == []
    assert [pair for pair, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("name", CATEGORIES)
def test_a_source_has_one_target_unless_the_file_says_so(name: str) -> None:
    counts = Counter(source for source, _ in pairs(name))
    repeated = [source for source, count in counts.items() if count > 1]
    assert bool(repeated) is read(name)["multiple_targets"], repeated


def test_only_compounds_have_several_right_answers() -> None:
    assert [name for name in CATEGORIES if read(name)["multiple_targets"]] == ["word_to_compound"]


@pytest.mark.parametrize("name", CATEGORIES)
def test_every_origin_is_declared_and_used(name: str) -> None:
    data = read(name)
    assert set(data["origins"]) == {origin for _, _, origin in data["pairs"]}


def test_the_heads_of_the_files_are_those_of_the_build_script() -> None:
    heads = [(category, name, *texts) for category, names in RELATION_TEXTS.items() for name, texts in names.items()]
    assert len(heads) == len(CATEGORIES)
    for category, name, *texts in heads:
        data = read(name)
        assert [data[key] for key in KEYS[:5]] == [name, category, *texts, name in MULTIPLE_TARGETS]
        assert data["origins"] == {origin: text for origin, text in ORIGIN_TEXTS.items() if origin in data["origins"]}


@pytest.mark.parametrize("name", ["copying", "name_copying"])
def test_copying_is_identity(name: str) -> None:
    assert [pair for pair in pairs(name) if pair[0] != pair[1]] == []


@pytest.mark.parametrize("name", [name for name in CATEGORIES if not name.endswith("copying")])
def test_no_other_relation_contains_a_copy(name: str) -> None:
    assert [pair for pair in pairs(name) if pair[0] == pair[1]] == []


def test_letters_match_the_case_folded_words() -> None:
    words = [source for source, _ in pairs("word_to_first_letter")]
    assert pairs("word_to_first_letter") == [(word, word.casefold()[0]) for word in words]
    assert pairs("word_to_last_letter") == [(word, word.casefold()[-1]) for word in words]


def test_there_are_seven_hundred_years_each_with_the_next() -> None:
    years = pairs("year_to_following")
    assert years == [(str(year), str(year + 1)) for year in range(1400, 2100)]


def test_pronouns_are_he_she_it_and_they() -> None:
    assert {target for _, target in pairs("noun_to_pronoun")} == {"he", "she", "it", "they"}


def test_a_compound_begins_with_its_source() -> None:
    assert [pair for pair in pairs("word_to_compound") if not pair[1].startswith(pair[0])] == []


def test_handwritten_files_have_two_columns() -> None:
    names = sorted(file.stem for file in (DATA / "handwritten").iterdir())
    assert set(names) - set(CATEGORIES) == {"left_out"}
    for name in names:
        broken = [
            row for row in handwritten(name) if len(row) != 2 or not all(part.strip() == part != "" for part in row)
        ]
        assert broken == [], name


def test_every_handwritten_pair_is_in_its_relation() -> None:
    for file in sorted((DATA / "handwritten").iterdir()):
        if file.stem != "left_out":
            missing = {tuple(row) for row in handwritten(file.stem)} - set(pairs(file.stem))
            assert missing == set(), file.stem


def test_left_out_entries_are_in_no_pair_from_a_package() -> None:
    for group, entry in handwritten("left_out"):
        for name in RELATIONS_BY_GROUP.get(group, (group,)):
            assert [pair for pair in read(name)["pairs"] if pair[0] == entry and pair[2] != "hand"] == []
