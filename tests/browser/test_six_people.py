"""A study with six people: two invited, two of a panel of whom one returns the work, one on a phone, one stranger."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from annotation.study.store import load_studies
from annotation.study.study import Study
from tests.browser.conftest import ROOT, BrowserTestApp, open_fresh_page, submit_answer
from tests.hub.loopback import TOKEN, LoopbackHub

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DONE = re.compile(r"(\d+) of \d+")
ITEMS, PER_ITEM = 3, 4
STAYING, RETURNING = "5f8a0000000000000000aaaa", "5f8a0000000000000000bbbb"
DESIGN = (
    *("--name", "six", "--heads", str(ITEMS), "--overlap", "0", "--controls", "0", "--per-item", str(PER_ITEM)),
    *("--no-practice", "--invited-only", "--panel", "prolific", "--completed", "DONE", "--declined", "NO"),
    *("--seed", "3", "--title", "Do the descriptions fit?", "--show-descriptions"),
)


def run_command(server: BrowserTestApp, *arguments: str, hub: LoopbackHub | None = None) -> str:
    environment = {**os.environ, "MAPS_DATA": str(server.data)}
    if hub is not None:
        environment |= {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN}
    command = [sys.executable, "-m", "annotation", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def phone(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    opened = context.new_page()
    opened.set_default_timeout(20_000)
    yield opened
    context.close()


def start(page: Page, link: str) -> None:
    page.goto(link)
    page.get_by_role("button", name="I agree: start").click()


def judge(page: Page, count: int) -> None:
    """Answers the next items with "no pattern is visible and none was described"."""
    for _ in range(count):
        expect(page.locator("#questions[inert]")).to_have_count(0)
        expect(page.locator("#progress")).to_contain_text(DONE)
        found = DONE.search(page.locator("#progress").inner_text())
        assert found is not None
        page.locator("#presence input").first.click()
        expect(page.locator("#presence input").first).to_be_checked()
        submit_answer(page, page.locator("#progress").get_by_text(f"{int(found[1]) + 1} of"))


def is_in_view(page: Page, found: Locator) -> bool:
    """Whether a text is on the screen, at least two lines of it, and not behind anything."""
    box = found.bounding_box()
    size = page.viewport_size
    if box is None or size is None or box["y"] < 0 or box["y"] + min(box["height"], 40) > size["height"]:
        return False
    inside: bool = found.evaluate(
        "node => { const box = node.getBoundingClientRect();"
        " const top = document.elementFromPoint(box.left + 4, box.top + Math.min(box.height, 20) / 2);"
        " return node.contains(top) || top.contains(node); }"
    )
    return inside


def judge_on_a_phone(page: Page, study: Study) -> None:
    """Judges everything; each description must be in view before its answer."""
    patterns = {" ".join(content.observed_pattern.split()) for content in study.contents.values()}
    for done in range(ITEMS):
        expect(page.locator("#progress")).to_contain_text(f"{done} of")
        expect(page.locator("#questions[inert]")).to_have_count(0)
        page.wait_for_timeout(300)
        shown = page.locator(".judged dd:visible").last
        assert " ".join(shown.inner_text().split()) in patterns
        assert is_in_view(page, shown)
        page.locator("#presence input").first.click()
        submit_answer(page, page.locator("#progress").get_by_text(f"{done + 1} of"))


def invite(organiser: Page, names: list[str]) -> list[str]:
    """The links of the people, made on the organiser's page."""
    organiser.get_by_role("tab", name="Invite").click()
    organiser.locator("#invite-people textarea").fill("\n".join(names))
    organiser.locator("#invite").click()
    cells = organiser.get_by_role("table", name="Invitations to six").locator("td:nth-child(3)")
    expect(cells).to_have_count(len(names))
    return cells.all_inner_texts()


def address_of(organiser: Page, words: str) -> str:
    row = organiser.get_by_role("table", name="Links to six").locator("tr").filter(has_text=words)
    return row.locator("td").nth(1).inner_text()


def change(organiser: Page, button: str, words: str) -> None:
    organiser.get_by_role("tab", name="Study", exact=True).click()
    organiser.locator(f"#{button}").click()
    expect(organiser.locator("#change-notice")).to_contain_text(words)


def test_a_study_with_six_people(browser: Browser, server: BrowserTestApp, hub: LoopbackHub, tmp_path: Path) -> None:
    run_command(server, "study", "create", "--atlas", str(ROOT / "space/seed/smollm2-calibrated"), *DESIGN)
    study = load_studies(server.data / "studies")["six"]
    with open_fresh_page(browser) as organiser:
        organiser.goto(server.organiser_link)
        expect(organiser.locator("#study")).to_contain_text("six")
        ada, grace = invite(organiser, ["Ada", "Grace"])
        panel, shared = address_of(organiser, "For Prolific"), address_of(organiser, "For everybody")
        organiser.get_by_role("tab", name="Publish").click()
        organiser.locator("#preregister").click()
        expect(organiser.locator("#documents-message")).to_contain_text("SHA-256", timeout=60_000)
        with organiser.expect_download() as frozen:
            organiser.locator("#documents-message a").click()
        assert frozen.value.path().read_text(encoding="utf-8").startswith("# Preregistration of the study six")
        with open_fresh_page(browser) as stranger:
            stranger.goto(f"{server.url}/annotate?study=six")
            expect(stranger.locator("#notices")).to_contain_text("Only invited people take part in this study")
            expect(stranger.locator("#name")).to_be_hidden()
            expect(stranger.get_by_role("button", name="I agree: start")).to_be_hidden()
        with open_fresh_page(browser) as page:
            start(page, ada)
            judge(page, 1)
            change(organiser, "pause-study", "six is paused")
            page.locator("#presence input").first.click()
            page.keyboard.press("Enter")
            expect(page.locator("#message")).to_contain_text("is paused")
            change(organiser, "resume-study", "six goes on")
            judge(page, ITEMS - 1)
            expect(page.locator("#evidence")).to_contain_text("All done: you judged all 3 items.")
            expect(page.locator("#exit")).to_have_count(0)
        with open_fresh_page(browser) as page:
            start(page, grace)
            judge(page, ITEMS)
        with open_fresh_page(browser) as page:
            start(page, panel.replace("{{%PROLIFIC_PID%}}", RETURNING))
            judge(page, 2)
            page.get_by_text("Withdraw my answers", exact=True).first.click()
            page.locator("#withdraw").click()
            page.locator("#withdraw-yes").click()
            expect(page.locator("#exit a")).to_have_attribute(
                "href", "https://app.prolific.com/submissions/complete?cc=NO"
            )
        with open_fresh_page(browser) as page:
            start(page, panel.replace("{{%PROLIFIC_PID%}}", STAYING))
            judge(page, ITEMS)
            expect(page.locator("#exit a")).to_have_attribute(
                "href", "https://app.prolific.com/submissions/complete?cc=DONE"
            )
        with phone(browser) as page:
            page.goto(shared)
            page.locator("#name textarea, #name input").fill("Alan")
            page.get_by_role("button", name="I agree: start").click()
            judge_on_a_phone(page, study)
        organiser.goto(f"{server.url}/organise?study=six")
        expect(organiser.locator("#study")).to_contain_text("12 of 12")
        annotators = organiser.get_by_role("table", name="Annotators")
        for name in ("Ada", "Grace", "Alan"):
            expect(annotators).to_contain_text(name)
        organiser.get_by_role("tab", name="Invite").click()
        organiser.locator("#panel-ids textarea").fill(f"{STAYING}\n{RETURNING}")
        organiser.locator("#list-payments").click()
        payments = organiser.get_by_role("table", name="What people of the panel did in six")
        expect(payments.locator("tr").filter(has_text=STAYING)).to_contain_text("completed")
        expect(payments.locator("tr").filter(has_text=RETURNING)).to_contain_text("withdrawn")

    assert STAYING.encode() not in (server.data / "journal.sqlite").read_bytes()
    run_command(server, "export", "--study", "six", "--out", str(tmp_path / "judgments"))
    rows = pd.read_csv(tmp_path / "judgments" / "judgments.csv")
    assert Counter(rows.groupby(["layer", "head"]).size()) == {PER_ITEM: ITEMS}  # exactly K of each
    labels = tmp_path / "labels.csv"
    run_command(
        server, "labels", str(tmp_path / "judgments" / "judgments.csv"), "--majority-only", "--out", str(labels)
    )
    assert set(pd.read_csv(labels)["label"]) == {"absent_none"}
    run_command(server, "study", "datasheet", "six", "--out", str(tmp_path / "documents"))
    sheets = [json.loads(path.read_text()) for path in (tmp_path / "documents").glob("*.json")]
    assert any("the panel Prolific" in json.dumps(sheet) for sheet in sheets)
    said = run_command(server, "publish", "--study", "six", "--to", "tester/judgments", hub=hub)
    assert "12 judgments" in said
    files = hub.files("tester/judgments")
    assert not any(code in content for content in files.values() for code in (b"cc=DONE", STAYING.encode()))
