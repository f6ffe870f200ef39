"""Pictures of every page for docs/screens.md: light, dark, and on a phone. `python -m tests.browser.screens FOLDER`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import CHROMIUM_FLAGS, chromium_path
from tests.space.running import AppUnderTest, run_app

MODEL = "SmolLM2-135M-Instruct"
PAGES = {
    "model": "",
    "head": f"head?model={MODEL}&layer=26&head=2",
    "relation": f"relation?name=country_to_capital&model={MODEL}&layer=23&head=4",
    "search": "search?q=pronouns",
    "try": "try?source=France&target=Paris",
    "sentence": "sentence?layer=23&head=4&text=The+capital+of+France+is",
    "compare": "compare",
    "catalogue": "catalogue",
    "annotate": "annotate",
    "agreement": "agreement",
    "organise": "",  # by the organiser's link
    "models": "models",  # as the organiser sees it
    "ask": "ask?layer=26&head=2",
    "about": "about",
    "privacy": "privacy",
}
ANSWERS = {"try": ".answer table", "sentence": "table.attention"}  # what appears once the weights have answered
SCREEN_MODES = {"light": (1280, 900, "light"), "dark": (1280, 900, "dark"), "phone": (360, 740, "light")}
ANNOTATORS = {"light": "Ada", "dark": "Grace", "phone": "Alan"}  # a name belongs to the browser that used it first
SETTLE_MILLISECONDS = 2500  # ms, for figures and fading


def annotate_items(page: Page, name: str, count: int) -> None:
    page.locator("#name textarea, #name input").fill(name)
    page.get_by_role("button", name="I agree: start").click()
    for number in range(count):
        page.wait_for_timeout(SETTLE_MILLISECONDS // 2)
        page.keyboard.press("14"[number % 2])
        if number % 2:
            page.keyboard.press("1")
            page.keyboard.press("1")
        page.keyboard.press("Enter")
        page.wait_for_timeout(SETTLE_MILLISECONDS // 2)
        if page.get_by_text("To keep your answer, submit it again").is_visible():
            page.keyboard.press("Enter")


def take_screenshots(browser: Browser, app: AppUnderTest, mode: str, folder: Path) -> None:
    width, height, scheme = SCREEN_MODES[mode]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    for name, path in PAGES.items():
        page.goto(f"{app.url}/organise?key={app.organiser_key}" if name == "organise" else f"{app.url}/{path}")
        page.wait_for_timeout(SETTLE_MILLISECONDS)
        if name == "annotate":
            annotate_items(page, ANNOTATORS[mode], 4)
        if name in ANSWERS:  # the first question loads the weights
            page.locator(ANSWERS[name]).first.wait_for(timeout=120_000)
        page.wait_for_timeout(SETTLE_MILLISECONDS)
        page.screenshot(path=folder / f"{name}-{mode}.jpg", type="jpeg", quality=60)
    context.close()


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, run_app({"MAPS_DATA": data}) as served, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium_path(), args=list(CHROMIUM_FLAGS))
        for look in SCREEN_MODES:
            take_screenshots(browser, served, look, folder)
        browser.close()


if __name__ == "__main__":
    main()
