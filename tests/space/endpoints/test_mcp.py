"""The app's endpoints as tools over MCP, called by the protocol's own client."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from maps.errors import MapsError
from space import services
from tests.space.running import run_app

MODEL = "SmolLM2-135M-Instruct"


async def asked(url: str) -> tuple[list[str], str, str]:
    async with streamable_http_client(url) as (read, write, _), ClientSession(read, write) as session:
        await session.initialize()
        tools = (await session.list_tools()).tools
        assert all(tool.description for tool in tools)
        found = [
            await session.call_tool("head", {"model": model, "layer": 26, "head": 2}) for model in (MODEL, "nothing")
        ]
        assert [each.isError for each in found] == [False, True]
        head, wrong = (str(each.content) for each in found)
        return [tool.name for tool in tools], head, wrong


@pytest.mark.process
def test_every_endpoint_for_programs_is_a_tool_and_nothing_else_is(tmp_path: Path) -> None:
    with run_app({"MAPS_DATA": str(tmp_path), "GRADIO_MCP_SERVER": "True"}) as app:
        names, head, wrong = asyncio.run(asked(f"{app.url}/gradio_api/mcp/"))
        app.stop()
    assert names == [
        *("models", "model", "heads", "compare", "describers", "search"),
        *("head", "relation", "pairs", "agreement", "ask", "score_pairs"),
    ]
    assert " sinners" in head
    assert "choose one of SmolLM2-135M-Instruct" in wrong


def test_without_its_package_it_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not services.is_mcp_wanted({})
    assert services.is_mcp_wanted({"GRADIO_MCP_SERVER": "true"})
    monkeypatch.setattr(services, "find_spec", lambda _name: None)
    with pytest.raises(MapsError, match="the package mcp is missing"):
        services.is_mcp_wanted({"GRADIO_MCP_SERVER": "True"})
