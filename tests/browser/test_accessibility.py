"""axe-core looks at every page, in light and dark."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Server
from tests.browser.test_study import sign_in

FADED = 800  # ms: Gradio fades in what is new, and half faded text is too pale
SCHEMES = ("light", "dark")
MODEL = "SmolLM2-135M-Instruct"
PAGES = (
    *(
        "",
        "?colour=relation:country_to_capital",
        "?colour=input_skewness",
        "head?layer=26&head=2",
        "head?layer=99&head=2",
    ),
    *("relation", f"relation?name=noun_to_pronoun&model={MODEL}&layer=26&head=2", "search", "search?q=pronouns"),
    *("compare", "annotate", "agreement", "organise", "about", "nosuch"),
)


def findings(page: Page) -> list[str]:
    """What axe-core finds wrong: rule, how grave, and the first place."""
    page.wait_for_timeout(FADED)
    found = Axe().run(page).response["violations"]
    return [f"{each['impact']} {each['id']}: {each['nodes'][0]['html'][:200]}" for each in found]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_page_has_an_accessibility_problem(explorer: Server, browser: Browser, scheme: str) -> None:
    wrong = {}
    for path in PAGES:
        context = browser.new_context(color_scheme=scheme)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(f"{explorer.url}/{path}", wait_until="networkidle")
        expect(page.locator("h1:visible, .notice:visible").first).to_be_visible()
        wrong[path] = findings(page)
        context.close()
    assert wrong == {path: [] for path in PAGES}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_form_and_the_organisers_page_have_none_either(server: Server, page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    sign_in(page, server, "Ada")
    page.wait_for_load_state("networkidle")
    assert findings(page) == []
    page.goto(server.organisers_link)
    expect(page.locator("#overview")).to_contain_text("default")
    page.wait_for_load_state("networkidle")
    assert findings(page) == []
    for name in ("Disagreements", "New study", "Withdrawals"):
        page.get_by_role("tab", name=name).click()
        assert findings(page) == []
