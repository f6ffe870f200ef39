"""Relations by name and from files; the pairs themselves are held by test_relation_data."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from maps.data import parse_relation, predefined_relations, read_own_relation, select_relations
from maps.errors import MapsError
from maps.types import Relation


def refusal(spec: str) -> str:
    with pytest.raises(MapsError) as caught:
        read_own_relation(spec)
    return str(caught.value)


def test_the_predefined_relations_come_by_category_and_name() -> None:
    found = predefined_relations()
    assert len(found) == 20
    categories = [relation.category for relation in found]
    assert categories == ["algorithmic"] * 5 + ["knowledge"] * 5 + ["linguistic"] * 8 + ["translation"] * 2
    for category in set(categories):
        names = [relation.name for relation in found if relation.category == category]
        assert names == sorted(names)


def test_named_relations_come_in_the_order_asked_for_once() -> None:
    found = select_relations(["word_to_antonym", "copying", "word_to_antonym"])
    assert [relation.name for relation in found] == ["word_to_antonym", "copying"]
    assert found[1] in predefined_relations()


def test_an_unknown_relation_is_answered_with_the_known_ones() -> None:
    with pytest.raises(MapsError, match=r"^There is no relation rhyme; the relations are copying, name_copying, .*\.$"):
        select_relations(["copying", "rhyme"])


def test_an_own_relation_is_a_list_of_pairs(tmp_path: Path) -> None:
    file = tmp_path / "a=b.json"
    file.write_text('[["France", " Paris "], ["Zoë", "Noé"], ["France", "Paris"]]', encoding="utf-8")
    assert read_own_relation(f"copying={file}") == Relation("copying", "", (("France", "Paris"), ("Zoë", "Noé")))


@pytest.mark.parametrize("spec", ["capitals", "=file.json", "capitals=", ""])
def test_a_relation_without_name_or_file_is_refused(spec: str) -> None:
    assert refusal(spec) == f"--relation takes NAME=FILE.json, not {spec!r}."


def test_a_relation_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.json"
    assert refusal(f"r={missing}") == f"The relation file {missing} cannot be read: No such file or directory."
    assert refusal(f"r={tmp_path}") == f"The relation file {tmp_path} cannot be read: Is a directory."


@pytest.mark.parametrize("content", [b"", b"[[", b'[["\xff", "a"]]', b"France,Paris"])
def test_a_relation_file_that_is_no_json_is_named(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    file.write_bytes(content)
    said = refusal(f"r={file}")
    assert re.fullmatch(f"The relation file {re.escape(str(file))} is no JSON in UTF-8: .*\\.", said)


@pytest.mark.parametrize("data", [{}, {"a": "b"}, [], "pairs", None, 3])
def test_what_is_no_list_of_pairs_is_refused(data: object) -> None:
    said = 'The relation r must be a list of pairs such as [["France", "Paris"]].'
    with pytest.raises(MapsError, match=f"^{re.escape(said)}$"):
        parse_relation("r", data)


@pytest.mark.parametrize(
    "entry", ["ab", ["a"], ["a", "b", "c"], ["a", 1], ["a", None], ["a", " "], ["a", "\ud800"], {"a": "b"}, None]
)
def test_an_entry_that_is_no_pair_is_named_by_its_number(entry: object) -> None:
    with pytest.raises(MapsError, match=r"^Entry 2 of the relation r is no pair of two non-empty strings\.$"):
        parse_relation("r", [["a", "b"], entry])
