"""Kept replies: one for each address, and never with anything of the visitor who came first."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from space.web import reply_cache
from space.web.reply_cache import ReplyCache


class Echo:
    """An app that answers with what it sees of a request, and counts."""

    def __init__(self) -> None:
        self.count, self.status = 0, 200
        paths = ("/config", "/annotate", "/look/table", "/login/huggingface")
        app = Starlette(routes=[Route(path, self.answer, methods=["GET", "POST"]) for path in paths])
        self.client = TestClient(ReplyCache(app), base_url="http://lab.example")

    async def answer(self, request: Request) -> Response:
        self.count += 1
        seen = [str(request.url), request.headers.get("cookie"), request.headers.get("x-forwarded-host")]
        return PlainTextResponse(f"{self.count} {seen}", self.status, {"x-count": str(self.count)})


@pytest.fixture
def echo() -> Echo:
    return Echo()


def test_a_page_is_made_once(echo: Echo) -> None:
    first, second = (echo.client.get("/annotate", headers={"cookie": f"session={name}"}) for name in ("Ada", "Eve"))
    assert (first.text, first.headers) == (second.text, second.headers)
    assert echo.count == 1


def test_nothing_of_a_visitor_reaches_what_is_kept(echo: Echo) -> None:
    text = echo.client.get("/annotate?study=s&key=secret", headers={"cookie": "session=Ada"}).text
    assert text == "1 ['http://lab.example/annotate', None, None]"


def test_each_address_has_its_own_reply(echo: Echo) -> None:
    texts = {
        echo.client.get(path, headers=headers).text
        for path in ("/config", "/config?page=head", "/config?page=try&x=1")
        for headers in ({}, {"host": "other.example"}, {"x-forwarded-host": "proxy.example"})
    }
    assert len(texts) == echo.count == 9


def test_other_requests_pass_through(echo: Echo) -> None:
    for method, path in (("GET", "/look/table"), ("GET", "/login/huggingface"), ("POST", "/config")):
        texts = {echo.client.request(method, path, headers={"cookie": "session=Ada"}).text for _ in range(2)}
        assert len(texts) == 2
        assert all("session=Ada" in text for text in texts)


def test_failures_are_not_kept(echo: Echo) -> None:
    echo.status = 503
    failed = echo.client.get("/config?page=head&x=1")
    assert (failed.status_code, "x=1" in failed.text) == (503, True)
    echo.status = 200
    assert echo.client.get("/config?page=head&x=1").text.startswith("3 ")


def test_made_up_hosts_do_not_fill_the_memory(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply_cache, "MAX_REPLIES", 2)
    for host in ("a", "b", "a", "c", "a", "b"):
        echo.client.get("/config", headers={"host": host})
    assert echo.count == 4  # a, b, c, and b again: it was the one used longest ago
