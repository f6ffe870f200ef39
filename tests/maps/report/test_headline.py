"""The headline of a head: relations first, then the description that is trusted most."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from maps.analysis.classification import HeadRelation
from maps.report.headline import NO_PATTERN, Headline, make_headline
from maps.text import quote_for_prompt, relation_title, unquote_from_prompt

CAPITALS = HeadRelation("country_to_capital", "knowledge", "score", 30 / 48, 48)
PRONOUNS = HeadRelation("noun_to_pronoun", "linguistic", "suppression", 0.5, 373)
OWN = HeadRelation("my_pairs", "", "score", 1.0, 1)


def row(describer: str, pattern: str, day: int = 1) -> dict[str, object]:
    created_at = datetime(2026, 1, day, tzinfo=UTC)
    name = f"{describer} {pattern} {day}"
    return {"describer": describer, "observed_pattern": pattern, "description_id": name, "created_at": created_at}


def test_relations_come_first_with_their_counts_and_say_what_is_suppressed() -> None:
    headline = make_headline([CAPITALS, PRONOUNS, OWN], [row("offline", "The outputs are capitals.")], {})
    assert headline.relations == (
        "Country → capital: 30 of 48 pairs; suppresses noun → pronoun: 186 of 373 pairs; 1 more relation"
    )
    assert headline.text == f"{headline.relations}. The outputs are capitals."
    assert make_headline([PRONOUNS], [], {}).text == "Suppresses noun → pronoun: 186 of 373 pairs."
    assert make_headline([OWN], [], {}).text == "My pairs: 1 of 1 pair."


def test_no_pattern_is_said_only_where_nothing_else_is_known() -> None:
    unclear = row("gpt-4o", "unclear.")
    assert make_headline([], [unclear], {}).text == NO_PATTERN
    assert make_headline([CAPITALS], [unclear], {}).text == "Country → capital: 30 of 48 pairs."
    assert make_headline([], [unclear], {}, operations=2).text == f"{NO_PATTERN} 2 operations."
    assert make_headline([CAPITALS], [unclear], {}, operations=3).text == (
        "Country → capital: 30 of 48 pairs. 3 operations."
    )
    assert make_headline([], [], {}) == Headline()
    assert not Headline().text


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ({}, "reference r 1"),
        ({"reference r 1": False}, "gpt-4o new 2"),
        ({"gpt-4o new 2": True}, "reference r 1"),
        ({"gpt-4o new 2": True, "reference r 1": False}, "gpt-4o new 2"),
        ({"reference r 1": False, "offline o 3": True}, "offline o 3"),
        ({"reference r 1": False, "gpt-4o new 2": False, "llama old 1": False}, "offline o 3"),
    ],
)
def test_the_description_is_the_reference_or_what_people_judged_right(verdicts: dict[str, bool], expected: str) -> None:
    rows = [row("offline", "o", 3), row("llama", "old"), row("gpt-4o", "new", 2), row("reference", "r")]
    assert make_headline([], rows, verdicts).description_id == expected


def test_quoted_tokens_lose_their_space_only_in_plain_text() -> None:
    headline = Headline("", 'Each gives " Paris" or " ", never "a\\" b".')
    assert headline.plain_text == 'Each gives "Paris" or " ", never "a\\" b".'


@pytest.mark.parametrize("token", [" Paris", 'a"b', "\n\t", "\\xE2", "\\\\", "\u202e", "\U000e0001", '\\\\"n'])
def test_a_token_quoted_for_a_prompt_is_read_back(token: str) -> None:
    assert unquote_from_prompt(quote_for_prompt(token)[1:-1]) == token


def test_titles_of_relations_have_an_arrow_and_full_words() -> None:
    names = ("adj_to_comparative", "english_to_french", "product_by_company", "name_copying", "year_to_following")
    assert [relation_title(name) for name in names] == [
        "adjective → comparative",
        "English → French",
        "product → company",
        "name copying",
        "year → following year",
    ]
