"""Who asks the weights, and how often they may."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from maps.errors import MapsError
from maps.mapping.probe_results import Probe, VocabularyToken
from space.live.process import LiveModel
from space.live.worker import LiveAnswer, LiveQuestion
from space.pages.try_it import page
from space.rate_limit import (
    MAX_VISITORS,
    SIGN_INS_PER_ADDRESS,
    SIGN_INS_TOGETHER,
    RateLimiter,
    SignInLimits,
)
from space.services import Services, open_services
from space.web.visitors import ask_within_limit, visitor_id

ROOT = Path(__file__).parents[3]
ASKING = """
import sys
from dataclasses import replace
from gradio.routes import App
from starlette.testclient import TestClient
from space.site import build_site
from space.rate_limit import RateLimiter
from space.services import open_services
from tests.space.web.test_visitors import Answering

opened = open_services({"MAPS_DATA": sys.argv[1], "SPACE_ID": "a/b"})
services = replace(opened, live_model=Answering(), rate_limiter=RateLimiter(1, 60.0))
client = TestClient(App.create_app(build_site(services)))
statuses = []
for address in ("8.8.8.8", "8.8.8.8", "8.8.4.4"):
    headers = {"x-forwarded-for": f"{address}, 10.0.0.1"}
    statuses.append(client.post("/gradio_api/run/ask", json={"data": ["he", ""]}, headers=headers).status_code)
print(statuses)
named = client.get("/gradio_api/info").json()["named_endpoints"]["/ask"]["parameters"]
print([each["parameter_name"] for each in named])
"""


@dataclass(frozen=True)
class Asked:
    """Stands for a handler's request."""

    request: Any


def from_address(client: str, *forwarded: str, login: str | None = None) -> Asked:
    headers = [(b"x-forwarded-for", ", ".join(forwarded).encode())] if forwarded else []
    session = {"oauth_info": {"userinfo": {"preferred_username": login}}} if login else {}
    return Asked(Request({"type": "http", "headers": headers, "client": (client, 1), "session": session}))


class Answering(LiveModel):
    """Answers everything alike."""

    def __init__(self) -> None:
        super().__init__("smollm2")

    def ask(self, question: LiveQuestion) -> LiveAnswer:  # noqa: ARG002
        return Probe("m", 1, VocabularyToken(0, " he"), None, (), (), ())


@pytest.fixture
def used(tmp_path: Path) -> Iterator[Services]:
    """Services of a Space whose clock a test moves."""
    built = open_services({"MAPS_DATA": str(tmp_path), "SPACE_ID": "a/b"})
    yield replace(built, live_model=Answering(), rate_limiter=RateLimiter(3, 5.0, clock=lambda: 0.0))
    built.journal.close()


def test_an_allowance_is_used_up_and_fills_again() -> None:
    now = [0.0]
    limits = RateLimiter(2, 5.0, clock=lambda: now[0])
    limits.consume("a")
    limits.consume("a")
    with pytest.raises(MapsError, match=r"asked 2 questions in a short time; wait 5 s"):
        limits.consume("a")
    limits.consume("b")
    now[0] = 4.5
    with pytest.raises(MapsError, match="wait 1 s"):
        limits.consume("a")
    now[0] = 5.0
    limits.consume("a")
    with pytest.raises(MapsError, match="wait 5 s"):
        limits.consume("a")
    now[0] = 100.0
    for _ in range(2):
        limits.consume("a")


def test_no_more_visitors_are_remembered_than_fit() -> None:
    limits = RateLimiter(1, 5.0, clock=lambda: 0.0)
    for number in range(MAX_VISITORS + 1):
        limits.consume(str(number))
    limits.consume("0")
    with pytest.raises(MapsError):
        limits.consume("2")


@pytest.mark.parametrize(
    ("asking", "expected"),
    [
        (None, "nobody"),
        (from_address("127.0.0.1"), "127.0.0.1"),
        (from_address("10.1.2.3", "8.8.8.8", "10.20.30.40"), "8.8.8.8"),
        (from_address("10.1.2.3", "1.1.1.1", "8.8.8.8"), "8.8.8.8"),
        (from_address("10.1.2.3", "<script>", "unknown"), "10.1.2.3"),
        (from_address("10.1.2.3", "2001:4860:4860::8888"), "2001:4860:4860::8888"),
        (from_address("10.1.2.3", "8.8.8.8", login="ada"), "login ada"),
    ],
)
def test_a_visitor_is_the_login_or_the_last_public_address(asking: Asked | None, expected: str) -> None:
    assert visitor_id(asking) == expected


def test_on_a_space_each_visitor_has_a_limit_and_elsewhere_nobody(used: Services) -> None:
    ada, grace = from_address("10.0.0.1", "8.8.8.8"), from_address("10.0.0.1", "8.8.4.4")
    for _ in range(3):
        ask_within_limit(used, ("he", None), ada)
    with pytest.raises(MapsError, match="You asked 3 questions"):
        ask_within_limit(used, ("he", None), ada)
    ask_within_limit(used, ("he", None), grace)
    for _ in range(9):
        ask_within_limit(replace(used, is_on_space=False), ("he", None), ada)


def test_the_page_says_how_long_to_wait(used: Services) -> None:
    ada = from_address("10.0.0.1", "8.8.8.8")
    shown = [page.finish(used, {"source": "he"}, ada).html for _ in range(4)]
    assert ["You asked" in html for html in shown] == [False, False, False, True]


@pytest.mark.process
def test_an_endpoint_knows_who_asks_by_what_the_proxy_says(tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", ASKING, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.splitlines() == ["[200, 500, 200]", "['source', 'target']"], run.stderr


def test_names_cannot_be_tried_out() -> None:
    now = [0.0]
    limits = SignInLimits(lambda: now[0])
    for _ in range(SIGN_INS_PER_ADDRESS[0]):
        limits.consume("10.0.0.1")
    with pytest.raises(MapsError, match="Many people have signed in within a short time; please wait 20 s"):
        limits.consume("10.0.0.1")
    limits.consume("10.0.0.2")
    for number in range(2 * SIGN_INS_TOGETHER[0]):  # from ever new addresses
        try:
            limits.consume(f"10.1.{number}.1")
        except MapsError:
            break
    assert number < SIGN_INS_TOGETHER[0]
    now[0] = 1200.0
    limits.consume("10.0.0.1")
