"""Looks at a running app in headless Chromium, page by page."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from maps.errors import MapsError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
PAGE_TIMEOUT_MS = 30_000  # milliseconds that a page may take
EXPECTED_WORDS = {  # an address: what must be seen there
    "": "What do attention heads do",
    "head?layer=26&head=2": "mappings",
    "relation?name=noun_to_pronoun": "noun to pronoun",
    "search?q=pronoun": "search",
    "try": "Try it",
    "compare": "compare",
    "annotate": "Sign in with Hugging Face",
    "agreement": "agreement",
    "about": "How a head is read",
    "privacy": "withdraw",
    "organise": "organise",
}


class PageCheck(NamedTuple):
    """A page as it was: its address, how long it took, its heading, and what is wrong with it."""

    address: str
    seconds: float
    heading: str
    problems: tuple[str, ...]


def check_pages(url: str, screenshot_folder: Path | None = None) -> Iterator[PageCheck]:
    """Opens the main pages one after the other; raises MapsError where no browser can be had."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise MapsError(
            "The package playwright is missing, with which the pages are looked at; install what the tests need "
            "(tests/requirements.txt), or leave the browser out with --no-browser."
        ) from error
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        path = path or playwright.chromium.executable_path
        if not Path(path).exists():
            raise MapsError("No Chromium was found; install the package chromium, or use --no-browser.")
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        for address, words in EXPECTED_WORDS.items():
            yield check_page(browser, url, address, words, screenshot_folder)
        browser.close()


def check_page(
    browser: Browser, url: str, address: str, expected_words: str, screenshot_folder: Path | None
) -> PageCheck:
    """One page, opened by a fresh visitor."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page, wrong = context.new_page(), list[str]()
    page.on("pageerror", lambda error: wrong.append(f"its script failed: {error}"))
    start = time.monotonic()
    try:
        heading = visit_page(page, f"{url}/{address}", expected_words, wrong)
        seconds = time.monotonic() - start
        wrong += [f"it sets the cookie {cookie.get('name')}" for cookie in context.cookies()]  # /privacy: none
        if screenshot_folder is not None:
            screenshot_folder.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=screenshot_folder / f"{address.partition('?')[0] or 'home'}.png", full_page=True)
    finally:
        context.close()
    return PageCheck(address, seconds, heading, tuple(wrong))


def visit_page(page: Page, address: str, expected_words: str, problems: list[str]) -> str:
    """Opens an address and waits for what must be seen; the page's heading."""
    from playwright.sync_api import TimeoutError as Late

    answer = page.goto(address, timeout=PAGE_TIMEOUT_MS)
    if answer is None or answer.status != 200:
        problems.append(f"it is answered by {answer.status if answer else 'nothing'}")
    try:
        page.wait_for_function(
            "words => document.body.innerText.toLowerCase().includes(words.toLowerCase())",
            arg=expected_words,
            timeout=PAGE_TIMEOUT_MS,
        )
    except Late:
        problems.append(f"{expected_words!r} is not there")
    heading = page.locator("h1").first
    return heading.inner_text() if heading.count() else ""
