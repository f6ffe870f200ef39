"""The page of models in a browser: a model is mapped, described, measured, uploaded and judged without a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from maps.atlas.reader import Atlas
from tests.browser import models_page as steps
from tests.browser.conftest import BrowserTestApp, open_fresh_page
from tests.browser.models_page import NAME
from tests.hub.loopback import TOKEN, LoopbackHub
from tests.small_models import SmallModel, random_weights, save_model_folder

pytestmark = pytest.mark.browser
SMALL = SmallModel(layers=8)


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


def test_an_organiser_goes_from_a_model_to_published_labels(
    browser: Browser, app: BrowserTestApp, hub: LoopbackHub, tmp_path: Path
) -> None:
    with open_fresh_page(browser) as page:
        enter(page, app)
        steps.ask_for_mapping(page)
        app.kill()
        app.start()
        enter(page, app)
        expect(page.locator("#jobs")).to_contain_text(
            re.compile(f"Map {NAME}.*Step 2 of 4", re.DOTALL), timeout=steps.LONG
        )
        steps.expect_mapped(page)
        steps.describe_by_a_server(page)
        steps.describe_by_hand(page)
        steps.measure(page)
        steps.upload(page)
        steps.create_study(page)
        for name in ("Ada", "Grace"):
            with open_fresh_page(browser) as other:
                other.goto(f"{app.url}/annotate?study={steps.STUDY}")
                other.locator("#name textarea, #name input").fill(name)
                steps.judge_all(other)
        steps.publish(page, app.url)
    assert steps.load_configs(hub, tmp_path) == {"items": 2, "judgments": 4, "labels": 2}
    assert Atlas.open(app.data / "atlases" / "somebody--small").model == NAME
    files = hub.repositories["dataset", "tester/atlas"].head.files
    assert {"atlas.json", "descriptions.parquet", "calibration.safetensors"} <= set(files)


def test_a_visitor_sees_the_models_and_no_job(browser: Browser, app: BrowserTestApp) -> None:
    with open_fresh_page(browser) as page:
        page.goto(f"{app.url}/models")
        expect(page.locator("#models")).to_contain_text("SmolLM2-135M-Instruct (calibrated)")
        expect(page.locator("#jobs-column")).to_be_hidden()
        expect(page.locator("#jobs")).to_be_hidden()
