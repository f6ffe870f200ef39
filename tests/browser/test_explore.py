"""A visitor: the grid, a head by click, by address and by keyboard; hostile addresses and strings; a phone."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from maps.atlas import Atlas
from maps.terminal import visible
from maps.types import HeadId
from tests.browser.conftest import ROOT, Server

SEED = ROOT / "space" / "seed" / "smollm2"


def test_the_grid_lists_every_head_and_a_click_opens_one(explorer: Server, page: Page) -> None:
    page.goto(explorer.url)
    expect(page.locator(".head-grid .cell")).to_have_count(270)
    page.locator("[data-head=L26H2]").hover()
    expect(page.locator(".pointed")).to_contain_text("L26H2: noun to pronoun")
    page.locator("[data-head=L26H2]").click()
    expect(page.locator("#head-page h1")).to_contain_text("L26H2")
    assert page.url.endswith("/head?model=SmolLM2-135M-Instruct&layer=26&head=2")


def test_a_link_pasted_into_a_fresh_browser_opens_its_head_with_all_mappings(explorer: Server, page: Page) -> None:
    page.goto(f"{explorer.url}/head?model=SmolLM2-135M-Instruct&layer=26&head=2")
    expect(page.locator("#head-page h1")).to_contain_text("L26H2")
    assert page.locator(".mappings li:visible").count() == 10
    page.get_by_text("Show all 30").click()
    shown = [row.inner_text().split() for row in page.locator(".mappings li").all()]
    stored = Atlas.open(SEED).mappings(HeadId(26, 2))
    wanted = [[visible(m.source), "→", *(visible(target) for target in m.targets)] for m in stored]
    assert shown == wanted


def test_another_colouring_changes_the_cells_and_the_words(explorer: Server, page: Page) -> None:
    page.goto(explorer.url)
    expect(page.locator(".head-grid .cell")).to_have_count(270)
    box = page.get_by_label("Colour by")
    box.click()
    page.get_by_role("option", name="Relation: country to capital").click()
    expect(page.locator(".grid-title")).to_contain_text("heads implement country to capital")
    page.locator("[data-head=L23H4]").hover()
    expect(page.locator(".pointed")).to_contain_text("country to capital: score 0.6")
    page.get_by_label("Suppresses the targets").click()
    expect(page.locator(".grid-title")).to_contain_text("heads suppress country to capital")
    box.click()
    page.get_by_role("option", name="Saliency").click()
    expect(page.locator(".grid-title")).to_contain_text("Mean saliency")


def test_arrows_move_over_the_grid_and_enter_opens(explorer: Server, page: Page) -> None:
    page.goto(explorer.url)
    expect(page.locator(".head-grid .cell")).to_have_count(270)
    page.locator(".head-grid svg").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
    expect(page.locator(".pointed")).to_contain_text("L1H1")
    page.keyboard.press("Enter")
    expect(page.locator("#head-page h1")).to_contain_text("L1H1")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#head-page h1")).to_contain_text("L1H2")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#head-page h1")).to_contain_text("L1H1")


def test_the_pickers_open_a_head(explorer: Server, page: Page) -> None:
    page.goto(explorer.url)
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
    explorer: Server, page: Page, query: str, sentence: str
) -> None:
    page.goto(f"{explorer.url}/head{query}")
    expect(page.get_by_role("alert")).to_contain_text(sentence)
    page.get_by_role("link", name="Back to all heads").click()
    expect(page.locator(".head-grid .cell")).to_have_count(270)


def test_an_unknown_page_leads_back(explorer: Server, page: Page) -> None:
    page.goto(f"{explorer.url}/nowhere/at/all")
    expect(page.get_by_role("heading", name="No such page")).to_be_visible()
    page.get_by_role("link", name="All heads").click()
    expect(page.locator(".head-grid .cell")).to_have_count(270)


@pytest.mark.parametrize("path", ["", "head?layer=12&head=6", "annotate", "agreement", "about"])
def test_no_page_scrolls_sideways_on_a_small_phone(explorer: Server, browser: Browser, path: str) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 700}, color_scheme="dark")
    page = context.new_page()
    page.goto(f"{explorer.url}/{path}")
    expect(page.locator("h1:visible").first).to_be_visible()
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    context.close()


def test_the_app_neither_asks_other_hosts_nor_loads_torch(server: Server, page: Page, tmp_path: Path) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server.url)
    expect(page.locator(".head-grid .cell")).to_have_count(270)
    outside = [url for url in asked if not url.startswith((server.url, "data:", "blob:"))]
    assert outside == []
    assert server.process is not None
    libraries = Path(f"/proc/{server.process.pid}/maps").read_text(encoding="utf-8")
    assert "libtorch" not in libraries
    assert (tmp_path / "data" / "journal.sqlite").exists()
