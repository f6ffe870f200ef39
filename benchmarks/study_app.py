"""The app as a process that is started, killed and started again on the same data, and its functions over HTTP."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[1]
MAX_START_SECONDS = 120.0  # seconds
MAX_REPLY_SECONDS = 120.0


class AppProcess:
    """`app.py` on a data folder, on a port that stays the same from one start to the next.

    What it prints goes to `app.log` in that folder.
    """

    def __init__(self, data: Path) -> None:
        self.data = data
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Starts it and returns the seconds until it answered; RuntimeError where it does not."""
        begun = time.perf_counter()
        settings = {
            "MAPS_DATA": self.data,
            "PORT": self.port,
            "HOST": "127.0.0.1",
            "MAPS_LOAD_AT_START": "false",
            "MAPS_PSEUDONYM_KEY": "of the load, as long as keys must be",
        }
        command = ["env", *(f"{name}={value}" for name, value in settings.items()), sys.executable, "app.py"]
        with (self.data / "app.log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        while time.perf_counter() - begun < MAX_START_SECONDS and self._process.poll() is None:
            if self._is_answering():
                return time.perf_counter() - begun
            time.sleep(0.05)
        raise self._app_error("did not start")

    @property
    def process_id(self) -> int:
        if self._process is None:
            raise self._app_error("does not run")
        return self._process.pid

    def check_running(self) -> None:
        """RuntimeError where it has ended by itself."""
        if self._process is None or self._process.poll() is not None:
            raise self._app_error("has ended by itself")

    def _app_error(self, what: str) -> RuntimeError:
        return RuntimeError(f"The app {what}: {(self.data / 'app.log').read_text(errors='replace')[-2000:]}")

    def kill(self) -> None:
        """Ends it with SIGKILL, if it runs: it has no time to finish anything."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _is_answering(self) -> bool:
        try:
            with AppConnection(self.port) as line:
                return bool(line.get("/config"))
        except OSError:
            return False


@dataclass(frozen=True)
class PageFunction:
    """A Python function behind the pages: its number, and by what names its inputs and outputs go.

    That is the storage key or the element's id; `defaults` are the inputs as the page opens.
    """

    number: int
    inputs: tuple[str, ...]
    defaults: tuple[Any, ...]
    outputs: tuple[str, ...]


class AppConnection:
    """One connection to the app, kept open as a browser keeps it; made anew where it broke."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=MAX_REPLY_SECONDS)
        self._session = uuid.uuid4().hex

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, path: str) -> Any:
        return self._request_json("GET", path, None)

    def call(self, function: PageFunction, own: Mapping[str, Any], query: str = "") -> dict[str, Any]:
        """Calls a function that does not queue, as the page does; its outputs by name, updates as Gradio sends them.

        `query`: of the page's address.

        OSError where no whole answer came, or one that is an error.
        """
        given = [own.get(name, default) for name, default in zip(function.inputs, function.defaults, strict=True)]
        body = {"data": given, "fn_index": function.number, "session_hash": self._session}
        found = self._request_json("POST", f"/gradio_api/run/predict?{query}", json.dumps(body))
        return dict(zip(function.outputs, found["data"], strict=True))

    def submit(self, browser: Mapping[str, Any], answers: Mapping[str, Any]) -> dict[str, Any]:
        """Submits an answer as the page does; its outputs by the names that `call` gives them."""
        body = {"token": browser["maps-token"], "task": browser["maps-desk"], **answers}
        found = self._request_json("POST", "/annotate/submit", json.dumps(body))
        return found | {"maps-token": found.get("token"), "maps-desk": found.get("task")}

    def _request_json(self, method: str, path: str, body: str | None) -> Any:
        try:
            self._connection.request(method, path, body, {"Content-Type": "application/json"})
            reply = self._connection.getresponse()
            text = reply.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise ConnectionError(f"{path} was not answered: {error!r}") from error
        if reply.status != 200:
            raise OSError(f"{path} answered {reply.status}: {text[:500]!r}")
        return json.loads(text)


def page_functions(port: int) -> dict[str, PageFunction]:
    """The functions of the running app by name, the first of each name."""
    with AppConnection(port) as line:
        config = line.get("/config")
    props = {part["id"]: part["props"] for part in config["components"]}
    names = {number: str(each.get("storage_key") or each.get("elem_id") or number) for number, each in props.items()}
    found: dict[str, PageFunction] = {}
    for each in config["dependencies"]:
        inputs, outputs = each["inputs"], each["outputs"]
        function = PageFunction(
            each["id"],
            tuple(names[number] for number in inputs),
            tuple(props[number].get("value") for number in inputs),
            tuple(names[number] for number in outputs),
        )
        found.setdefault(str(each["api_name"]), function)
    return found
