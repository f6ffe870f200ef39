"""Pictures of every page for docs/screens.md: light, dark, and on a phone. `python -m tests.browser.screens FOLDER`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import FLAGS, chromium_path
from tests.space.running import Running, running

MODEL = "SmolLM2-135M-Instruct"
PAGES = {
    "model": "",
    "head": f"head?model={MODEL}&layer=26&head=2",
    "relation": f"relation?name=country_to_capital&model={MODEL}&layer=23&head=4",
    "search": "search?q=pronouns",
    "try": "try?source=France&target=Paris",
    "compare": "compare",
    "annotate": "annotate",
    "agreement": "agreement",
    "organise": "",  # by the organiser's link
    "about": "about",
    "privacy": "privacy",
}
LOOKS = {"light": (1280, 900, "light"), "dark": (1280, 900, "dark"), "phone": (360, 740, "light")}
SETTLED = 2500  # ms, for figures and fading


def answered(page: Page, answers: int) -> None:
    """Signs in and judges some items, so that there is something to agree on."""
    page.locator("#name textarea, #name input").fill("Ada")
    page.get_by_role("button", name="I agree: start").click()
    for number in range(answers):
        page.wait_for_timeout(SETTLED // 2)
        page.keyboard.press("14"[number % 2])
        if number % 2:
            page.keyboard.press("1")
            page.keyboard.press("1")
        page.keyboard.press("Enter")


def taken(browser: Browser, served: Running, look: str, folder: Path) -> None:
    """All pages in one look."""
    width, height, scheme = LOOKS[look]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    for name, path in PAGES.items():
        page.goto(f"{served.url}/organise?key={served.organiser_key}" if name == "organise" else f"{served.url}/{path}")
        page.wait_for_timeout(SETTLED)
        if name == "annotate":
            answered(page, 4)
        if name == "try":  # the first question loads the weights
            page.locator(".answer table").first.wait_for(timeout=120_000)
        page.wait_for_timeout(SETTLED)
        page.screenshot(path=folder / f"{name}-{look}.jpg", type="jpeg", quality=60)
    context.close()


def main() -> None:
    """Takes the pictures."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, running({"MAPS_DATA": data}) as served, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        for look in LOOKS:
            taken(browser, served, look, folder)
        browser.close()


if __name__ == "__main__":
    main()
