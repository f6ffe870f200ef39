"""What an organiser does on the page of models, step by step: with a small model, at home and on a Space."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.chat_server import MixedErrors, serve_chat
from tests.hub.loopback import LoopbackHub

NAME = "somebody/small"
MODEL = f"{NAME} (calibrated)"
STUDY = "small-calibrated-scripted"
LOAD_SCRIPT = """
import datasets, json, sys
datasets.disable_progress_bars()
configs = ("items", "judgments", "labels")
print(json.dumps({name: len(datasets.load_dataset(sys.argv[1], name, split="train")) for name in configs}))
"""
LONG = 180_000  # milliseconds for a job


def fill(page: Page, field: str, text: str) -> None:
    page.locator(f"#{field} input, #{field} textarea").first.fill(text)


def ask_for_mapping(page: Page) -> None:
    """Looks what the model takes, and starts its mapping; returns when a layer is being mapped."""
    fill(page, "model-name", NAME)
    page.locator("#model-check").click()
    expect(page.locator("#model-message")).to_contain_text("8 layers of 4 heads", timeout=LONG)
    expect(page.locator("#model-message")).to_contain_text("To download: 1 MB.")
    page.locator("#model-start").click()
    expect(page.locator("#jobs")).to_contain_text("Step 2 of 4", timeout=LONG)


def expect_mapped(page: Page) -> None:
    expect(page.locator("#jobs")).to_contain_text("Earlier jobs (1)", timeout=LONG)
    expect(page.locator("#models tr", has_text=NAME)).to_contain_text("Rules: 32 heads")


def describe_by_a_server(page: Page) -> None:
    """Five heads first, then all of them, by a server with faults."""
    page.get_by_text("Earlier jobs (1)").click()
    with serve_chat(MixedErrors()) as chat:
        page.get_by_role("tab", name="Describe").click()
        choose(page, "describe-atlas", MODEL)
        choose(page, "describer-name", "scripted")
        page.get_by_label("Address of your own server").first.fill(chat.url)
        page.locator("#describe-price").click()
        expect(page.locator("#describe-message")).to_contain_text("32 heads", timeout=LONG)
        expect(page.locator("#describe-message")).to_contain_text("The question about one head")
        page.locator("#describe-trial").click()
        expect(page.locator("#jobs")).to_contain_text("Earlier jobs (2)", timeout=LONG)
        page.locator("#describe-answers").click()
        expect(page.locator("#describe-message")).to_contain_text("5 heads described, 27 left.")
        page.locator("#describe-start").click()
        expect(page.locator("#jobs")).to_contain_text("Earlier jobs (3)", timeout=LONG)
        expect(page.locator("#jobs details[open]").first).to_contain_text("Earlier jobs (3)")
        expect(page.locator("#models tr", has_text=NAME)).to_contain_text("scripted: 30 heads")
        page.locator("#describe-answers").click()
        expect(page.locator("#describe-message")).to_contain_text("Heads on which scripted failed")


def choose(page: Page, field: str, value: str) -> None:
    box = page.locator(f"#{field} input")
    box.fill(value)
    box.press("Enter")


def upload(page: Page) -> None:
    page.get_by_role("tab", name="Keep on the Hub").click()
    choose(page, "upload-atlas", MODEL)
    fill(page, "upload-repo", "tester/atlas")
    page.locator("#upload-start").click()
    expect(page.locator("#jobs")).to_contain_text("Earlier jobs (5)", timeout=LONG)


def describe_by_hand(page: Page) -> None:
    page.get_by_role("tab", name="One head").click()
    choose(page, "one-atlas", MODEL)
    fill(page, "one-head", "L1H1")
    page.get_by_label("Or by hand: your name, shown as the describer").fill("Organiser O.")
    fill(page, "one-inputs", "Unclear")
    fill(page, "one-pattern", "Nothing but noise, <b>as expected</b>")
    page.locator("#one-save").click()
    expect(page.locator("#one-message")).to_contain_text("Organiser O.: Unclear Nothing but noise, <b>as expected</b>")
    expect(page.locator("#models tr", has_text=NAME)).to_contain_text("Organiser O.: 1 head, a pattern in 1")


def measure(page: Page) -> None:
    page.get_by_role("tab", name="Evidence").click()
    choose(page, "evidence-atlas", MODEL)
    page.locator("#evidence-start").click()
    expect(page.locator("#jobs")).to_contain_text("Earlier jobs (4)", timeout=LONG)
    expect(page.locator("#models tr", has_text=NAME)).to_contain_text("named checks")


def create_study(page: Page) -> None:
    """From the describer's answers, by the link below them: two heads, two judgments each, no controls."""
    page.get_by_role("tab", name="Describe", exact=True).click()
    choose(page, "describe-atlas", MODEL)
    choose(page, "describer-name", "scripted")
    page.locator("#describe-answers").click()
    page.get_by_role("link", name="Start a study of these descriptions").click()
    expect(page.locator("#study-name input, #study-name textarea").first).to_have_value(STUDY)
    expect(page.locator("#study-heads input")).to_have_value("30")
    for field, number in {"heads": 2, "per-item": 2, "overlap": 0, "swapped": 0, "shuffled": 0}.items():
        page.locator(f"#study-{field} input").fill(str(number))
    page.get_by_label("Practice before the first item").uncheck()
    page.locator("#preview").click()
    expect(page.locator("#preview-summary")).to_contain_text("2 items: 2 heads")
    page.locator("#create").click()
    expect(page.locator("#preview-summary")).to_contain_text(f"The study {STUDY} is created.")


def judge_all(page: Page) -> None:
    """Starts and answers both items; whoever judges has signed in, or typed a name."""
    page.get_by_role("button", name="I agree: start").click()
    for done in range(2):
        expect(page.locator("#progress")).to_contain_text(f"{done} of 2")
        expect(page.locator("#presence input").first).to_be_visible()
        page.keyboard.press("1")
        expect(page.locator("#presence input").first).to_be_checked()
        page.keyboard.press("Enter")
        expect(page.locator("#progress")).to_contain_text(f"{done + 1} of 2")
        expect(page.locator("#questions[inert]")).to_have_count(0)


def publish(page: Page, url: str) -> None:
    page.goto(f"{url}/organise?study={STUDY}")
    page.get_by_role("tab", name="Publish").click()
    fill(page, "release-repo", "tester/judgments")
    page.locator("#release-preview").click()
    message = page.locator("#release-message")
    expect(message).to_contain_text("The first labels")
    expect(message).to_contain_text("absent_none")
    page.locator("#release-publish").click()
    expect(message).to_contain_text(f"Published 4 judgments of the study {STUDY}", timeout=LONG)
    page.locator("#release-public").click()
    expect(message).to_contain_text("Everybody can read the dataset tester/judgments now.", timeout=LONG)


def load_configs(hub: LoopbackHub, folder: Path) -> dict[str, int]:
    """How many rows each config of the release has, loaded in a process of its own."""
    release = folder / "release"
    for path, content in hub.files("tester/judgments").items():
        (release / path).parent.mkdir(parents=True, exist_ok=True)
        (release / path).write_bytes(content)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "datasets")}
    command = [sys.executable, "-c", LOAD_SCRIPT, str(release)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, int] = json.loads(done.stdout)
    return found
