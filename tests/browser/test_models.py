"""The page of models in a browser: a model is mapped, described, measured, uploaded and judged without a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from maps.__main__ import main
from maps.atlas.reader import Atlas
from tests.browser import models_page as steps
from tests.browser.conftest import BrowserTestApp, open_fresh_page
from tests.browser.models_page import NAME
from tests.hub.loopback import TOKEN, LoopbackHub
from tests.small_models import WORDS, SmallModel, random_weights, save_gguf, save_model_folder

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


def test_a_machine_of_the_hub_maps_a_model(
    browser: Browser, app: BrowserTestApp, hub: LoopbackHub, tmp_path: Path
) -> None:
    """The Hub on loopback runs nothing; the atlas that the machine would upload lies there already."""
    small = SmallModel()
    folder = save_model_folder(tmp_path / "rented", small, random_weights(small))
    assert main(["map", str(folder), "--name", "somebody/rented", "--out", str(tmp_path / "atlas")]) == 0
    hub.add_dataset("tester/rented", tmp_path / "atlas")
    with open_fresh_page(browser) as page:
        enter(page, app)
        steps.fill(page, "model-name", "somebody/rented")
        page.get_by_role("button", name="On a machine of the Hub instead").click()
        page.locator("#hub-start").click()
        expect(page.locator("body")).to_contain_text(
            "Name the dataset that the machine of the Hub uploads the atlas to"
        )
        page.get_by_role("button", name="Own relation, and keeping the result").click()
        page.get_by_label("Upload the atlas to this dataset").fill("tester/rented")
        page.locator("#hub-price").click()
        message = page.locator("#model-message")
        expect(message).to_contain_text("cpu-upgrade, 8 vCPU, 32 GB, $0.03 an hour", timeout=steps.LONG)
        expect(message).to_contain_text("Nothing was started.")
        assert hub.jobs.asked == {}
        page.locator("#hub-start").click()
        expect(page.locator("#jobs")).to_contain_text("Earlier jobs (1)", timeout=steps.LONG)
        page.get_by_text("Earlier jobs (1)").click()
        expect(page.locator("#jobs")).to_contain_text("The atlas is in the dataset tester/rented.")
        expect(page.locator("#models tr", has_text="somebody/rented")).to_contain_text("Rules: 8 heads")
    assert len(hub.jobs.asked) == 1


def test_files_are_chosen_in_the_browser(browser: Browser, app: BrowserTestApp, tmp_path: Path) -> None:
    """A model as a .gguf file, and the pairs of a relation, which the organiser sees before they are used."""
    small = SmallModel()
    model, pairs = tmp_path / "tiny.gguf", tmp_path / "pairs.json"
    save_gguf(model, small, random_weights(small))
    pairs.write_text(json.dumps([[word, word] for word in WORDS]))
    with open_fresh_page(browser) as page:
        enter(page, app)
        page.get_by_role("button", name="Upload a .gguf file").click()
        page.locator("#upload-file").set_input_files(model)
        expect(page.locator("#upload-progress")).to_contain_text("tiny.gguf, ")
        page.locator("#model-upload").click()
        expect(page.locator("#upload-progress")).to_contain_text("tiny.gguf is uploaded. Press Map this model.")
        expect(page.locator("#model-name textarea, #model-name input")).to_have_value(re.compile("tiny.gguf$"))
        page.get_by_role("button", name="Own relation, and keeping the result").click()
        page.locator("#relation-file").set_input_files(pairs)
        expect(page.locator("#relation-pairs textarea")).to_have_value(pairs.read_text())
        page.get_by_label("Name of your own relation").fill("same word")
        page.get_by_label("Reading").fill("The paper's")
        page.keyboard.press("Enter")
        page.locator("#model-start").click()
        expect(page.locator("#jobs")).to_contain_text("Earlier jobs (1)", timeout=steps.LONG)
        expect(page.locator("#models tr", has_text="tiny")).to_contain_text("Rules: 8 heads")
    [atlas] = [folder for folder in (app.data / "atlases").iterdir() if "tiny" in folder.name]
    assert "same_word" in {row["relation"] for row in Atlas.open(atlas).table("relations").to_pylist()}
