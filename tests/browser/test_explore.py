"""A visitor: the grid, a head by click, by address and by keyboard; hostile addresses and strings; a phone."""

from __future__ import annotations

import json
import re
import urllib.request
from html import unescape
from pathlib import Path
from urllib.error import HTTPError

import pytest
from playwright.sync_api import Browser, Locator, Page, Position, expect

from maps.atlas.reader import Atlas
from maps.text import visible_token
from maps.types import HeadId
from tests.browser.conftest import ROOT, BrowserTestApp

pytestmark = pytest.mark.browser

SEED = ROOT / "space" / "seed" / "smollm2"


def at(page: Page, layer: int, head: int) -> Position:
    """The middle of a cell, from the corner of the canvas of the bundled model's grid."""
    size = page.evaluate("(document.querySelector('#view .head-grid canvas').clientWidth - 36) / 30")
    return {"x": 34 + (layer + 0.4) * size, "y": (head + 0.4) * size}


def open_grid(explorer: BrowserTestApp, page: Page) -> Locator:
    """The first page of the paper's reading, coloured by relations, once Gradio's view has taken over; its grid."""
    page.goto(f"{explorer.url}/?model=SmolLM2-135M-Instruct&colour=category")
    expect(page.locator("#first-look")).to_have_count(0)
    return page.locator("#view .head-grid .plot")


def test_pointing_at_a_cell_tells_it_and_a_click_opens_it_in_place(explorer: BrowserTestApp, page: Page) -> None:
    canvas = open_grid(explorer, page)
    page.evaluate("window.here = true")
    canvas.hover(position=at(page, 26, 2))
    expect(page.locator(".pointed")).to_contain_text(
        "L26H2: noun to pronoun 0.52. Noun → pronoun: 195 of 373 pairs. Whatever the input"
    )
    canvas.click(position=at(page, 26, 2))
    expect(page.locator("#head-page h1")).to_contain_text("L26H2")
    assert page.url.endswith("/head?model=SmolLM2-135M-Instruct&layer=26&head=2")
    expect(page).to_have_title("L26H2 of SmolLM2-135M-Instruct")
    assert page.evaluate("window.here")
    page.go_back()
    expect(page.locator("#view .head-grid canvas")).to_be_visible()
    page.go_forward()
    expect(page.locator("#head-page h1")).to_contain_text("L26H2")
    assert page.evaluate("window.here")


def test_the_first_html_shows_the_head_its_title_and_its_picture(explorer: BrowserTestApp) -> None:
    address = f"{explorer.url}/head?model=SmolLM2-135M-Instruct&layer=26&head=2"
    with urllib.request.urlopen(address, timeout=20) as reply:
        html = reply.read().decode()
    assert "<title>L26H2 of SmolLM2-135M-Instruct</title>" in html
    assert '<meta property="og:description" content="Noun → pronoun: 195 of 373 pairs. Whatever the input' in html
    assert html.count("og:title") == 1
    picture = re.search(r'og:image" content="([^"]+)"', html)
    assert picture is not None
    with urllib.request.urlopen(unescape(picture[1]), timeout=20) as reply:
        assert reply.read(8) == b"\x89PNG\r\n\x1a\n"


def test_a_page_can_be_read_and_its_links_followed_without_a_script(explorer: BrowserTestApp, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{explorer.url}/?model=SmolLM2-135M-Instruct")
    page.get_by_role("link", name="L26H2").first.click()
    expect(page.locator("#head-page h1")).to_contain_text("L26H2")
    page.get_by_role("link", name="All heads").click()
    expect(page.get_by_role("heading", name="What do attention heads do?")).to_be_visible()
    context.close()


def test_an_address_that_leads_nowhere_has_the_status_of_it(explorer: BrowserTestApp) -> None:
    with pytest.raises(HTTPError, match="404"):
        urllib.request.urlopen(f"{explorer.url}/head?layer=99&head=0", timeout=20)


def test_a_link_pasted_into_a_fresh_browser_opens_its_head_with_all_mappings(
    explorer: BrowserTestApp, page: Page
) -> None:
    page.goto(f"{explorer.url}/head?model=SmolLM2-135M-Instruct&layer=26&head=2")
    expect(page.locator("#head-page h1")).to_contain_text("L26H2")
    expect(page.locator("#first-look")).to_have_count(0)
    assert page.locator(".mappings li:visible").count() == 10
    page.get_by_text("Show all 30").click()
    shown = [row.inner_text().split() for row in page.locator(".mappings").first.locator("li").all()]
    stored = Atlas.open(SEED).mappings(HeadId(26, 2))
    wanted = [[visible_token(m.source), "→", *(visible_token(target) for target in m.targets)] for m in stored]
    assert shown == wanted


def test_another_colouring_changes_the_cells_and_the_words(explorer: BrowserTestApp, page: Page) -> None:
    canvas = open_grid(explorer, page)
    page.get_by_label("Colour by").select_option("relation:country_to_capital")
    expect(page.locator(".grid-title:visible")).to_contain_text("4 of 270 heads implement country to capital")
    canvas.hover(position=at(page, 23, 4))
    expect(page.locator(".pointed")).to_contain_text("L23H4: country to capital: score 0.6")
    page.get_by_label("Direction").select_option("suppression")
    expect(page.locator(".grid-title:visible")).to_contain_text("heads suppress country to capital")
    page.reload()
    expect(page.locator(".grid-title:visible")).to_contain_text("heads suppress country to capital")
    expect(page.locator("#first-look")).to_have_count(0)
    page.get_by_label("Colour by").select_option("saliency_mean")
    expect(page.locator(".grid-title:visible")).to_contain_text("Mean saliency")


def test_the_threshold_changes_which_heads_count(explorer: BrowserTestApp, page: Page) -> None:
    open_grid(explorer, page)
    expect(page.locator(".grid-title:visible")).to_contain_text("20 of 270 heads")
    page.get_by_role("slider", name="Minimum score").fill("0.5")
    expect(page.locator(".grid-title:visible")).to_contain_text("9 of 270 heads match a known relation")
    assert "tau=0.5" in page.url


def test_arrows_move_over_the_grid_and_enter_opens(explorer: BrowserTestApp, page: Page) -> None:
    open_grid(explorer, page).locator(".cell").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
    expect(page.locator(".pointed")).to_contain_text("L1H1")
    page.keyboard.press("Enter")
    expect(page.locator("#head-page h1")).to_contain_text("L1H1")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#head-page h1")).to_contain_text("L1H2")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#head-page h1")).to_contain_text("L1H1")


def test_the_pickers_open_a_head(explorer: BrowserTestApp, page: Page) -> None:
    open_grid(explorer, page)
    page.locator("select[name=layer]").select_option("23")
    page.locator("select[name=head]").select_option("4")
    page.get_by_role("button", name="Open the head").click()
    expect(page.locator("#head-page h1")).to_contain_text("L23H4")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("", "The address names no head"),
        ("?layer=99&head=0", "has no head L99H0: layers run from 0 to 29, heads from 0 to 8."),
        ("?layer=-1&head=0", "The address names no head"),
        ("?layer=1&head=99999999999999999999", "The address names no head"),
        ("?model=<script>alert(1)</script>&layer=1&head=1", "There is no model '<script>alert(1)</script>' here"),
    ],
)
def test_an_address_that_leads_nowhere_is_answered_in_words(
    explorer: BrowserTestApp, page: Page, query: str, sentence: str
) -> None:
    page.goto(f"{explorer.url}/head{query}")
    expect(page.get_by_role("alert")).to_contain_text(sentence)
    page.get_by_role("link", name="Back to all heads").click()
    expect(page.locator("#view .head-grid canvas")).to_be_visible()


def test_an_unknown_page_leads_back(explorer: BrowserTestApp, page: Page) -> None:
    page.goto(f"{explorer.url}/nowhere/at/all")
    expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()
    page.get_by_role("link", name="all heads").click()
    expect(page.locator("#view .head-grid canvas")).to_be_visible()


def test_a_question_is_typed_at_once_and_leads_to_a_head_that_is_listed_afterwards(
    explorer: BrowserTestApp, page: Page
) -> None:
    page.goto(f"{explorer.url}/search")
    field = page.locator("input[name=q]").last
    page.keyboard.type("capital")
    expect(page.locator("#first-look")).to_have_count(0)
    expect(field).to_be_focused()
    page.keyboard.type(" of france")
    expect(field).to_have_value("capital of france")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Try France → Paris")).to_be_visible()
    page.get_by_role("link", name="L23H4 of SmolLM2-135M-Instruct", exact=True).first.click()
    expect(page.locator("#head-page h1")).to_contain_text("L23H4")
    page.get_by_role("link", name="L23H5 →").click()
    expect(page.locator("#head-page h1")).to_contain_text("L23H5")
    page.goto(f"{explorer.url}/search")
    listed = page.locator("#recent-heads li")
    expect(listed).to_have_text(["L23H5 of SmolLM2-135M-Instruct", "L23H4 of SmolLM2-135M-Instruct"])
    expect(page.locator("#first-look")).to_have_count(0)
    page.get_by_role("button", name="Clear this list").click()
    expect(page.locator("#recent-heads")).to_be_hidden()
    page.reload()
    expect(page.locator("#recent-heads")).to_be_hidden()


def test_what_something_else_wrote_into_the_list_of_heads_is_text_or_left_out(
    explorer: BrowserTestApp, page: Page
) -> None:
    page.goto(f"{explorer.url}/search")
    hostile = '<img src=x onerror="window.bad=1">'
    heads = [{"model": hostile, "layer": 1, "head": 2}, {"model": 5, "layer": 1, "head": 2}, None, "L1H2"]
    heads += [{"model": "a", "layer": layer, "head": 0} for layer in ("0", -1, 0.5, 10_000)]
    heads += [{"model": f"model {number}", "layer": 0, "head": number} for number in range(20)]
    for kept, count in ((heads, 12), ({"a": 1}, 0), ("{", 0)):
        text = kept if isinstance(kept, str) else json.dumps(kept)
        page.evaluate("text => localStorage.setItem('maps-recent-heads', text)", text)
        page.reload()
        expect(page.locator("#first-look")).to_have_count(0)
        expect(page.locator("#recent-heads li")).to_have_count(count)
        if count:
            expect(page.locator("#recent-heads li").first).to_have_text(f"L1H2 of {hostile}")
    assert page.evaluate("window.bad") is None


@pytest.mark.parametrize(
    "path", ["", "head?layer=12&head=6", "relation", "search?q=capital+of+france", "annotate", "agreement", "about"]
)
def test_no_page_scrolls_sideways_on_a_small_phone(explorer: BrowserTestApp, browser: Browser, path: str) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 700}, color_scheme="dark")
    page = context.new_page()
    page.goto(f"{explorer.url}/{path}")
    expect(page.locator("h1:visible").first).to_be_visible()
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    context.close()


def test_the_app_neither_asks_other_hosts_nor_loads_torch(server: BrowserTestApp, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server.url)
    expect(page.locator("#view .head-grid canvas")).to_be_visible()
    outside = [url for url in asked if not url.startswith((server.url, "data:", "blob:"))]
    assert outside == []
    assert server.process is not None
    libraries = Path(f"/proc/{server.process.pid}/maps").read_text(encoding="utf-8")
    assert "libtorch" not in libraries
    assert (server.data / "journal.sqlite").exists()
