"""Relations by name and from files; test_relation_data checks the pairs."""

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


def test_predefined_relations_are_sorted_by_category_and_name() -> None:
    relations = predefined_relations()
    assert len(relations) == 20
    categories = [relation.category for relation in relations]
    assert categories == ["algorithmic"] * 5 + ["knowledge"] * 5 + ["linguistic"] * 8 + ["translation"] * 2
    for category in set(categories):
        names = [relation.name for relation in relations if relation.category == category]
        assert names == sorted(names)


def test_selected_relations_keep_their_order_without_duplicates() -> None:
    selected = select_relations(["word_to_antonym", "copying", "word_to_antonym"])
    assert [relation.name for relation in selected] == ["word_to_antonym", "copying"]
    assert selected[1] in predefined_relations()


def test_an_unknown_relation_is_refused_with_the_known_ones() -> None:
    with pytest.raises(MapsError, match=r"^There is no relation rhyme\. Choose from copying, name_copying, .*\.$"):
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
def test_a_relation_file_that_is_not_json_is_named(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    file.write_bytes(content)
    assert re.fullmatch(f"The relation file {re.escape(str(file))} is not JSON in UTF-8: .*\\.", refusal(f"r={file}"))


@pytest.mark.parametrize("data", [{}, {"a": "b"}, [], "pairs", None, 3])
def test_a_value_that_is_not_a_list_of_pairs_is_refused(data: object) -> None:
    message = 'The relation r must be a list of pairs such as [["France", "Paris"]].'
    with pytest.raises(MapsError, match=f"^{re.escape(message)}$"):
        parse_relation("r", data)


@pytest.mark.parametrize(
    "entry", ["ab", ["a"], ["a", "b", "c"], ["a", 1], ["a", None], ["a", " "], ["a", "\ud800"], {"a": "b"}, None]
)
def test_an_entry_that_is_not_a_pair_is_named_by_its_number(entry: object) -> None:
    with pytest.raises(MapsError, match=r"^Entry 2 of the relation r is not a pair of two non-empty strings\.$"):
        parse_relation("r", [["a", "b"], entry])
