"""Hostile strings come out harmless, and tokens unambiguous."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from maps.atlas.reader import Atlas
from maps.types import HeadId, Mapping, RelationScore
from space.atlases.names import PREBUILT_FOLDER
from space.components import links, markup
from space.components.grid import Grid, grid_html, legend
from space.components.markup import Html

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onload='alert(1)",
    "a" * 10_000,
    "\u202eright to left\u2066",
    "\x00\x07\x1b[31m",
    "${value} {{value}}",
    "&lt;b&gt;",
]


ATLAS = Atlas.open(PREBUILT_FOLDER / "smollm2")


class ShapeReader(HTMLParser):
    """Collects the elements of a piece of HTML: the tag with the names of its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: set[tuple[str, ...]] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add((tag, *(name for name, _ in attrs)))


def elements(html: str) -> set[tuple[str, ...]]:
    reader = ShapeReader()
    reader.feed(html)
    return reader.elements


def tags(html: str) -> list[str]:
    return re.findall(r"</?([a-z0-9]+)", html)


EVERYWHERE: dict[
    str, Callable[[str], str]
] = {  # every function that takes text, with a hostile string in every place that takes one
    "escape_html": markup.escape_html,
    "join_html": lambda text: markup.join_html([text, text]),
    "Html.format": lambda text: Html("<b title='{}'>{}</b>").format(text, text),
    "Html.join": lambda text: Html(", ").join([text, text]),
    "Html +": lambda text: Html("<b>") + text,
    "+ Html": lambda text: text + Html("<b>"),
    "Html.replace": lambda text: Html("<b>x</b>").replace("x", text),
    "token_chip": markup.token_chip,
    "select_field": lambda text: markup.select_field(text, "a", [(text, "a")], text),
    "controls_form": lambda text: markup.controls_form(text, [Html("<b>")]),
    "head_link": lambda text: markup.head_link(text, HeadId(1, 2)),
    "bullet_list": lambda text: markup.bullet_list([text]),
    "anchor": lambda text: markup.anchor("a", text, title=text),
    "notice": lambda text: markup.notice(f"{text}`{text}`{text}"),
    "description_preview": markup.description_preview,
    "foldable_description": markup.foldable_description,
    "table": lambda text: markup.table([text], [[text]], text),
    "mapping_list": lambda text: markup.mapping_list([Mapping(1, 1, text, 1.0, (1,), (text,), (0.5,))]),
    "sticky_panel": lambda text: markup.sticky_panel(Html("<b>x</b>"), text),
    "relation_bars": lambda text: markup.relation_bars(
        [RelationScore(text, text, 1, 9, 0.9, 0.1)], 0.5, 30, text, HeadId(1, 2)
    ),
    "grid": lambda text: grid_html(Grid(text, [1], cell_texts={0: text}, default_text=text, label=text), ATLAS),
    "legend": lambda text: legend(Grid("", shares=[1.0], scale_ends=(text, text))),
}


@pytest.mark.parametrize("name", EVERYWHERE)
@pytest.mark.parametrize("string", HOSTILE)
def test_hostile_text_comes_out_escaped_wherever_it_is_filled_in(name: str, string: str) -> None:
    show = EVERYWHERE[name]
    shown = show(string)
    assert isinstance(shown, Html)
    assert elements(shown) <= elements(show("harmless")) | elements(show("harmless " * 1_000))
    assert not set("\u202e\u2066\x00\x07\x1b") & set(shown)


def test_html_that_is_filled_in_stays_html() -> None:
    bold = Html("<b>{}</b>").format("<i>")
    assert bold == "<b>&lt;i&gt;</b>"
    assert Html("<p>{}</p>").format(bold) == "<p><b>&lt;i&gt;</b></p>"
    assert markup.escape_html(bold) is not bold
    assert markup.escape_html(bold) == bold
    assert markup.table(["a"], [[bold]], "c").count("<b>") == 1


def test_a_form_field_sends_back_what_it_was_given() -> None:
    assert 'value="a\u202e&lt;"' in markup.select_field("l", "n", [("label", "a\u202e<")], "")


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


def test_a_relation_shows_what_copying_gives_and_is_folded_where_copying_explains_it() -> None:
    scores = [
        RelationScore("explained", "linguistic", 10, 50, 0.9, 0.0, 0.5, 0.05, 0.0, 25),
        RelationScore("beyond", "linguistic", 10, 53, 0.63, 0.0, 0.1, 0.6, 0.0, 43),
        RelationScore("exhausted", "linguistic", 10, 50, 0.95, 0.0, 0.9, None, None, 5),
    ]
    above, below = markup.relation_bars(scores, 0.15, 30, "m", HeadId(1, 2)).split("<details>")
    assert "score 0.63" in above
    assert "copying alone gives 0.10; score 0.60, suppression 0.00 on the 43 other pairs" in above
    assert "score 0.90" in below
    assert "copying alone gives 0.90; that leaves 5 other pairs, too few to classify heads by" in below
    none = markup.relation_bars(scores[::2], 0.15, 30, "m", HeadId(1, 2))
    assert "No relation reaches the threshold of 0.15 on this head, beyond what copying alone gives." in none


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
