"""How fast the explorer is in a browser: `python -m benchmarks.explorer_speed`.

The app runs as a process of its own on loopback, with the prebuilt atlas and with an invented one of 5,120 heads;
Chromium starts anew for each first page. Figures are those of this machine, which the browser shares.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles

import psutil
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from tests.browser.conftest import CHROMIUM_FLAGS, chromium_path
from tests.large_atlas import write_large_atlas
from tests.space.running import run_app

ROOT = Path(__file__).parents[1]
SEED_ATLAS = ROOT / "space" / "seed" / "smollm2"
RESULTS = ROOT / "benchmarks" / "results" / "explorer_speed.json"
HEADS_TO_OPEN, COLD_STARTS, VISITORS = 40, 5, 50


@contextmanager
def run_app_over(atlases: list[Path], data: Path) -> Iterator[tuple[str, float, psutil.Process]]:
    began = time.monotonic()
    with run_app({"MAPS_DATA": str(data), "MAPS_ATLASES": ",".join(map(str, atlases))}) as served:
        urllib.request.urlopen(served.url, timeout=30).close()
        yield served.url, time.monotonic() - began, psutil.Process(served.process.pid)


def launch_chromium(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=chromium_path(), args=list(CHROMIUM_FLAGS))


def seconds_until(page: Page, address: str, selector: str) -> float:
    began = time.monotonic()
    page.goto(address, wait_until="commit")
    page.wait_for_selector(selector)
    return time.monotonic() - began


def first_page_seconds(playwright: Playwright, address: str) -> float:
    """The first page in a browser that has just started, until its grid can be clicked."""
    browser = launch_chromium(playwright)
    try:
        return seconds_until(browser.new_page(), address, ".head-grid canvas")
    finally:
        browser.close()


def next_head_seconds(page: Page, heads: int) -> list[float]:
    """Opening heads one after the other by the link to the next, from the click until the head is there."""
    found = []
    page.wait_for_selector("#view h1")
    for _ in range(heads):
        before = page.locator("#view h1").inner_text()
        began = time.monotonic()
        page.locator("#view a[rel=next]").click()
        page.wait_for_function("before => document.querySelector('#view h1')?.innerText !== before", arg=before)
        found.append(time.monotonic() - began)
    return found


def count_bad_answers(url: str, models: list[str]) -> int:
    """One of many visitors: the first page and ten heads of each model; how many answers were no good."""
    bad = 0
    asked = [f"{url}/?model={model}" for model in models]
    asked += [f"{url}/head?model={model}&layer={n}&head={n % 8}" for n in range(10) for model in models]
    for address in asked:
        with urllib.request.urlopen(address, timeout=60) as reply:
            bad += reply.status != 200 or b'class="look"' not in reply.read()
    return bad


def measure(playwright: Playwright, atlases: list[Path], data: Path) -> dict[str, float]:
    """All figures of the app with these atlases, seconds and megabytes; the browser opens the last one's pages."""
    models = [json.loads((folder / "atlas.json").read_text(encoding="utf-8"))["model"] for folder in atlases]
    model = models[-1]
    with run_app_over(atlases, data) as (url, start, process):
        first = [first_page_seconds(playwright, f"{url}/?model={model}") for _ in range(COLD_STARTS)]
        browser = launch_chromium(playwright)
        page = browser.new_page()
        head = f"{url}/head?model={model}&layer=3&head=1"
        by_link = [seconds_until(page, head, ".mappings") for _ in range(COLD_STARTS)]
        opened = next_head_seconds(page, HEADS_TO_OPEN)
        browser.close()
        with ThreadPoolExecutor(VISITORS) as pool:
            began = time.monotonic()
            bad = sum(pool.map(lambda _: count_bad_answers(url, models), range(VISITORS)))
            crowd = time.monotonic() - began
        memory = process.memory_info().rss / 1e6
    return {
        "server_start": start,
        "first_page_cold": median(first),
        "head_by_link": median(by_link),
        "head_in_place_p95": quantiles(opened, n=20)[-1],
        "visitors": VISITORS,
        "visitors_bad_answers": bad,
        "visitors_seconds": crowd,
        "memory_mb": memory,
    }


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        large = write_large_atlas(Path(folder) / "large").folder
        found = {
            "bundled": measure(playwright, [SEED_ATLAS], Path(folder) / "a"),
            "5,120 heads": measure(playwright, [large], Path(folder) / "b"),
            "both": measure(playwright, [SEED_ATLAS, large], Path(folder) / "c"),
        }
    for name, figures in found.items():
        print(name)
        for figure, value in figures.items():
            print(f"  {figure:24} {value:8.2f}")
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
