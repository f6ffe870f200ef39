"""The evidence of a description in words, and a head's headline with its sources."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from maps.atlas.reader import Atlas
from maps.report.headline import Headline
from maps.types import HeadId
from space.atlases.head_rows import HeadRows
from space.pages.head.descriptions import (
    descriptions_side_by_side,
    detection_sentence,
    evidence_sentences,
    headline_block,
    percent_below,
    prediction_sentence,
)
from space.pages.head.operations import operations_section

SEED = Path(__file__).parents[4] / "space" / "seed" / "smollm2-calibrated"


@pytest.fixture(scope="module")
def rows() -> HeadRows:
    return HeadRows.read(Atlas.open(SEED), HeadId(23, 4))


def test_a_scorers_answer_is_said_in_counts() -> None:
    answer = {"scorer": "gpt-4o", "own": 10, "own_named": 9, "other": 10, "other_left": 8}
    assert detection_sentence(answer) == (
        "Given only this sentence, gpt-4o picked 9 of 10 of the head's mappings, and 2 of 10 of other heads."
    )


def test_predictions_stand_beside_chance_and_other_heads_descriptions() -> None:
    score = {"generation_n": 9, "generation": 0.97, "generation_swapped": 0.554}
    assert prediction_sentence(score) == (
        "Of 9 mappings predicted from it alone, the targets rank above 97 % of all tokens on average (50 % by chance; "
        "55 % for pairs predicted from other heads' descriptions)."
    )
    assert prediction_sentence({**score, "generation_swapped": None}).endswith("on average (50 % by chance).")


@pytest.mark.parametrize(("share", "text"), [(0.5, "50 %"), (0.989, "99 %"), (0.9951, "99.5 %"), (1.0, "99.9 %")])
def test_a_share_is_never_rounded_up_to_the_whole(share: float, text: str) -> None:
    assert percent_below(share) == text


def test_the_reasoning_of_every_describer_is_folded() -> None:
    rows = HeadRows.read(Atlas.open(SEED), HeadId(9, 1))
    html = descriptions_side_by_side(rows, is_hidden=False)
    assert html.count("<summary>Reasoning</summary>") == len(rows.descriptions) == 2
    assert "Random heads show the like in the calibrated reading" in html
    assert "no more than random heads show in the calibrated reading" in html
    hostile = replace(rows, descriptions=[row | {"reasoning": "<script>"} for row in rows.descriptions])
    assert "<script>" not in descriptions_side_by_side(hostile, is_hidden=False)


def test_a_head_with_several_operations_shows_each_with_its_examples() -> None:
    rows = HeadRows.read(Atlas.open(SEED), HeadId(25, 2))
    html = operations_section(rows)
    assert "<h2>2 operations</h2>" in html
    assert html.count("<section>") == html.count("<details>") == 2
    assert "20 of the 30 examples" in html
    assert "Supported by 10 of these 10." in html
    hostile = replace(rows, operations=[row | {"observed_pattern": "<script>"} for row in rows.operations])
    assert "<script>" not in operations_section(hostile)
    assert operations_section(replace(rows, operations=[])) == ""
    headline = Headline("", "A.", rows.descriptions[0]["description_id"], operations=2)
    assert "It has 2 operations, described below." in headline_block(headline, rows, is_hidden=False)


def test_the_headline_names_its_sources(rows: HeadRows) -> None:
    reference = next(row for row in rows.descriptions if row["describer"] == "reference")
    headline = Headline("Country → capital: 39 of 48 pairs", "Says <b>", reference["description_id"])
    html = headline_block(headline, rows, is_hidden=False)
    assert "<b>Country → capital: 39 of 48 pairs.</b>" in html
    assert "Says &lt;b&gt;" in html
    assert "Relations are scored from the weights" in html
    assert evidence_sentences(reference, rows)[0].startswith("Written by language models")
    assert "mappings predicted from it alone" in html


def test_a_hidden_or_missing_description_leaves_the_relations(rows: HeadRows) -> None:
    relations = Headline("Country → capital: 39 of 48 pairs")
    assert "is hidden while a study" in headline_block(relations, rows, is_hidden=True)
    assert "Nobody has described this head yet." in headline_block(Headline(), rows, is_hidden=False)
    assert "Country → capital" in headline_block(relations, rows, is_hidden=False)
