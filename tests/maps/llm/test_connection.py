"""The connection: which settings of the environment count, and the messages if they are not usable."""

from __future__ import annotations

import asyncio
import importlib.util

import pytest

from maps.errors import DescriberError
from maps.llm.connection import is_behind_proxy, is_local_address, open_client

AWAY = "http://models.example/v1"


def client_headers(url: str, organization: str | None = None) -> dict[str, object]:
    async def work() -> dict[str, object]:
        client = open_client(url, "k", timeout=1, concurrency=1, organization=organization, project=None)
        headers: dict[str, object] = dict(client.default_headers)
        await client.close()
        return headers

    return asyncio.run(work())


@pytest.mark.skipif(importlib.util.find_spec("socksio") is not None, reason="SOCKS proxies work here")
def test_a_socks_proxy_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:9")
    with pytest.raises(DescriberError, match=r"is a SOCKS proxy: pip install socksio, or unset the variable\.$"):
        client_headers(AWAY)
    client_headers("http://127.0.0.1:9/v1")


def test_an_invalid_proxy_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "foo bar:x")
    with pytest.raises(DescriberError, match="has an invalid address: correct or unset the variable"):
        client_headers(AWAY)
    client_headers("http://localhost:9/v1")


def test_the_account_is_a_parameter_and_not_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "é")
    assert not isinstance(client_headers(AWAY)["OpenAI-Organization"], str)
    assert client_headers(AWAY, "org-1")["OpenAI-Organization"] == "org-1"
    with pytest.raises(DescriberError, match="contains characters that cannot be sent: correct or unset it"):
        client_headers(AWAY, "é")


def test_local_addresses_are_recognised() -> None:
    local = ["http://127.0.0.1:1/v1", "http://[::1]/", "http://localhost", "http://a.localhost/v1"]
    assert [is_local_address(url) for url in [*local, AWAY, "https://10.0.0.1"]] == [True] * 4 + [False] * 2


def test_a_proxy_is_used_for_other_machines_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "near.example")
    urls = (AWAY, "http://near.example/v1", "http://127.0.0.1/v1")
    assert [is_behind_proxy(url) for url in urls] == [True, False, False]
