"""A visitor asks all heads: a pair, a token that is none, own pairs, by typing and by address; on a phone."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import BrowserTestApp

pytestmark = pytest.mark.browser

LOADING = 90_000  # milliseconds that the first question may take


def test_a_pair_is_typed_and_the_best_head_opened(explorer: BrowserTestApp, page: Page) -> None:
    page.goto(f"{explorer.url}/try")
    expect(page.locator("#first-look")).to_have_count(0)
    page.evaluate("window.here = true")
    page.get_by_label("Token, or source").fill("France")
    page.get_by_label("Target, if it is a pair").fill("Paris")
    page.get_by_role("button", name="Ask the heads").click()
    best = page.locator("#view .answer table").first.locator("tbody tr").first
    expect(best).to_contain_text("L23H5", timeout=LOADING)
    assert page.url.endswith("/try?source=France&target=Paris")
    expect(page.locator("#view .answer code").last).to_have_text("python -m maps probe smollm2 France Paris")
    best.get_by_role("link").first.click()
    expect(page.locator("#head-page h1")).to_contain_text("L23H5")
    assert page.evaluate("window.here")
    page.go_back()
    expect(page.locator("#view .answer table").first).to_be_visible(timeout=LOADING)


def test_a_word_of_several_tokens_is_told_by_its_address(explorer: BrowserTestApp, page: Page) -> None:
    page.goto(f"{explorer.url}/try?source=Liechtenstein")
    expect(page.locator("#view .answer .problem")).to_contain_text("(Lie + ch + ten + stein)", timeout=LOADING)


def test_another_spelling_is_one_click_away(explorer: BrowserTestApp, page: Page) -> None:
    page.goto(f"{explorer.url}/try?source=spain&target=Madrid")
    problem = page.locator("#view .answer .problem")
    expect(problem).to_contain_text("two tokens (sp + ain). Did you mean Spain?", timeout=LOADING)
    problem.get_by_role("link", name="Spain").click()
    expect(page.locator("#view .answer")).to_contain_text("first of 49,152 tokens", timeout=LOADING)
    assert page.url.endswith("/try?source=Spain&target=Madrid")


def test_own_pairs_become_a_grid_on_a_phone(explorer: BrowserTestApp, browser: Browser) -> None:
    phone = browser.new_page(viewport={"width": 320, "height": 700})
    pairs = "he, him\nshe -> her\n<img src=x onerror=window.bad=1>, x\nnothing"
    phone.goto(f"{explorer.url}/try?{urlencode({'pairs': pairs})}")
    expect(phone.locator("#view .answer canvas")).to_be_visible(timeout=LOADING)
    expect(phone.locator("#view .answer")).to_contain_text("2 of 3 pairs can be used")
    expect(phone.locator("#view .answer")).to_contain_text("1 line without a source and a target left out: “nothing”.")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 320
    assert phone.evaluate("window.bad") is None
    phone.close()
