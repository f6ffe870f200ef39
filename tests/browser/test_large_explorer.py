"""The explorer over an atlas of 5,120 heads with hostile strings, beside the small one, on a phone and on a desk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import ROOT
from tests.browser.test_accessibility import findings, open_whole
from tests.large_atlas import HOSTILE_STRINGS, MODEL, write_large_atlas
from tests.space.running import run_app

pytestmark = pytest.mark.browser

PAGES = (
    *(f"?model={MODEL}", f"?model={MODEL}&colour=relation:copying", f"head?model={MODEL}&layer=0&head=0"),
    *(f"relation?name=copying&model={MODEL}&layer=0&head=0", "relation?name=copying", "search?q=%3Cscript%3E"),
    *(f"search?q=right+to+left&model={MODEL}", f"compare?model={MODEL}", "compare"),
    *(f"compare?model={MODEL}&other={MODEL}&view=scatter&x_from=500", "catalogue"),
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an app with both atlases."""
    folder = tmp_path_factory.mktemp("large")
    write_large_atlas(folder)
    atlases = f"{ROOT / 'space' / 'seed' / 'smollm2'},{folder}"
    with run_app({"MAPS_ATLASES": atlases, "MAPS_DATA": str(tmp_path_factory.mktemp("data"))}) as served:
        yield served.url


@pytest.mark.parametrize("path", PAGES)
def test_hostile_strings_are_shown_harmlessly_and_no_page_scrolls_sideways(
    url: str, browser: Browser, path: str
) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 700})
    page = context.new_page()
    troubles: list[str] = []
    page.on("dialog", lambda dialog: troubles.append(dialog.message))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    open_whole(page, f"{url}/{path}")
    expect(page.locator("h1:visible").first).to_be_visible()
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    assert page.locator("#view img[src=x], #view script:not([type='application/json'])").count() == 0
    assert page.locator("a[href^='javascript:']").count() == 0
    assert troubles == []
    context.close()


def test_a_hostile_head_shows_its_strings_as_text(url: str, page: Page) -> None:
    open_whole(page, f"{url}/head?model={MODEL}&layer=0&head=0")
    shown = page.locator("#view").inner_text()
    assert "<script>alert(1)</script>" in shown
    assert "**bold** [link](javascript:alert(1))" in shown
    assert "\\u202E" in shown
    assert "10,000 characters" in shown
    assert not [string for string in HOSTILE_STRINGS if "\u202e" in string and string in shown]


def test_a_click_on_one_of_5120_heads_opens_it_in_place(url: str, page: Page) -> None:
    page.goto(f"{url}/?model={MODEL}")  # its figures, which come later, are not waited for
    page.locator("#view .head-grid .cell").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#view h1")).to_contain_text(f"L1H1 of {MODEL}")
    expect(page).to_have_url(f"{url}/head?model={MODEL}&layer=1&head=1")
    page.go_back()
    expect(page.locator("#view .head-grid canvas")).to_be_visible()
