"""What serving MCP costs the app in memory: `python -m benchmarks.mcp_memory`.

The real app is started without the package `mcp`, and with it and `GRADIO_MCP_SERVER`; the pages are opened, then the
endpoint of a head is called, the second time as a tool by the protocol's own client. The figures are kept in
`benchmarks/results/mcp_memory.json`.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import urllib.request
from pathlib import Path

import psutil
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from benchmarks.browsing_memory import MODEL, PAGES, call, memory_mb
from benchmarks.study_app import ROOT
from tests.space.running import run_app

RESULTS = ROOT / "benchmarks" / "results" / "mcp_memory.json"
CALLS = 1000


async def call_tool(url: str, calls: int) -> None:
    """Asks about heads over MCP; RuntimeError if an answer is an error."""
    address = f"{url}/gradio_api/mcp/"
    async with streamable_http_client(address) as (read, write, _), ClientSession(read, write) as session:
        await session.initialize()
        for number in range(calls):
            answer = await session.call_tool("head", {"model": MODEL, "layer": number % 30, "head": number % 9})
            if answer.isError:
                raise RuntimeError(str(answer.content))


def measure(has_mcp: bool) -> dict[str, float]:
    """Resident memory in 10⁶ bytes: at the start, after the pages, and after the calls."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {"MAPS_DATA": folder, "MAPS_LOAD_AT_START": "false", "GRADIO_MCP_SERVER": "true"}
        if not has_mcp:  # Gradio imports the package wherever it finds one
            (Path(folder) / "mcp.py").write_text("raise ImportError", encoding="utf-8")
            environment |= {"PYTHONPATH": folder, "GRADIO_MCP_SERVER": "false"}
        with run_app(environment) as app:
            process = psutil.Process(app.process.pid)
            urllib.request.urlopen(f"{app.url}/health", timeout=30).close()
            started = memory_mb(process)
            for page in PAGES:
                urllib.request.urlopen(f"{app.url}/{page}", timeout=60).close()
            visited = memory_mb(process)
            if has_mcp:
                asyncio.run(call_tool(app.url, CALLS))
            else:
                call(app.url, process, CALLS)
            return {"started_mb": started, "after_pages_mb": visited, "after_calls_mb": memory_mb(process)}


def main() -> None:
    result = {"calls": CALLS, "without": measure(has_mcp=False), "with": measure(has_mcp=True)}
    print(json.dumps(result, indent=2))
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
