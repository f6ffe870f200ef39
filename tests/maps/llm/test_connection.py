"""The connection: what of the environment counts, and what is said where that can't be used."""

from __future__ import annotations

import asyncio
import importlib.util

import pytest

from maps.errors import DescriberError
from maps.llm.connection import is_behind_proxy, is_local_address, open_client

AWAY = "http://models.example/v1"


def opened(url: str, organization: str | None = None) -> dict[str, object]:
    """The headers of a client that was opened and closed again."""

    async def work() -> dict[str, object]:
        client = open_client(url, "k", timeout=1, concurrency=1, organization=organization, project=None)
        headers: dict[str, object] = dict(client.default_headers)
        await client.close()
        return headers

    return asyncio.run(work())


@pytest.mark.skipif(importlib.util.find_spec("socksio") is not None, reason="SOCKS proxies work here")
def test_a_socks_proxy_without_its_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:9")
    with pytest.raises(DescriberError, match=r"is a SOCKS proxy: pip install socksio, or unset the variable\.$"):
        opened(AWAY)
    opened("http://127.0.0.1:9/v1")


def test_a_proxy_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "foo bar:x")
    with pytest.raises(DescriberError, match="has no address that can be used: correct or unset the variable"):
        opened(AWAY)
    opened("http://localhost:9/v1")


def test_the_account_is_handed_in_and_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "é")
    assert not isinstance(opened(AWAY)["OpenAI-Organization"], str)
    assert opened(AWAY, "org-1")["OpenAI-Organization"] == "org-1"
    with pytest.raises(DescriberError, match="holds characters that cannot be sent: correct or unset it"):
        opened(AWAY, "é")


def test_this_machine_is_known_by_its_addresses() -> None:
    here = ["http://127.0.0.1:1/v1", "http://[::1]/", "http://localhost", "http://a.localhost/v1"]
    assert [is_local_address(url) for url in [*here, AWAY, "https://10.0.0.1"]] == [True] * 4 + [False] * 2


def test_a_proxy_stands_before_other_machines_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "near.example")
    assert [is_behind_proxy(url) for url in (AWAY, "http://near.example/v1", "http://127.0.0.1/v1")] == [
        True,
        False,
        False,
    ]
