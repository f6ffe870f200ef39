"""What the guard lets through: on a small app in process, and the routes of the whole app over real HTTP."""

from __future__ import annotations

import asyncio
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from space.web import request_guard
from space.web.request_guard import BodyTooLargeError, RequestGuard, is_from_own_site, read_body
from space.web.routes import ROUTE_RULES, RouteKind, find_route
from tests.space.running import AppUnderTest, run_app

OWN = {"host": "127.0.0.1:7860"}


async def echo(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())), headers={"access-control-allow-origin": "http://evil"})


@pytest.fixture
def guarded() -> TestClient:
    routes = [Route(path, echo, methods=["GET", "POST"]) for path in ("/annotate", "/gradio_api/run/x", "/look/table")]
    return TestClient(RequestGuard(Starlette(routes=routes), is_on_space=False), base_url="http://127.0.0.1:7860")


@pytest.mark.parametrize(
    ("headers", "is_own"),
    [
        ({}, True),  # a program
        ({"sec-fetch-site": "same-origin", "origin": "http://behind-a-proxy"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),  # another port of this machine is another site
        ({"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:7860"}, False),
        ({"origin": "http://127.0.0.1:7860"}, True),
        ({"origin": "https://lab-heads.hf.space"}, True),
        ({"origin": "http://127.0.0.1:7861"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"origin": "http://[evil"}, False),
        ({"origin": "http://evil", "x-forwarded-host": "evil"}, False),
    ],
)
def test_a_request_is_our_own_by_what_the_browser_says(headers: dict[str, str], is_own: bool) -> None:
    assert is_from_own_site(Headers(OWN | headers), "lab-heads.hf.space") is is_own


@pytest.mark.parametrize("header", [{"sec-fetch-site": "cross-site"}, {"origin": "http://evil"}])
def test_another_site_calls_nothing_and_reads_nothing(guarded: TestClient, header: dict[str, str]) -> None:
    for method, path in (("POST", "/gradio_api/run/x"), ("OPTIONS", "/gradio_api/run/x"), ("GET", "/logout")):
        refused = guarded.request(method, path, headers=header)
        assert (refused.status_code, "another site" in refused.text) == (403, True)
        assert "access-control-allow-origin" not in refused.headers


def test_another_site_may_link_to_a_page_and_show_a_public_file(guarded: TestClient) -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    for path in ("/annotate", "/look/table"):
        assert guarded.get(path, headers=link).status_code == 200
        script = guarded.get(path, headers={**link, "sec-fetch-mode": "cors", "origin": "http://evil"})
        assert script.status_code == 403
        assert "access-control-allow-origin" not in guarded.get(path).headers


def test_every_reply_says_what_frames_and_runs_it(guarded: TestClient) -> None:
    for path in ("/annotate", "/nothing-here"):
        headers = guarded.get(path).headers
        assert headers["content-security-policy"].endswith("frame-ancestors 'self'")
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
    on_space = TestClient(RequestGuard(Starlette(), is_on_space=True))
    assert "frame-ancestors 'self' https://huggingface.co" in on_space.get("/x").headers["content-security-policy"]


def test_a_body_has_a_limit_and_arrives_whole(guarded: TestClient) -> None:
    limit = request_guard.MAX_BODY_BYTES
    assert guarded.post("/gradio_api/run/x", content=b"x" * limit).text == str(limit)
    too_large = guarded.post("/gradio_api/run/x", content=b"x" * (limit + 1))
    assert (too_large.status_code, "2,000,000 bytes" in too_large.text) == (413, True)
    in_parts = guarded.post("/gradio_api/run/x", content=(b"x" * 1000 for _ in range(2001)))  # without a length
    assert in_parts.status_code == 413
    assert guarded.post("/gradio_api/run/x", content=b"", headers={"content-length": "many"}).status_code in (400, 413)


def test_a_body_is_refused_before_it_is_kept() -> None:
    parts = 0

    async def receive() -> dict[str, object]:
        nonlocal parts
        parts += 1
        return {"type": "http.request", "body": b"x" * 1_000_000, "more_body": True}

    with pytest.raises(BodyTooLargeError):
        asyncio.run(read_body(receive, Headers({})))
    assert parts == 3


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "gradio_api/upload"),
        ("GET", "gradio_api/upload_progress"),
        ("GET", "gradio_api/file=/etc/passwd"),
        ("GET", "gradio_api/file/etc/passwd"),
        ("GET", "gradio_api/proxy=http://127.0.0.1/"),
        ("GET", "gradio_api/stream/a/b/c/playlist.m3u8"),
        ("POST", "gradio_api/component_server"),
        ("POST", "gradio_api/process_recording"),
        ("GET", "gradio_api/vibe-code"),
        ("GET", "gradio_api/deep_link"),
        ("GET", "gradio_api/runs"),
        ("GET", "monitoring"),
        ("GET", "monitoring/summary"),
        ("GET", "docs"),
        ("GET", "openapi.json"),
        ("POST", "login"),
        ("POST", "annotate"),
        ("GET", "gradio_api/mcp/sse"),
        ("GET", "annotate/../journal.sqlite"),
        ("TRACE", ""),
    ],
)
def test_what_no_page_needs_does_not_exist(method: str, path: str) -> None:
    assert find_route(method, path) is None


def test_mcp_exists_where_it_is_wanted() -> None:
    rule = find_route("POST", "gradio_api/mcp/messages", has_mcp=True)
    assert rule is not None
    assert rule.kind is RouteKind.CALL


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppUnderTest]:
    with run_app({"MAPS_DATA": str(tmp_path_factory.mktemp("data"))}) as running:
        yield running


def status(url: str, body: bytes | None = None, **headers: str) -> int:
    request = urllib.request.Request(url, body, {name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.process
def test_the_running_app_is_behind_the_guard(app: AppUnderTest) -> None:
    call = f"{app.url}/gradio_api/run/models"
    assert status(call, b'{"data": []}', content_type="application/json") == 200
    assert status(call, b'{"data": []}', content_type="application/json", origin="http://evil") == 403
    assert status(f"{app.url}/gradio_api/upload", b"x") == 404
    assert status(f"{app.url}/") == 200
    assert status(f"{app.url}/", origin="http://evil") == 403


@pytest.mark.process
def test_a_slow_head_and_an_idle_connection_are_closed(app: AppUnderTest) -> None:
    host, port = app.url.removeprefix("http://").split(":")
    connections = [socket.create_connection((host, int(port))) for _ in range(2)]
    connections[1].sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
    start = time.monotonic()
    for connection in connections:
        connection.settimeout(40)
        assert connection.recv(1000) == b""
        connection.close()
    assert time.monotonic() - start < 35


@pytest.mark.process
def test_a_slow_body_is_refused(app: AppUnderTest) -> None:
    host, port = app.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = "POST /gradio_api/run/models HTTP/1.1", "Host: a", "Content-Type: application/json", "Content-Length: 9"
        connection.sendall("\r\n".join((*head, "", "{")).encode())
        connection.settimeout(60)
        assert b" 408 " in connection.recv(1000)


def test_every_rule_matches_something_and_names_its_purpose() -> None:
    assert all(rule.purpose for rule in ROUTE_RULES)
    assert len({rule.pattern for rule in ROUTE_RULES}) == len(ROUTE_RULES)
