"""The offline describer's sentence on what the sources have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from maps.describers.offline import Offline
from maps.types import Relation
from tests.invented_heads import PAIRS, WORDS, Row, each, mappings


def inputs_of(rows: Sequence[Row], *relations: Relation) -> str:
    answer = asyncio.run(Offline(relations).describe(mappings(rows), 0))
    return answer.description.input_strings


@pytest.mark.parametrize(
    ("sources", "sentence"),
    [
        (each(" {word}"), "The inputs are mostly words in lower case with a leading space."),
        (each("{word}"), "The inputs are mostly words in lower case without a leading space."),
        (each(" {title}s"), "The inputs are mostly capitalised words with a leading space that end in “s”."),
        (each("un{word}"), "The inputs are mostly words in lower case without a leading space that begin with “un”."),
        (each("{word}ing"), "The inputs are mostly words in lower case without a leading space that end in “ing”."),
        (each(" {word}!"), "The inputs are mostly strings with a leading space."),
        ([(str(n), ()) for n in range(30)], "The inputs are mostly numbers."),
        ([(chr(0x4E00 + n), ()) for n in range(30)], "The inputs are mostly Chinese or Japanese characters."),
        ([(chr(0x0410 + n) * 2, ()) for n in range(30)], "The inputs are mostly Cyrillic letters."),
        ([(f"\\x{n:X}", ()) for n in range(160, 190)], "The inputs are mostly bytes that are no text by themselves."),
        ([("\\\\" * n, ()) for n in range(1, 31)], "The inputs are mostly punctuation or symbols."),
    ],
)
def test_what_the_sources_share_is_said(sources: list[Row], sentence: str) -> None:
    assert inputs_of(sources) == sentence


def test_sources_of_a_known_relation_are_called_by_their_name() -> None:
    countries = Relation("country_to_capital", "knowledge", tuple((w.title(), other) for w, other in PAIRS))
    assert inputs_of(each(" {title}"), countries) == "The inputs are mostly countries."


def test_sources_that_share_nothing_are_unclear() -> None:
    kinds = [(f"{{word}}{n}", "{word}", "!?")[n % 3] for n in range(30)]
    rows = [(kind.format(word=word), ()) for kind, word in zip(kinds, WORDS.split(), strict=True)]
    assert inputs_of(rows) == "Unclear"
