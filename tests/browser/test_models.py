"""The page of models in a browser: a model is mapped, described, measured, uploaded and judged without a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from maps.atlas.reader import Atlas
from tests.browser.conftest import BrowserTestApp, open_fresh_page
from tests.chat_server import MixedErrors, serve_chat
from tests.hub.loopback import TOKEN, LoopbackHub
from tests.small_models import SmallModel, random_weights, save_model_folder

pytestmark = pytest.mark.browser
NAME = "somebody/small"
SMALL = SmallModel(layers=8)
LONG = 180_000  # milliseconds for a job


@pytest.fixture
def app(hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BrowserTestApp]:
    """The app with a Hub that has a small model."""
    hub.add_model(NAME, save_model_folder(tmp_path / "small", SMALL, random_weights(SMALL)))
    for name, value in {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path / "home")}.items():
        monkeypatch.setenv(name, value)
    started = BrowserTestApp(tmp_path / "data")
    started.start()
    yield started
    started.kill()


def enter(page: Page, app: BrowserTestApp) -> None:
    page.goto(app.organiser_link)
    expect(page.locator("#overview")).to_contain_text("default")
    page.goto(f"{app.url}/models")
    expect(page.locator("#jobs-column")).to_be_visible()


def fill(page: Page, field: str, text: str) -> None:
    page.locator(f"#{field} input, #{field} textarea").first.fill(text)


def test_an_organiser_maps_describes_and_uploads_a_model(
    browser: Browser, app: BrowserTestApp, hub: LoopbackHub
) -> None:
    with open_fresh_page(browser) as page:
        enter(page, app)
        fill(page, "model-name", NAME)
        page.locator("#model-check").click()
        expect(page.locator("#model-message")).to_contain_text("8 layers of 4 heads", timeout=LONG)
        expect(page.locator("#model-message")).to_contain_text("To download: 1 MB.")
        page.locator("#model-start").click()
        expect(page.locator("#jobs")).to_contain_text("passes", timeout=LONG)
        app.kill()
        app.start()
        enter(page, app)
        expect(page.locator("#jobs")).to_contain_text(re.compile(f"Map {NAME}.*Step 2 of 4", re.DOTALL), timeout=LONG)
        expect(page.locator("#jobs")).to_contain_text("Earlier jobs (1)", timeout=LONG)
        row = page.locator("#models tr", has_text=NAME)
        expect(row).to_contain_text("Rules: 32 heads")
        with serve_chat(MixedErrors()) as chat:
            describe_by_a_server(page, f"{NAME} (calibrated)", chat.url)
        upload(page, f"{NAME} (calibrated)")
    assert Atlas.open(app.data / "atlases" / "somebody--small").model == NAME
    files = hub.repositories["dataset", "tester/atlas"].head.files
    assert {"atlas.json", "descriptions.parquet", "calibration.safetensors"} <= set(files)


def describe_by_a_server(page: Page, model: str, url: str) -> None:
    """Five heads first, then all of them."""
    page.get_by_role("tab", name="Describe").click()
    choose(page, "describe-atlas", model)
    choose(page, "describer-name", "scripted")
    page.get_by_label("Address of your own server").first.fill(url)
    page.locator("#describe-price").click()
    expect(page.locator("#describe-message")).to_contain_text("32 heads", timeout=LONG)
    expect(page.locator("#describe-message")).to_contain_text("The question about one head")
    page.locator("#describe-trial").click()
    expect(page.locator("#jobs")).to_contain_text("Earlier jobs (2)", timeout=LONG)
    page.locator("#describe-answers").click()
    expect(page.locator("#describe-message")).to_contain_text("5 heads described, 27 left.")
    page.locator("#describe-start").click()
    expect(page.locator("#jobs")).to_contain_text("Earlier jobs (3)", timeout=LONG)
    expect(page.locator("#models tr", has_text=NAME)).to_contain_text("scripted: 30 heads")
    page.locator("#describe-answers").click()
    expect(page.locator("#describe-message")).to_contain_text("Heads on which scripted failed")


def choose(page: Page, field: str, value: str) -> None:
    box = page.locator(f"#{field} input")
    box.fill(value)
    box.press("Enter")


def upload(page: Page, model: str) -> None:
    page.get_by_role("tab", name="Keep on the Hub").click()
    choose(page, "upload-atlas", model)
    fill(page, "upload-repo", "tester/atlas")
    page.locator("#upload-start").click()
    expect(page.locator("#jobs")).to_contain_text("Earlier jobs (4)", timeout=LONG)


def test_a_visitor_sees_the_models_and_no_job(browser: Browser, app: BrowserTestApp) -> None:
    with open_fresh_page(browser) as page:
        page.goto(f"{app.url}/models")
        expect(page.locator("#models")).to_contain_text("SmolLM2-135M-Instruct (calibrated)")
        expect(page.locator("#jobs-column")).to_be_hidden()
        expect(page.locator("#jobs")).to_be_hidden()
