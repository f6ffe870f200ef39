"""The same as on a Space: logins, the uploaded files, and a disk that is lost between the steps."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from space.hosting.building import link_packages, write_upload
from space.hosting.trial import run_app, space_environment
from space.hosting.upload import space_files
from tests.browser import models_page as steps
from tests.browser.conftest import ROOT, open_fresh_page
from tests.browser.models_page import NAME
from tests.hub.loopback import TOKEN, LoopbackHub
from tests.ports import free_port
from tests.sign_in import login_cookie
from tests.small_models import SmallModel, random_weights, save_model_folder

pytestmark = pytest.mark.browser
SPACE = "tester/heads"
SMALL = SmallModel(layers=8)
SETTINGS = {"MAPS_JUDGMENTS": "tester/ledger", "MAPS_ORGANISERS": "Olga", "HF_TOKEN": TOKEN}


class Space:
    """The uploaded files in an environment of their own, started as on a Space. A restart begins with an empty disk."""

    def __init__(self, folder: Path, hub: LoopbackHub) -> None:
        self.folder, self.port = folder, free_port()
        self.files = space_files(ROOT, SPACE)
        write_upload(self.files, folder / "app")
        self.python = link_packages(folder / "app" / "requirements.txt", folder / "environment")
        settings = {**SETTINGS, "HF_ENDPOINT": hub.url}
        self.environment = space_environment(SPACE, folder / "home", self.port, settings)
        self.environment["HF_HUB_DISABLE_XET"] = "1"  # the Hub on loopback takes large files the older way
        self.running = ExitStack()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        for name in ("app", "home"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / "home").mkdir()
        write_upload(self.files, self.folder / "app")
        app, log = self.folder / "app", self.folder / "log.txt"
        self.running.enter_context(run_app(self.python, app, self.environment, log, self.port))

    def stop(self) -> None:
        """As a Space ends, when it is paused or built anew; raises MapsError if the app failed or logged an error."""
        self.running.close()

    @contextmanager
    def visit(self, browser: Browser, user: str) -> Iterator[Page]:
        """A page of somebody who is logged in."""
        with open_fresh_page(browser) as page:
            cookie = login_cookie(user, self.environment["OAUTH_CLIENT_SECRET"])
            page.context.add_cookies([{"name": "session", "value": cookie, "url": self.url}])
            yield page

    def open_models(self, page: Page) -> None:
        page.goto(f"{self.url}/models")
        expect(page.locator("#jobs-column")).to_be_visible()


@pytest.fixture
def space(hub: LoopbackHub, tmp_path: Path) -> Iterator[Space]:
    hub.add_model(NAME, save_model_folder(tmp_path / "small", SMALL, random_weights(SMALL)))
    running = Space(tmp_path / "space", hub)
    running.start()
    yield running
    running.stop()


def wait_for_a_layer(space: Space) -> None:
    """Until a layer of the model is mapped."""
    end = time.monotonic() + steps.LONG / 1000
    while not any(space.folder.glob("app/data/atlases/somebody--small/parts/layer-*")):
        assert time.monotonic() < end
        time.sleep(0.02)


def kept_layers(hub: LoopbackHub) -> set[str]:
    """The layers of the unfinished atlas in the Space's private dataset."""
    files = hub.repositories["dataset", f"{SPACE}-atlases"].head.files
    return {path.split("/")[-2] for path in files if "/parts/layer-" in path}


def test_an_organiser_goes_from_a_model_to_published_labels_over_lost_disks(
    browser: Browser, space: Space, hub: LoopbackHub, tmp_path: Path
) -> None:
    with space.visit(browser, "Olga") as page:
        space.open_models(page)
        steps.ask_for_mapping(page)
        wait_for_a_layer(space)
        space.stop()
        assert 1 <= len(kept_layers(hub)) < SMALL.layers
        space.start()
        space.open_models(page)
        expect(page.locator("#jobs")).to_contain_text(
            re.compile(f"Map {NAME}.*Step 2 of 4", re.DOTALL), timeout=steps.LONG
        )
        steps.expect_mapped(page)
        steps.describe_by_a_server(page)
        steps.describe_by_hand(page)
        space.stop()
        space.start()
        space.open_models(page)
        expect(page.locator("#models tr", has_text=NAME)).to_contain_text("Organiser O.: 1 head")
        steps.measure(page)
        steps.upload(page)
        steps.create_study(page)
        space.stop()
        space.start()
        for name in ("Ada", "Grace"):
            with space.visit(browser, name) as other:
                other.goto(f"{space.url}/annotate?study={steps.STUDY}")
                steps.judge_all(other)
        space.stop()
        space.start()
        steps.publish(page, space.url)
    assert steps.load_configs(hub, tmp_path) == {"items": 2, "judgments": 4, "labels": 2}
    assert hub.repositories["dataset", f"{SPACE}-atlases"].private
    assert "atlas.json" in hub.repositories["dataset", "tester/atlas"].head.files
