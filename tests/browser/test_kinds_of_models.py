"""Models of today's kinds, mapped, described, shown and judged: experts, layers that differ, latents, FP8."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from annotation.__main__ import main as annotation_main
from maps.__main__ import main as maps_main
from tests.browser.test_accessibility import findings, open_whole
from tests.families import build_model
from tests.maps.weights.test_packed import pack_fp8
from tests.small_models import SmallModel, random_weights, save_model_folder
from tests.space.running import AppUnderTest, run_app

pytestmark = [pytest.mark.browser, pytest.mark.transformers]

KINDS = {  # the name of a model, and the layers with heads, of how many
    "mixtral": ((0, 1, 2), 3),
    "nemotron_h": ((1, 3), 4),
    "gemma4_text": ((0, 1, 2, 3), 4),
    "deepseek_v3": ((0, 1, 2), 3),
    "fp8": ((0, 1), 2),
}


def build(kind: str, folder: Path) -> None:
    """A small random model of a kind."""
    if kind != "fp8":
        build_model(kind, folder)
        return
    weights = dict(random_weights(SmallModel()))
    for name in [name for name in weights if "_proj" in name]:
        weights[name], weights[name + "_scale_inv"] = pack_fp8(weights[name].float(), "blocks")
    config = {"quantization_config": {"quant_method": "fp8", "weight_block_size": [12, 16]}}
    save_model_folder(folder, SmallModel(), weights, **config)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kinds")


@pytest.fixture(scope="module")
def app(folder: Path) -> Iterator[AppUnderTest]:
    """An app with an atlas of every kind, mapped and described by the commands, and a study of each."""
    for kind in KINDS:
        build(kind, folder / kind)
        atlas = str(folder / "atlases" / kind)
        assert maps_main(["map", str(folder / kind), "--out", atlas]) == 0
        assert maps_main(["describe", atlas, "--describer", "offline"]) == 0
        study = ["--name", kind.replace("_", "-"), "--heads", "4", "--overlap", "0", "--controls", "0", "--no-practice"]
        options = [*study, "--show-descriptions", "--data", str(folder / "data")]
        assert annotation_main(["study", "create", "--atlas", atlas, *options]) == 0
    atlases = ",".join(str(folder / "atlases" / kind) for kind in KINDS)
    with run_app({"MAPS_ATLASES": atlases, "MAPS_DATA": str(folder / "data")}) as served:
        yield served


@pytest.mark.parametrize("kind", KINDS)
def test_the_grid_has_the_layers_with_heads(kind: str, app: AppUnderTest, page: Page) -> None:
    layers, count = KINDS[kind]
    open_whole(page, f"{app.url}/?model={kind}")
    assert findings(page) == []
    drawn = page.evaluate("JSON.parse(document.querySelector('#view [data-grid]').dataset.grid)")
    assert sorted(set(drawn["layer"])) == list(layers)
    assert len(drawn["layer"]) == 4 * len(layers)
    assert count == layers[-1] + 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_is_shown_with_its_mappings_and_its_description(kind: str, app: AppUnderTest, page: Page) -> None:
    layer = KINDS[kind][0][-1]
    open_whole(page, f"{app.url}/head?model={kind}&layer={layer}&head=1")
    expect(page.locator("#view h1")).to_contain_text(f"L{layer}H1")
    expect(page.locator("#view")).to_contain_text("offline")
    assert findings(page) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_study_of_it_is_judged(kind: str, app: AppUnderTest, page: Page, folder: Path) -> None:
    study = kind.replace("_", "-")
    page.goto(f"{app.url}/annotate?study={study}")
    page.locator("#name textarea, #name input").fill(f"Ada of {kind}")
    page.get_by_role("button", name="I agree: start").click()
    for done in range(4):
        expect(page.locator("#progress")).to_contain_text(f"{done} of 4")
        expect(page.locator("#questions[inert]")).to_have_count(0)
        expect(page.locator("#presence input").nth(0)).to_be_visible()
        page.keyboard.press("1")
        expect(page.locator("#presence input").nth(0)).to_be_checked()
        page.keyboard.press("Enter")
    expect(page.locator("#evidence")).to_contain_text("All done: you judged all 4 items.")
    with sqlite3.connect(folder / "data" / "journal.sqlite") as database:
        rows = database.execute("SELECT model, presence FROM judgments WHERE study = ?", (study,)).fetchall()
    assert rows == [(kind, "absent_none")] * 4
