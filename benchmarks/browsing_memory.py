"""The server's memory while people browse: `python -m benchmarks.browsing_memory` (about 35 minutes).

Browsers that come and go open pages of the real app for 30 minutes, then a program makes 10,000 calls. Memory is read
from the system each minute. The figures are kept in `benchmarks/results/browsing_memory.json`. With `--minutes` or
`--calls` it is shorter, and nothing is kept.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import sync_playwright

from benchmarks.explorer_speed import SEED_ATLAS, launch_chromium, run_app_over
from benchmarks.study_app import ROOT

RESULTS = ROOT / "benchmarks" / "results" / "browsing_memory.json"
MODEL = "SmolLM2-135M-Instruct"
MINUTES, CALLS = 30.0, 10_000
WARM_UP_VISITS = 3  # rounds through all pages before the first figure
PAGES = (
    "",
    f"?model={MODEL}&colour=relation:country_to_capital",
    f"head?model={MODEL}&layer=26&head=2",
    f"head?model={MODEL}&layer=11&head=4",
    "relation?name=country_to_capital",
    "search?q=country",
    "compare",
    "annotate",
    "agreement",
    "about",
)


def memory_mb(process: psutil.Process) -> float:
    """Resident memory of the server, without the child that answers live questions, in 10⁶ bytes."""
    return float(round(process.memory_info().rss / 1e6, 1))


def browse(url: str, process: psutil.Process, minutes: float) -> dict[str, Any]:
    """Each page in a browser context of its own, which is a new session, one after the other."""
    figures, visits = [], 0
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        pages = itertools.cycle(PAGES)
        for path in itertools.islice(pages, WARM_UP_VISITS * len(PAGES)):
            visit(browser, f"{url}/{path}")
        start = last = time.monotonic()
        figures.append(memory_mb(process))
        while time.monotonic() - start < 60 * minutes:
            visit(browser, f"{url}/{next(pages)}")
            visits += 1
            if time.monotonic() - last > 60:
                last = time.monotonic()
                figures.append(memory_mb(process))
                print(f"{visits:,} pages: {figures[-1]} MB", flush=True)
        browser.close()
    return {"pages": visits, "mb_each_minute": figures}


def visit(browser: Any, address: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(address, wait_until="load")
    page.wait_for_timeout(700)
    context.close()


def call(url: str, process: psutil.Process, calls: int) -> dict[str, Any]:
    """Calls of a program, each with a session of its own."""
    figures = [memory_mb(process)]
    for number in range(calls):
        body = json.dumps({"data": [MODEL, number % 30, number % 9], "session_hash": f"call{number}"}).encode()
        request = urllib.request.Request(f"{url}/gradio_api/run/head", body, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=60).close()
        if number % 1000 == 999:
            figures.append(memory_mb(process))
            print(f"{number + 1:,} calls: {figures[-1]} MB", flush=True)
    return {"calls": calls, "mb_each_thousand": figures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--calls", type=int, default=CALLS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, run_app_over([SEED_ATLAS], Path(folder)) as (url, _, process):
        browsing = browse(url, process, options.minutes)
        calling = call(url, process, options.calls)
    result = {"cores": os.cpu_count(), "minutes": options.minutes, "browsing": browsing, "calling": calling}
    print(json.dumps(result, indent=2))
    if (options.minutes, options.calls) == (MINUTES, CALLS):
        RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
