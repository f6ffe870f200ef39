"""A flood of requests while one annotator works: `python -m benchmarks.flood`.

For each public address, 64 requests are sent at once, again and again, while one annotator submits answers in the real
app over HTTP. What counts is how long the annotator waits. The figures are kept in `benchmarks/results/flood.json`.
"""

from __future__ import annotations

import http.client
import json
import os
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.study_app import ROOT, AppConnection, AppProcess, page_functions
from benchmarks.study_load import create_load_study
from benchmarks.study_receipts import Load

RESULTS = ROOT / "benchmarks" / "results" / "flood.json"
AT_ONCE = 64
ANSWERS_EACH = 12  # of the annotator, while one address is flooded
HEAD = "model=SmolLM2-135M-Instruct&layer=26&head=2"
CALL = {"method": "POST", "body": "{}"}
ADDRESSES: dict[str, tuple[str, dict[str, Any] | None]] = {  # by name: the path, and the data of a call
    "all heads": ("/", None),
    "a head": (f"/head?{HEAD}", None),
    "a relation": ("/relation?name=country_to_capital", None),
    "search": ("/search?q=country", None),
    "compare": ("/compare", None),
    "annotate": ("/annotate", None),
    "agreement": ("/agreement", None),
    "about": ("/about", None),
    "health": ("/health", None),
    "config": ("/config", None),
    "info": ("/gradio_api/info", None),
    "a table": ("/look/table?model=SmolLM2-135M-Instruct&name=mappings&format=csv", None),
    "a preview image": (f"/look/card.png?{HEAD}", None),
    "sentences": ("/look/sentences.json?model=SmolLM2-135M-Instruct", None),
    "call models": ("/gradio_api/run/models", {"data": []}),
    "call heads": ("/gradio_api/run/heads", {"data": ["SmolLM2-135M-Instruct", None]}),
    "call head": ("/gradio_api/run/head", {"data": ["SmolLM2-135M-Instruct", 26, 2]}),
    "call search": ("/gradio_api/run/search", {"data": ["country", "", "", 1]}),
    "call agreement": ("/gradio_api/run/agreement", {"data": ["default"]}),
}


class Flood:
    """Requests for one address from many connections, until it is stopped."""

    def __init__(self, port: int, path: str, body: dict[str, Any] | None) -> None:
        self._port, self._path = port, path
        self._body = None if body is None else json.dumps(body)
        self._is_over = threading.Event()
        self.statuses: dict[str, int] = {}
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(AT_ONCE)]

    def __enter__(self) -> Flood:
        for thread in self._threads:
            thread.start()
        time.sleep(0.5)  # until the flood is there
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        while not self._is_over.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
            try:
                method = "GET" if self._body is None else "POST"
                connection.request(method, self._path, self._body, {"Content-Type": "application/json"})
                reply = connection.getresponse()
                reply.read()
                status = str(reply.status)
            except (OSError, http.client.HTTPException) as error:
                status = type(error).__name__
            finally:
                connection.close()
            self.statuses[status] = self.statuses.get(status, 0) + 1


class Annotator:
    """One annotator, who goes on answering."""

    def __init__(self, port: int) -> None:
        known = page_functions(port)
        self._port, self._line = port, AppConnection(port)
        opened = self._line.call(known["load_annotate_page"], {})
        self._kept = self._line.call(known["sign_in"], {"name": "Ada", "maps-token": opened["maps-token"]})

    def reconnect(self) -> None:
        """Opens a new connection: the server closes one on which nothing came for some seconds."""
        self._line = AppConnection(self._port)

    def submit_seconds(self) -> float:
        """Submits one answer; the seconds until its receipt."""
        judgment_id = self._kept["maps-desk"]["judgment_id"]
        begun = time.perf_counter()
        found = self._line.submit(self._kept, {"presence": "absent_none"})
        seconds = time.perf_counter() - begun
        if judgment_id not in found.get("copies", {}).get("keep", {}):
            raise RuntimeError(f"not stored: {found['message']}")
        self._kept = found
        return seconds


def measure(port: int, annotator: Annotator) -> dict[str, Any]:
    measured: dict[str, Any] = {}
    for name, (path, body) in {"nothing": ("", None), **ADDRESSES}.items():
        annotator.reconnect()
        if path:
            with Flood(port, path, body) as flood:
                waits = [annotator.submit_seconds() for _ in range(ANSWERS_EACH)]
            answered = flood.statuses
        else:
            waits, answered = [annotator.submit_seconds() for _ in range(ANSWERS_EACH)], {}
        measured[name] = {"median_s": round(median(waits), 3), "max_s": round(max(waits), 3), "answered": answered}
        print(name, measured[name], flush=True)
    return measured


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        create_load_study(data, Load(1, 260, 260, 0, 1))
        app = AppProcess(data)
        app.start()
        try:
            found = measure(app.port, Annotator(app.port))
        finally:
            app.kill()
    result = {"cores": os.cpu_count(), "at_once": AT_ONCE, "answers_each": ANSWERS_EACH, "submit": found}
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
