"""Attacks with a visitor's own browser: pages of other sites, framed pages, and addresses that carry scripts."""

from __future__ import annotations

import http.server
import json
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from annotation.identity import pseudonyms
from annotation.journal.journal import Journal
from tests.browser.conftest import ROOT, BrowserTestApp
from tests.browser.test_study import sign_in
from tests.ports import free_port
from tests.sign_in import login_cookie
from tests.space.web.test_login import KEY, SECRET, space_environment

pytestmark = pytest.mark.browser

PAGES = {  # each page with the parameters that it reads
    "": ("model", "colour", "side", "tau"),
    "head": ("model", "layer", "head"),
    "relation": ("name", "model", "layer", "head"),
    "search": ("q", "model", "kind", "page"),
    "try": ("source", "target", "pairs", "side", "tau"),
    "compare": ("model", "other", "describer", "against", "view", "x", "x_from"),
    "catalogue": ("q", "sort"),
    "sentence": ("model", "layer", "head", "text"),
    "annotate": ("study", "layer", "head", "code"),
    "agreement": ("study",),
    "organise": ("study", "item", "key"),
    "about": ("study",),
    "privacy": ("study",),
}
PAYLOADS = (
    "<img src=x onerror=window.attacked=1>",
    "<svg><a xlink:href='javascript:window.attacked=1'><text x=20 y=20>click</text></a></svg>",
    "<svg><animate onbegin=window.attacked=1 attributeName=x dur=1s></svg>",
    "<math><maction actiontype=statusline xlink:href='javascript:window.attacked=1'>click</maction></math>",
    "<template><script>window.attacked=1</script></template><script>window.attacked=1</script>",
    "<a href='javascript:window.attacked=1'>click</a>",
    "[click](javascript:window.attacked=1)",
    "'\"><iframe srcdoc='<script>parent.attacked=1</script>'>",
    "{{constructor.constructor('window.attacked=1')()}}",
)
ALL_TOGETHER = "".join(PAYLOADS)
FIRST_CASES = [("annotate", "study", ALL_TOGETHER), ("agreement", "study", ALL_TOGETHER)]
CASES = [(path, name, ALL_TOGETHER) for path, names in PAGES.items() for name in names]
CASES += [("annotate", "study", payload) for payload in PAYLOADS]
PAYLOAD_ELEMENTS = (
    "[xlink\\:href], a[href^='javascript:'], iframe, math, animate, template, img[src=x], svg a, "
    "#first-look script:not([src])"
)


@pytest.mark.parametrize(
    ("path", "name", "payload"),
    [pytest.param(*case, marks=[] if case in FIRST_CASES else pytest.mark.exhaustive) for case in CASES],
)
def test_an_address_that_carries_a_script_runs_nothing(
    explorer: BrowserTestApp, page: Page, path: str, name: str, payload: str
) -> None:
    page.goto(f"{explorer.url}/{path}?{name}={quote(payload)}")
    expect(page.locator(".gradio-container h1, .gradio-container .notice, .toast-body").first).to_be_visible()
    page.wait_for_timeout(500)
    assert page.locator(PAYLOAD_ELEMENTS).count() == 0
    for shown in page.get_by_text("click", exact=True).all():
        shown.click(force=True, timeout=1000)
    assert page.evaluate("window.attacked") is None


def test_text_that_became_html_still_runs_nothing(explorer: BrowserTestApp, page: Page) -> None:
    """The content security policy, where escaping would have failed."""
    for path in ("annotate", "", "organise"):
        page.goto(f"{explorer.url}/{path}")
        expect(page.locator(".gradio-container h1").first).to_be_visible()
        page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", "".join(PAYLOADS))
        page.evaluate("document.querySelectorAll(\"a[href^='javascript:']\").forEach(link => link.click())")
        page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'attacked=1'}))")
        page.wait_for_timeout(500)
        assert page.evaluate("window.attacked") is None


@dataclass
class Victim:
    """Somebody who is logged in on a Space, in a browser that sends cookies to every site."""

    app: str
    context: BrowserContext
    data: Path

    def withdrawn(self) -> bool:
        with Journal(self.data / "journal.sqlite") as journal:
            return pseudonyms.derive_pseudonym("ada", KEY.encode()) in journal.withdrawal_times()


@pytest.fixture
def victim(browser: Browser, tmp_path: Path) -> Iterator[Victim]:
    """Ada judges on a Space and is its organiser; her browser allows third-party cookies."""
    port = free_port()
    environment = space_environment(tmp_path, port, "http://127.0.0.1:9") | {"MAPS_ORGANISERS": "ada"}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    context = browser.new_context()
    try:
        wait_until_answering(url, process)
        site = {"domain": "127.0.0.1", "path": "/", "sameSite": "None", "secure": True}
        cookie = {"name": "session", "value": login_cookie("ada", SECRET), **site}
        context.add_cookies([cookie])  # type: ignore[list-item]
        page = context.new_page()
        page.goto(f"{url}/annotate")
        page.get_by_role("button", name="I agree: start").click()
        expect(page.locator("#presence")).to_be_visible()
        yield Victim(url, context, tmp_path)
    finally:
        context.close()
        process.kill()
        process.wait()


def wait_until_answering(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=5).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError("the app did not answer")


@contextmanager
def foreign_site(folder: Path, html: str) -> Iterator[str]:
    """A page of another site: `localhost` is another site than `127.0.0.1`."""
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text(html, encoding="utf-8")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("localhost", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_address[1]}/"
        server.shutdown()


def endpoint_number(app: str, name: str) -> int:
    with urllib.request.urlopen(f"{app}/config", timeout=30) as reply:
        config = json.load(reply)
    return next(int(each["id"]) for each in config["dependencies"] if each["api_name"] == name)


ATTACK = """<script>
const told = [];
const tell = async reply => told.push(reply.type === 'opaque' ? 'opaque' : await reply.text());
const refused = () => told.push('refused');
const call = (fn_index, data, mode, type) => fetch(APP + '/gradio_api/run/predict', {
  method: 'POST', mode, credentials: 'include', headers: {'Content-Type': type},
  body: JSON.stringify({fn_index, data, session_hash: 'x'}),
}).then(tell, refused);
const read = path => fetch(APP + path, {credentials: 'include'}).then(tell, refused);
(async () => {
  for (const type of ['application/json', 'text/plain']) for (const mode of ['cors', 'no-cors'])
    await call(WITHDRAW, [null, {}], mode, type);
  for (const path of ['/annotate', '/config', '/gradio_api/queue/data?session_hash=x', '/organise']) await read(path);
  window.told = told;
})();
</script>"""


def test_another_site_neither_acts_nor_reads_with_a_visitors_login(victim: Victim, tmp_path: Path) -> None:
    number = endpoint_number(victim.app, "withdraw_own_answers")
    script = ATTACK.replace("APP", json.dumps(victim.app)).replace("WITHDRAW", str(number))
    with foreign_site(tmp_path / "evil", script) as evil:
        page = victim.context.new_page()
        page.goto(evil)
        page.wait_for_function("window.told !== undefined", timeout=60_000)
        told = page.evaluate("window.told")
    assert [each for each in told if each not in ("refused", "opaque")] == []
    assert not victim.withdrawn()


def test_another_site_cannot_frame_the_app(victim: Victim, tmp_path: Path) -> None:
    with foreign_site(tmp_path / "evil", f"<iframe src='{victim.app}/annotate' width=900 height=900></iframe>") as evil:
        page = victim.context.new_page()
        page.goto(evil)
        page.wait_for_timeout(3000)
        assert "Annotate" not in page.frame_locator("iframe").locator("body").inner_text()  # it is in the menu


def test_a_login_works_on_the_apps_own_pages(victim: Victim) -> None:
    page = victim.context.pages[0]
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("Saved")


def test_a_name_in_use_opens_nothing_and_the_personal_link_opens_all(
    server: BrowserTestApp, page: Page, other_page: Page
) -> None:
    sign_in(page, server, "Ada")
    link = page.locator("#personal-link a").get_attribute("href")
    assert link is not None
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("Saved")
    other_page.goto(f"{server.url}/annotate")
    other_page.locator("#name textarea, #name input").fill(" ADA")
    other_page.get_by_role("button", name="I agree: start").click()
    expect(other_page.locator("#notices")).to_contain_text("signed in here under this name before")
    expect(other_page.locator("#presence")).to_be_hidden()
    other_page.goto(link)
    expect(other_page.locator("#progress")).to_contain_text("1 of 270")
    expect(other_page.locator("#progress")).to_contain_text("signed in as Ada")
    expect(other_page).not_to_have_url(re.compile("code="))
    other_page.locator("#sign-out").click()
    expect(other_page.locator("#notices")).to_contain_text("You are signed out")
    other_page.reload()
    expect(other_page.locator("#agree")).to_be_visible()
    expect(page.locator("#presence")).to_be_visible()  # the other session goes on


def test_the_organisers_key_leaves_the_address_and_is_not_kept(server: BrowserTestApp, page: Page) -> None:
    page.goto(server.organiser_link)
    expect(page.locator("#overview")).to_be_visible()
    key = server.organiser_link.partition("key=")[2]
    expect(page).not_to_have_url(re.compile("key="))
    assert key not in page.evaluate("JSON.stringify({...localStorage}) + JSON.stringify({...sessionStorage})")
    page.reload()
    expect(page.locator("#overview")).to_be_visible()
    page.goto(server.url)
    page.get_by_role("link", name="Organise").click()  # in the header of whoever was an organiser in this browser
    expect(page.locator("#overview")).to_be_visible()
    page.locator("#organiser-sign-out").click()
    expect(page.locator("#access-notice")).to_contain_text("You are signed out")
    page.reload()
    expect(page.locator("#access-notice")).to_contain_text("for the organisers of studies")
    expect(page.locator("#overview")).to_be_hidden()
    expect(page.get_by_role("link", name="Organise")).to_be_hidden()
