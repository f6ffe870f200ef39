"""axe-core looks at every page, in light and dark."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import BrowserTestApp
from tests.browser.test_study import sign_in

pytestmark = pytest.mark.browser

FADED = 800  # ms: Gradio fades in what is new, and half faded text is too pale
SCHEMES = ("light", "dark")
MODEL = "SmolLM2-135M-Instruct"
WHOLE = """() => {
  const shown = document.querySelector('#view .look'), drawn = document.querySelectorAll('#figures .marks');
  return !document.getElementById('first-look') && shown && !shown.dataset.unfinished
    && !shown.hasAttribute('aria-busy') && drawn.length >= Number(shown.dataset.figures);
}"""
PAGES = (
    *(
        "",
        "?colour=relation:country_to_capital",
        "?colour=input_skewness",
        "head?layer=26&head=2",
        "head?layer=99&head=2",
    ),
    *("relation", f"relation?name=noun_to_pronoun&model={MODEL}&layer=26&head=2", "search", "search?q=pronouns"),
    "search?q=spain",
    "compare",
    "compare?view=heads&layer=23&head=4",
    "compare?view=relations",
    "compare?view=scatter&x_from=500",
    "catalogue?sort=-size",
    "sentence?layer=26&head=2",
)
OTHERS = ("models", "ask?layer=26&head=2", "annotate", "agreement", "organise", "about", "privacy", "nosuch")


def open_whole(page: Page, address: str) -> None:
    """Opens a page of the explorer and waits until its view has taken over, with all words and figures."""
    page.goto(address)
    page.wait_for_function(WHOLE)


def findings(page: Page) -> list[str]:
    """What axe-core finds wrong and goes on to find once all is faded in: rule, how grave, and the first place."""
    if found := Axe().run(page).response["violations"]:
        page.wait_for_timeout(FADED)
        found = Axe().run(page).response["violations"]
    return [f"{each['impact']} {each['id']}: {each['nodes'][0]['html'][:200]}" for each in found]


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
def test_no_page_has_an_accessibility_problem(explorer: BrowserTestApp, browser: Browser, scheme: str) -> None:
    wrong = {}
    for path in (*PAGES, *OTHERS):
        context = browser.new_context(color_scheme=scheme)  # type: ignore[arg-type]
        page = context.new_page()
        if path in PAGES:
            open_whole(page, f"{explorer.url}/{path}")
        else:
            page.goto(f"{explorer.url}/{path}", wait_until="networkidle")
        expect(page.locator("h1:visible, .notice:visible").first).to_be_visible()
        wrong[path] = findings(page)
        context.close()
    assert wrong == {path: [] for path in (*PAGES, *OTHERS)}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_form_and_the_organisers_page_have_none_either(server: BrowserTestApp, page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    sign_in(page, server, "Ada")
    page.wait_for_load_state("networkidle")
    assert findings(page) == []
    page.goto(server.organiser_link)
    expect(page.locator("#overview")).to_contain_text("default")
    page.wait_for_load_state("networkidle")
    assert findings(page) == []
    check_tabs(page, ("Disagreements", "New study", "Withdrawals", "Publish"))
    page.goto(f"{server.url}/models")
    expect(page.locator("#jobs-column")).to_be_visible()
    check_tabs(page, ("Add a model", "Describe", "One head", "Evidence", "Keep on the Hub"))


def check_tabs(page: Page, names: tuple[str, ...]) -> None:
    for name in names:
        tab = page.get_by_role("tab", name=name, exact=True)
        tab.click()
        expect(tab).to_have_attribute("aria-selected", "true")
        assert findings(page) == []
