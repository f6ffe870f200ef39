"""A whole study in browsers: created, judged by three with practice and controls, adjudicated, exported, summarised."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from datasets import load_dataset
from playwright.sync_api import Browser, Page, expect

from annotation.study.practice import load_practice_examples
from tests.browser.conftest import ROOT, BrowserTestApp, open_fresh_page, submit_answer

pytestmark = pytest.mark.canary

# The seed decides the order. Ada and Alan answer all items alike; Grace sees no pattern in the first.
KINDS = ["head", "swapped", "head", "head", "head", "shuffled"]
MOST, GRACE = ("431", "2", "32", "2", "1", "2"), ("1", "2", "32", "2", "1", "2")
NUMBERS = {"heads": 4, "per-item": 3, "overlap": 0, "swapped": 1, "shuffled": 1, "seed": 66}


def created(page: Page) -> None:
    page.get_by_role("tab", name="New study").click()
    page.locator("#study-name input, #study-name textarea").fill("whole")
    for name, number in NUMBERS.items():
        page.locator(f"#study-{name} input, #study-{name} textarea").fill(str(number))
    page.locator("#preview").click()
    holds = page.locator("#preview-summary")
    items = "6 items: 4 heads of SmolLM2-135M-Instruct (calibrated), described by offline, and 2 controls"
    expect(holds).to_contain_text(items)
    expect(holds).to_contain_text("It needs at least 3 annotators.")
    page.locator("#create").click()
    expect(holds).to_contain_text("The study whole is created.")
    expect(page.locator("#overview")).to_contain_text("0 of 18")


def practised(page: Page, server: BrowserTestApp, name: str) -> None:
    page.goto(f"{server.url}/annotate?study=whole")
    page.locator("#name textarea, #name input").fill(name)
    page.get_by_role("button", name="I agree: start").click()
    examples = load_practice_examples("whole")
    for number, example in enumerate(examples, start=1):
        expect(page.locator("#progress")).to_contain_text(f"Practice, {number} of {len(examples)}")
        chosen(page, "1")
        page.keyboard.press("Enter")
        is_right = example.answers.presence == "absent_none"
        expect(page.locator(".feedback")).to_contain_text("Right." if is_right else "Not quite. Better: ")
        expect(page.locator("#questions[inert]")).to_have_count(0)
        page.keyboard.press("Enter")
        expect(page.locator(".feedback")).to_have_count(0)
        expect(page.locator("#questions[inert]")).to_have_count(0)


def chosen(page: Page, keys: str) -> None:
    asked = {1: ("#presence",), 2: ("#presence", "#category"), 3: ("#presence", "#precision", "#category")}
    for key, question in zip(keys, asked[len(keys)], strict=True):
        expect(page.locator(question)).to_be_visible()
        page.keyboard.press(key)
        expect(page.locator(question).locator("input").nth(int(key) - 1)).to_be_checked()


def judged(page: Page, answers: tuple[str, ...], end: str) -> None:
    for done, keys in enumerate(answers):
        expect(page.locator("#progress")).to_contain_text(f"{done} of 6")
        chosen(page, keys)
        submit_answer(page, page.locator("#progress").get_by_text(f"{done + 1} of 6"))
        expect(page.locator("#questions[inert]")).to_have_count(0)
    expect(page.locator("#evidence")).to_contain_text(end)


def decided(page: Page, server: BrowserTestApp) -> None:
    page.goto(f"{server.url}/organise?study=whole")
    expect(page.locator("#overview")).to_contain_text("over: all its judgments are there")
    expect(page.locator("#study")).to_contain_text("18 of 18")
    page.get_by_role("tab", name="Disagreements").click()
    expect(page.locator("#disagreements")).to_contain_text("0 of 1 decided.")
    page.get_by_role("table", name="Items in disagreement").get_by_role("link").click()
    answers = page.get_by_role("table", name="Answers")
    expect(answers).to_contain_text("No pattern is visible and none was described")
    expect(answers).to_contain_text("A pattern is visible and one was described")
    for question, number in (("#presence", 3), ("#precision", 1), ("#category", 0)):
        page.locator(question).locator("input").nth(number).click()
    page.locator("#decide").click()
    expect(page.locator("#message")).to_contain_text(re.compile(r"Decision saved: L\d+H\d+ at "))
    expect(answers).to_contain_text("Decision")
    expect(page.locator("#disagreements")).to_contain_text("1 of 1 decided.")


def downloaded(page: Page, folder: Path) -> Path:
    page.get_by_role("tab", name="Study", exact=True).click()
    page.locator("#rows-datasets").click()
    links = page.locator("#rows a[download]")
    expect(links).to_have_count(1)
    with page.expect_download() as caught:
        links.click()
    shutil.unpack_archive(caught.value.path(), folder, "zip")
    (study,) = folder.iterdir()
    return study


def summarised(file: Path) -> str:
    command = [sys.executable, "-m", "annotation", "agreement", str(file)]
    run = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=True)
    return run.stdout


def test_a_study_from_its_creation_to_its_agreement(browser: Browser, server: BrowserTestApp, tmp_path: Path) -> None:
    with open_fresh_page(browser) as organiser:
        organiser.goto(server.organiser_link)
        expect(organiser.locator("#overview")).to_contain_text("default")
        expect(organiser).to_have_url(f"{server.url}/organise")
        created(organiser)
        done = "All done: you judged all 6 items. Thank you!"
        over = "The study whole is over: all its judgments are there."  # by the last answer
        for name, answers, end in (("Ada", MOST, done), ("Grace", GRACE, done), ("Alan", MOST, over)):
            with open_fresh_page(browser) as page:
                practised(page, server, name)
                judged(page, answers, end)
        decided(organiser, server)
        folder = downloaded(organiser, tmp_path / "export")

    with sqlite3.connect(server.data / "journal.sqlite") as database:
        kinds = database.execute("SELECT item_kind FROM judgments ORDER BY position").fetchall()
    assert [kind for (kind,) in kinds] == 3 * [*7 * ["practice"], *KINDS] + ["adjudication"]

    rows = load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache")).to_list()
    assert Counter(row["item_kind"] for row in rows) == Counter(kind for (kind,) in kinds)
    assert len({row["annotator"] for row in rows}) == 4
    assert not {"Ada", "Grace", "Alan"} & {str(cell) for row in rows for cell in row.values()}

    words = summarised(folder / "data" / "judgments.parquet")
    assert "3 annotators, 4 items, 12 judgments" in words
    assert "Left out: 6 judgments of control items; 21 judgments of practice items; 1 judgment by organisers" in words
    # Right are 2 answers of "431" and 4 of "1". The other 6 are 3 of "2", a pattern that is not there, and 3 of "32".
    correct = "right about whether a pattern is visible: 6 of 12 judgments, 50.0 % (15.0 to 85.0 %)"
    swapped, shuffled = "controls with another head's description", "controls with shuffled mappings"
    assert f"{correct}; {swapped}: 0 of 3, 0.0 %; {shuffled}: 0 of 3, 0.0 %" in words
    assert "Annotators agreed on question one (presence) in 83 %" in words  # three items whole, one a third: 10/12
    assert "1 “A pattern is visible and one was described”, 0 tied; 1 decided by an organiser" in words
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"{correct}; {swapped}: 0 of 3, 0.0 %" in card
    assert "number of layers unknown" not in card
