"""A withdrawal by the organiser, in a browser that keeps it until the ledger has it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from annotation.identity.pseudonyms import derive_pseudonym
from tests.annotation.ledger_app import LEDGER_NAME, ledger_rows
from tests.browser.conftest import BrowserTestApp
from tests.browser.test_study import sign_in
from tests.hub.loopback import TOKEN, LoopbackHub

pytestmark = pytest.mark.browser

COPIES = "Object.keys(localStorage).filter(name => name.startsWith('maps-outbox:'))"
KEY = "for tests, as long as keys must be"


@pytest.fixture
def app(hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BrowserTestApp]:
    """An app with a ledger on the loopback Hub."""
    settings = {"MAPS_JUDGMENTS": LEDGER_NAME, "HF_TOKEN": TOKEN, "HF_ENDPOINT": hub.url, "MAPS_PSEUDONYM_KEY": KEY}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    started = BrowserTestApp(tmp_path / "data")
    try:
        started.start()
        yield started
    finally:
        started.kill()


def test_the_organisers_browser_gives_back_a_withdrawal_that_was_lost_with_the_disk(
    hub: LoopbackHub, app: BrowserTestApp, page: Page
) -> None:
    ada = derive_pseudonym("Ada", KEY.encode())
    sign_in(page, app, "Ada")
    hub.fail_next("POST .*/commit/", 503, times=1000)
    page.goto(app.organiser_link)
    page.get_by_role("tab", name="Withdrawals").click()
    page.locator("#pseudonym textarea, #pseudonym input").fill(ada)
    page.locator("#withdraw").click()
    page.locator("#withdraw-confirm").click()
    expect(page.locator("#withdrawal")).to_contain_text(
        f"{ada} is withdrawn. The withdrawal is stored here but not in", timeout=30_000
    )
    page.wait_for_function(f"{COPIES}.includes('maps-outbox:{ada}')")
    app.kill()
    shutil.rmtree(app.data)
    hub.ordered_failures.clear()
    app.start()
    page.goto(f"{app.url}/organise")  # the earlier link counts no more
    expect(page.locator("#copies-notice")).to_contain_text(
        "This server had lost 1 withdrawal. Stored again from this", timeout=30_000
    )
    while not hub.repositories or not ledger_rows(hub, "withdrawals"):
        page.wait_for_timeout(100)
    assert [row["annotator"] for row in ledger_rows(hub, "withdrawals")] == [ada]
    page.wait_for_timeout(500)
    page.goto(f"{app.url}/organise")
    page.wait_for_function(f"{COPIES}.length === 0")
