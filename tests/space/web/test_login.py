"""On a Space: the login that Gradio keeps in its signed cookie says who answers, through the running app."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from itsdangerous import TimestampSigner

from annotation.identity import pseudonyms
from tests.browser.conftest import ROOT
from tests.ports import free_port

pytestmark = pytest.mark.process

SECRET = "a secret of the login"
KEY = "for tests, as long as keys must be"


def space_environment(data: Path, port: int) -> dict[str, str]:
    """The settings of the app as on a Space with a login."""
    return {
        **os.environ,
        "SYSTEM": "spaces",
        "SPACE_ID": "lab/heads",
        "SPACE_HOST": "lab-heads.hf.space",
        "OAUTH_CLIENT_ID": "id",
        "OAUTH_CLIENT_SECRET": SECRET,
        "OAUTH_SCOPES": "openid profile",
        "OPENID_PROVIDER_URL": "http://127.0.0.1:9",
        "MAPS_PSEUDONYM_KEY": KEY,
        "MAPS_DATA": str(data),
        "HOST": "127.0.0.1",
        "PORT": str(port),
    }


class Space:
    """The app as on a Space, with a login, and calls of its handlers by the button that they belong to."""

    def __init__(self, data: Path) -> None:
        self.data, self.port = data, free_port()
        environment = space_environment(data, self.port)
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


def login(name: str, secret: str = SECRET) -> str:
    """The cookie of somebody who is logged in, as Starlette signs it with Gradio's key."""
    about = {"userinfo": {"preferred_username": name}, "expires_at": int(time.time()) + 600}
    key = hashlib.sha256(f"{secret}-v4".encode()).hexdigest()
    payload = base64.b64encode(json.dumps({"oauth_info": about}).encode())
    return TimestampSigner(key).sign(payload).decode()


@pytest.fixture
def space(tmp_path: Path) -> Iterator[Space]:
    """A running app."""
    running = Space(tmp_path)
    yield running
    running.process.kill()
    running.process.communicate()


def test_the_login_is_the_name_and_a_typed_one_counts_for_nothing(space: Space) -> None:
    assert "Please sign in with Hugging Face first." in space.agree("grace")
    assert "Please sign in with Hugging Face first." in space.agree("grace", login("grace", "another secret"))
    assert space.consents() == []
    assert "signed in as ada" in space.agree("grace", login("ada"))
    assert space.consents() == [pseudonyms.derive_pseudonym("ada", KEY.encode())]
    page = json.dumps(space.config())
    assert "Sign in with Hugging Face" in page
    assert "https://lab-heads.hf.space/annotate" in page
