"""On a Space: the login that Gradio keeps in its signed cookie says who answers, through the running app."""

from __future__ import annotations

import base64
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode, urljoin

import httpx
import pytest

from annotation.identity import pseudonyms
from space.web.hub_login import credits_token
from tests.browser.conftest import ROOT
from tests.openid_provider import OpenIdProvider, serve_provider
from tests.ports import free_port
from tests.sign_in import login_cookie

pytestmark = pytest.mark.process

SESSION_COOKIE = re.compile(r"session=([^;]*)")
SECRET = "a secret of the login"
KEY = "for tests, as long as keys must be"


def space_environment(data: Path, port: int, provider: str) -> dict[str, str]:
    """The settings of the app as on a Space with a login."""
    return {
        **os.environ,
        "SYSTEM": "spaces",
        "SPACE_ID": "lab/heads",
        "SPACE_HOST": "lab-heads.hf.space",
        "OAUTH_CLIENT_ID": "id",
        "OAUTH_CLIENT_SECRET": SECRET,
        "OAUTH_SCOPES": "openid profile inference-api",
        "OPENID_PROVIDER_URL": provider,
        "MAPS_PSEUDONYM_KEY": KEY,
        "MAPS_DATA": str(data),
        "HOST": "127.0.0.1",
        "PORT": str(port),
    }


class Space:
    """The app as on a Space, with a login, and calls of its handlers by the button that they belong to."""

    def __init__(self, data: Path, provider: str) -> None:
        self.data, self.port = data, free_port()
        environment = space_environment(data, self.port, provider)
        self.process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        )

    def asked(self, path: str, body: object = None, cookie: str = "") -> Any:
        headers = {"Content-Type": "application/json"} | ({"Cookie": f"session={cookie}"} if cookie else {})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=30) as got:
            return json.load(got)

    def config(self) -> dict[str, Any]:
        """The app's description of itself, once it answers."""
        end = time.monotonic() + 90
        while True:
            try:
                found: dict[str, Any] = self.asked("/config")
                return found
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.2)

    def agree(self, name: str | None, cookie: str = "") -> str:
        config = self.config()
        [button] = [each["id"] for each in config["components"] if each["props"].get("elem_id") == "agree"]
        [event] = [each for each in config["dependencies"] if [button, "click"] in each["targets"]]
        [field] = [each["id"] for each in config["components"] if each["props"].get("elem_id") == "name"]
        data = [name if part == field else None for part in event["inputs"]]
        body = {"fn_index": event["id"], "data": data, "session_hash": "s"}
        return json.dumps(self.asked("/gradio_api/run/predict", body, cookie))

    def consents(self) -> list[str]:
        with sqlite3.connect(self.data / "journal.sqlite") as database:
            return [row[0] for row in database.execute("SELECT pseudonym FROM annotators")]


@pytest.fixture
def provider() -> Iterator[OpenIdProvider]:
    with serve_provider("ada") as served:
        yield served


@pytest.fixture
def space(tmp_path: Path, provider: OpenIdProvider) -> Iterator[Space]:
    """A running app."""
    running = Space(tmp_path, provider.url)
    yield running
    running.process.kill()
    running.process.communicate()


def test_the_login_is_the_name_and_a_typed_one_counts_for_nothing(space: Space) -> None:
    assert "Please sign in with Hugging Face first." in space.agree("grace")
    assert "Please sign in with Hugging Face first." in space.agree("grace", login_cookie("grace", "another secret"))
    assert space.consents() == []
    assert "signed in as ada" in space.agree("grace", login_cookie("ada", SECRET))
    assert space.consents() == [pseudonyms.derive_pseudonym("ada", KEY.encode())]
    page = json.dumps(space.config())
    assert "Sign in with Hugging Face" in page
    assert "https://lab-heads.hf.space/annotate" in page


class Browser:
    """Follows redirects with the cookies of the app, whose public address stands for the loopback's."""

    def __init__(self, space: Space) -> None:
        self.space, self.cookie = space, ""

    def open(self, address: str) -> str:
        """The page of the app at which an address ends."""
        url = address.replace("https://lab-heads.hf.space", f"http://127.0.0.1:{self.space.port}")
        is_app = f":{self.space.port}/" in url
        if is_app and "/login/" not in url and "/logout" not in url:
            return url.partition(f":{self.space.port}")[2]
        reply = httpx.get(url, headers={"Cookie": f"session={self.cookie}"} if is_app and self.cookie else {})
        assert reply.status_code in (302, 307), (url, reply.status_code)
        if is_app and (kept := SESSION_COOKIE.search(reply.headers.get("set-cookie", ""))):
            self.cookie = kept[1]
        return self.open(urljoin(url, reply.headers["location"]))

    def login(self) -> dict[str, Any]:
        """The login in the cookie."""
        if self.cookie in ("", "null"):
            return {}
        session: dict[str, Any] = json.loads(base64.b64decode(self.cookie.split(".")[0]))
        return session.get("oauth_info", {})


def test_credits_are_asked_for_only_when_they_are_wanted(space: Space, provider: OpenIdProvider) -> None:
    space.config()
    browser, head = Browser(space), "/ask?model=m&layer=26&head=2"
    start = f"http://127.0.0.1:{space.port}"
    assert browser.open(f"{start}/login/huggingface?_target_url=/annotate") == "/annotate"
    assert provider.scopes == ["openid profile"]
    assert browser.login()["scope"] == "openid profile"

    assert browser.open(f"{start}/login/credits?model=m&layer=26&head=2") == head
    assert provider.scopes[-1] == "openid profile inference-api"
    login = browser.login()
    assert login["userinfo"]["preferred_username"] == "ada"
    request = SimpleNamespace(request=SimpleNamespace(scope={"session": {"oauth_info": login}}))
    assert credits_token(request) == login["access_token"]

    assert browser.open(f"{start}/logout?_target_url=/annotate") == "/annotate"
    assert browser.login() == {}


def test_whoever_refuses_is_led_back(space: Space, provider: OpenIdProvider) -> None:
    space.config()
    provider.refuses = True
    browser = Browser(space)
    assert browser.open(f"http://127.0.0.1:{space.port}/login/credits?layer=26&head=2") == "/ask?layer=26&head=2"
    assert browser.login() == {}
    for target in ("//evil.example/x", "\\\\evil.example/x", "https://evil.example/x"):
        query = urlencode({"error": "access_denied", "_target_url": target})
        assert browser.open(f"http://127.0.0.1:{space.port}/login/callback?{query}").startswith("/")
