"""The offline describer's sentence about the sources."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from maps.describers.offline.describer import OfflineDescriber
from maps.types import Relation
from tests.invented_heads import WORD_PAIRS, WORDS, MappingRow, build_mappings, rows_from_templates


def inputs_of(rows: Sequence[MappingRow], *relations: Relation) -> str:
    answer = asyncio.run(OfflineDescriber(relations).describe(build_mappings(rows), 0))
    return answer.description.input_strings


@pytest.mark.parametrize(
    ("sources", "described"),
    [
        (rows_from_templates(" {word}"), "words in lower case with a leading space, mostly nouns"),
        (rows_from_templates("{word}"), "words in lower case without a leading space, mostly nouns"),
        (
            rows_from_templates(" {title}s"),
            "capitalised words with a leading space that end in “s”, mostly nouns",
        ),
        (
            rows_from_templates("un{word}"),
            "long words in lower case without a leading space that begin with “un”, mostly pieces of words",
        ),
        (
            rows_from_templates("{word}ing"),
            "long words in lower case without a leading space that end in “ing”, mostly nouns",
        ),
        (rows_from_templates(" {word}!"), "strings with a leading space"),
        ([(str(n), ()) for n in range(30)], "numbers"),
        ([(chr(0x4E00 + n), ()) for n in range(30)], "Chinese or Japanese characters"),
        ([(chr(0x0410 + n) * 2, ()) for n in range(30)], "Cyrillic letters"),
        ([(f"\\x{n:X}", ()) for n in range(160, 190)], "bytes that are no text by themselves"),
        ([("\\\\" * n, ()) for n in range(1, 31)], "punctuation or symbols"),
    ],
)
def test_what_the_sources_share_is_described(sources: list[MappingRow], described: str) -> None:
    assert inputs_of(sources) == f"The inputs are mostly {described}."


def test_sources_of_a_known_relation_are_named_by_their_class() -> None:
    countries = Relation("country_to_capital", "knowledge", tuple((w.title(), other) for w, other in WORD_PAIRS))
    assert inputs_of(rows_from_templates(" {title}"), countries) == "The inputs are mostly countries."


def test_sources_that_share_nothing_are_unclear() -> None:
    kinds = [(f"{{word}}{n}", "{word}", "!?")[n % 3] for n in range(30)]
    rows = [(kind.format(word=word), ()) for kind, word in zip(kinds, WORDS.split(), strict=True)]
    assert inputs_of(rows) == "Unclear"


@pytest.mark.parametrize(
    ("sources", "described"),
    [
        ("this that these those every some any no all both ", "determiners"),
        ("slowly now quickly then sadly today badly soon deeply later ", "with a leading space, mostly adverbs"),
        ("red green blue dog cat horse yellow lion goat pink ", "colours or animals"),
        (
            "bold bolt bone dark dash data bore bond dawn dean",
            "short words in lower case with a leading space that begin with “b” or “d”",
        ),
        (
            "look looks looked fall falls fallen step steps stepped call calls called sing sang sung",
            'in several forms or spellings of a word, such as those of "look" and "fall"',
        ),
    ],
)
def test_words_are_described_by_class_letters_or_family(sources: str, described: str) -> None:
    rows: list[MappingRow] = [(f" {word}", ()) for word in sources.split()]
    assert described in inputs_of(rows)


def test_the_parts_of_a_shape_hold_for_the_same_sources() -> None:
    kinds = (" zu{}", "Zu{}", "zu{}")  # two thirds in lower case, but only a third with its space
    rows: list[MappingRow] = [(kinds[n % 3].format(word), ()) for n, (_, word) in enumerate(WORD_PAIRS)]
    assert inputs_of(rows) == "The inputs are mostly words in lower case that begin with “zu”."
