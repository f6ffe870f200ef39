"""The search page: what is found is shown marked and cut in words, and hostile strings are harmless."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from space.components.links import link_to_search
from space.components.markup import token_chip
from space.live.process import LiveModel
from space.pages.search.page import build_content
from space.pages.search.view import ordinal
from space.services import Services
from tests.large_atlas import HOSTILE_STRINGS, MODEL, write_large_atlas
from tests.space.components.test_markup import tags

SMALL = "SmolLM2-135M-Instruct"
NAMES = (
    "h1 h2 form label input select option button section table thead tbody caption tr th td ul li p a code bdi i "
    "small span mark div nav b"
)
ALLOWED = set(NAMES.split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The invented large atlas."""
    made: Path = tmp_path_factory.mktemp("large")
    write_large_atlas(made)
    return made


@pytest.fixture
def both(served: Services, folder: Path) -> Services:
    """The app over the bundled atlas and the large one."""
    return replace(served, whole_atlases={**served.whole_atlases, MODEL: Atlas.open(folder)})


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))


def test_without_words_the_page_says_what_can_be_searched(served: Services) -> None:
    shown = build_content(served, {})
    assert shown.title == "Search the heads"
    assert 'href="search?q=+he"' in shown.html
    assert shown.html.count("<option") > 2  # every atlas, or one


def test_a_word_of_a_description_is_marked_and_its_head_linked(served: Services) -> None:
    html = build_content(served, {"q": "pronoun", "model": "SmolLM2-135M-Instruct"}).html
    assert "<mark>pronouns</mark>" in html
    assert 'href="head?model=SmolLM2-135M-Instruct&amp;layer=26&amp;head=2"' in html


def test_a_token_leads_to_the_heads_that_act_on_it_and_promote_it(served: Services) -> None:
    html = build_content(served, {"q": " he"}).html
    assert "Heads that promote it" in html
    assert "L26H2 of SmolLM2-135M-Instruct" in html
    assert re.search(r"\dth target of its \d+(st|nd|rd|th) mapping", html)


def test_a_relation_leads_to_its_page(served: Services) -> None:
    assert 'href="relation?name=country_to_capital"' in build_content(served, {"q": "countyr capital"}).html


def test_a_question_leads_to_the_relation_and_to_try_it_filled_in(served: Services) -> None:
    html = build_content(served, {"q": "capital of france", "model": SMALL}).html
    assert 'href="relation?name=country_to_capital">country → capital</a>' in html
    assert f"L23H4 of {SMALL}</a>, 30 of 48 pairs" in html
    assert '<a href="try?source=France&amp;target=Paris">Try France → Paris</a>' in html
    assert '<a href="try?source=Paris">Try Paris</a>' in build_content(served, {"q": "Paris"}).html
    off = replace(served, live_model=LiveModel(None))
    assert 'href="try?' not in build_content(off, {"q": "Paris"}).html


def test_the_name_of_a_head_gives_it_first_with_its_headline(both: Services) -> None:
    html = build_content(both, {"q": "layer 26 head 2"}).html
    first, second = re.findall(r'<li><a href="(head[^"]*)"', html)[:2]
    assert first == f"head?model={SMALL.replace(' ', '+')}+%28calibrated%29&amp;layer=26&amp;head=2"
    assert second == f"head?model={SMALL}&amp;layer=26&amp;head=2"
    assert "Noun → pronoun: 195 of 373 pairs." in html
    assert "<h2>" in html.split("Heads by name")[0][-4:]


def test_a_head_that_no_model_has_is_told_in_one_sentence(both: Services) -> None:
    html = build_content(both, {"q": "L99H99"}).html
    assert "None of the 5 models here has a head L99H99." in html
    one = build_content(both, {"q": "L30H0", "model": SMALL}).html
    assert f"{SMALL} has no head L30H0: layers run from 0 to 29, heads from 0 to 8." in one


def test_another_spelling_is_offered_where_the_typed_one_is_no_token(served: Services) -> None:
    html = build_content(served, {"q": "spain", "model": SMALL}).html
    assert "Did you mean" in html
    assert 'href="search?q=+Spain"' in html.split("Did you mean")[1].split("</p>")[0]
    assert "Did you mean" not in build_content(served, {"q": " Spain", "model": SMALL}).html
    assert "No exact match. Closest tokens:" in build_content(served, {"q": "Spian", "model": SMALL}).html


def test_the_field_has_the_focus_only_where_nothing_was_searched(served: Services) -> None:
    assert " autofocus>" in build_content(served, {}).html
    assert "autofocus" not in build_content(served, {"q": "he"}).html
    assert 'id="recent-heads" hidden' in build_content(served, {}).html


def test_places_are_told_as_people_count() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111, 1_003)] == [
        *("1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th", "1,003rd"),
    ]


@pytest.mark.slow
def test_a_cut_is_said_and_leads_to_the_rest(both: Services) -> None:
    first = build_content(both, {"q": "colours", "model": MODEL})
    match = re.search(r"first 10 of ([\d,]+)", first.html)
    assert match is not None
    every = int(match[1].replace(",", ""))
    link = link_to_search("colours", MODEL, "descriptions").replace("&", "&amp;")
    assert f'<a href="{link}">Show all {every:,}</a>' in first.html
    second = build_content(both, {"q": "colours", "model": MODEL, "kind": "descriptions", "page": "2"}).html
    assert f"51 to 100 of {every:,}" in second
    assert second.count("<mark>colours</mark>") >= 50
    assert "Previous" in second
    assert "Next" in second
    with pytest.raises(MapsError, match="There is no page 999 of this search"):
        build_content(both, {"q": "colours", "model": MODEL, "kind": "descriptions", "page": "999"})


def test_nothing_found_says_what_may_help(both: Services) -> None:
    html = build_content(both, {"q": "qqqqzzzzxxxx", "model": SMALL}).html
    assert "Nothing found in SmolLM2-135M-Instruct" in html
    assert f'<a href="{link_to_search("qqqqzzzzxxxx")}">Search all models</a>' in html
    alone = build_content(both, {"q": "qqqqzzzzxxxx", "kind": "targets"}).html
    assert "No head promotes this token or a similar one." in alone


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"q": "he", "model": "none"}, "There is no model 'none' here"),
        ({"q": "he", "kind": "<b>"}, "There is no kind of result"),
        ({"q": "he", "page": "-1"}, "whole number from 1 on"),
        ({"q": "he", "page": "٣"}, "whole number from 1 on"),
        ({"q": "he", "page": "9" * 5000}, "whole number from 1 on"),
        ({"q": "he", "page": "0"}, "whole number from 1 on"),
    ],
)
def test_a_wrong_address_is_answered_in_words(served: Services, query: dict[str, str], sentence: str) -> None:
    with pytest.raises(MapsError, match=sentence):
        build_content(served, query)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        pytest.param(HOSTILE_STRINGS[0], marks=pytest.mark.canary),
        *HOSTILE_STRINGS[1:],
        '" OR * NEAR/3 (',
        "\ud800",
        "\x00",
        " ",
        "%",
        "_",
        "\\",
        "'" * 300,
        "ａ" * 199,
        "\u202e",
    ],
)
def test_a_hostile_search_is_answered_harmlessly(both: Services, words: str) -> None:
    shown = build_content(both, {"q": words})
    assert set(tags(shown.html)) <= ALLOWED
    assert not set("\u202e\u2066\x00\x07\x1b") & set(re.sub(r'value="[^"]*"', "", shown.html))
    assert "javascript:" not in "".join(re.findall(r'href="([^"]*)"', shown.html))
    shown.html.encode()


def test_a_hostile_description_is_shown_harmlessly(both: Services) -> None:
    html = build_content(both, {"q": "script alert", "model": MODEL, "kind": "descriptions"}).html
    assert "&lt;<mark>script</mark>&gt;<mark>alert</mark>(1)" in html
    assert "10,2" in html, "the length of the sentence that is cut"
    assert "a" * 601 not in html


def test_the_link_of_a_chip_finds_the_token(both: Services) -> None:
    for token in HOSTILE_STRINGS:
        match = re.search(r'href="([^"]*)"', token_chip(token))
        assert match is not None
        query = dict(parse_qsl(urlsplit(match[1].replace("&amp;", "&")).query, keep_blank_values=True))
        html = build_content(both, query | {"model": MODEL}).html
        assert "As a token" in html, token[:40]
        assert "L0H0 of Invented-70B" in html, token[:40]


def test_a_chip_in_a_link_or_beside_the_form_is_no_link() -> None:
    assert tags(token_chip(" he", linked=False)) == ["code", "bdi", "i", "i", "bdi", "code"]
    assert token_chip(" he") == f'<a class="token" href="search?q=+he">{token_chip(" he", linked=False)}</a>'
