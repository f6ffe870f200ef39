"""Checks the pages of a running app in headless Chromium."""

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
PAGE_TIMEOUT_MS = 30_000
EXPECTED_WORDS = {  # by address: words that must be visible
    "": "What do attention heads do",
    "head?layer=26&head=2": "mappings",
    "relation?name=noun_to_pronoun": "noun to pronoun",
    "search?q=pronoun": "search",
    "try": "Try it",
    "compare": "compare",
    "catalogue": "Every model that is mapped here",
    "models": "The models that are here",
    "ask?layer=26&head=2": "Ask a model about",
    "annotate": "Sign in with Hugging Face",
    "agreement": "agreement",
    "about": "How a head is read",
    "privacy": "withdraw",
    "organise": "organise",
}


class PageCheck(NamedTuple):
    """The result for one page: its address, seconds until it was there, its heading, and its problems."""

    address: str
    seconds: float
    heading: str
    problems: tuple[str, ...]


def check_pages(url: str, screenshot_folder: Path | None = None) -> Iterator[PageCheck]:
    """Opens the main pages one after the other; raises MapsError if no browser is available."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise MapsError(
            "Checking the pages needs the package playwright; install tests/requirements.txt, or skip the browser with "
            "--no-browser."
        ) from error
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        path = path or playwright.chromium.executable_path
        if not Path(path).exists():
            raise MapsError("No Chromium was found; install it, or skip the browser with --no-browser.")
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        for address, words in EXPECTED_WORDS.items():
            yield check_page(browser, url, address, words, screenshot_folder)
        browser.close()


def check_page(
    browser: Browser, url: str, address: str, expected_words: str, screenshot_folder: Path | None
) -> PageCheck:
    """Checks one page as a new visitor sees it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page, problems = context.new_page(), list[str]()
    page.on("pageerror", lambda error: problems.append(f"a script failed: {error}"))
    start = time.monotonic()
    try:
        heading = visit_page(page, f"{url}/{address}", expected_words, problems)
        seconds = time.monotonic() - start
        # /privacy promises that the app sets no cookie.
        problems += [f"it sets the cookie {cookie.get('name')}" for cookie in context.cookies()]
        if screenshot_folder is not None:
            screenshot_folder.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=screenshot_folder / f"{address.partition('?')[0] or 'home'}.png", full_page=True)
    finally:
        context.close()
    return PageCheck(address, seconds, heading, tuple(problems))


def visit_page(page: Page, address: str, expected_words: str, problems: list[str]) -> str:
    """Opens an address, waits for its expected words, and returns the page's heading. Adds to `problems`."""
    from playwright.sync_api import TimeoutError as PageTimeoutError

    response = page.goto(address, timeout=PAGE_TIMEOUT_MS)
    if response is None or response.status != 200:
        problems.append(f"the status is {response.status if response else 'missing'}")
    try:
        page.wait_for_function(
            "words => document.body.innerText.toLowerCase().includes(words.toLowerCase())",
            arg=expected_words,
            timeout=PAGE_TIMEOUT_MS,
        )
    except PageTimeoutError:
        problems.append(f"the words {expected_words!r} are missing")
    heading = page.locator("h1").first
    return heading.inner_text() if heading.count() else ""
