"""Hostile strings come out harmless, and tokens unambiguous."""

from __future__ import annotations

import re

import pytest

from maps.types import HeadId, Mapping, RelationScore
from space.components import links, markup

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a" * 10_000,
    "\u202eright to left\u2066",
    "\x00\x07\x1b[31m",
    "${value} {{value}}",
    "&lt;b&gt;",
]


def tags(html: str) -> list[str]:
    """The names of the tags in a piece of HTML."""
    return re.findall(r"</?([a-z0-9]+)", html)


@pytest.mark.parametrize("string", HOSTILE)
def test_a_hostile_string_is_text_only(string: str) -> None:
    shown = markup.escape_html(string)
    assert tags(shown) == []
    assert not set("\u202e\u2066\x00\x07\x1b") & set(shown)
    assert set(tags(markup.token_chip(string))) <= {"a", "code", "bdi", "i", "small"}


def test_a_chip_shows_white_space_and_cuts_a_long_token_with_its_length() -> None:
    assert markup.token_chip(" a\n", linked=False) == (
        '<code class="chip"><bdi><i title="space">·</i>a<i title="newline">⏎</i></bdi></code>'
    )
    assert "10,000 characters" in markup.token_chip("a" * 10_000)
    assert "a" * 41 not in markup.token_chip("a" * 10_000, linked=False)
    assert "a" * 201 not in markup.token_chip("a" * 10_000)


def test_a_raised_dot_in_a_token_is_not_taken_for_a_space() -> None:
    assert markup.token_chip("·") != markup.token_chip(" ")
    assert "\\u00B7" in markup.token_chip("·")


def test_a_heads_address_is_encoded() -> None:
    assert links.link_to_head('a"b/c&d', HeadId(1, 2)) == "head?model=a%22b%2Fc%26d&layer=1&head=2"


def test_mappings_fold_after_the_first_rows_and_escape_everything() -> None:
    rows = [Mapping(i, i, "<b>", 1.0, (1,), ("<i>",), (0.5,)) for i in range(1, 13)]
    html = markup.mapping_list(rows)
    assert html.count("<li") == 12
    assert html.index("<details>") > html.index('<li value="10">')
    assert html.index("<details>") < html.index('<li value="11">')
    assert "<b>" not in html
    assert "&lt;i&gt;" in html
    assert "<details>" not in markup.mapping_list(rows, shown_count=None)


def test_relations_below_the_threshold_are_folded_and_undefined_scores_are_named() -> None:
    scores = [
        RelationScore("copying", "algorithmic", 1, 100, 0.1, 0.4),
        RelationScore("own", "", 10, 0, None, None),
    ]
    html = markup.relation_bars(scores, 0.15, 30, "m", HeadId(1, 2))
    above, below = html.split("<details>")
    assert "suppression 0.40" in above
    assert "undefined" in below
    assert "fewer than 30 pairs" in below


def test_a_very_long_description_is_folded_and_cut_in_tables() -> None:
    start = "a" * 400 + "… <small>10,000 characters</small>"
    assert (
        markup.foldable_description("a" * 10_000)
        == f"<details><summary>{start}</summary><div>{'a' * 10_000}</div></details>"
    )
    assert markup.description_preview("a" * 10_000) == start
    assert markup.foldable_description("<b>") == markup.description_preview("<b>") == "&lt;b&gt;"


def test_a_command_in_a_notice_is_shown_as_code() -> None:
    shown = markup.notice("Run `maps map <x>`, then ` alone")
    assert shown == '<p class="notice note" role="status">Run <code>maps map &lt;x&gt;</code>, then ` alone</p>'
