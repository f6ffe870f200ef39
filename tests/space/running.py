"""The app on real HTTP, and its endpoints called as a browser calls them, by whoever asks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
LIST_ROUTES_SCRIPT = """
import json, tempfile
from gradio.routes import App
from space.site import build_site
from space.services import open_services
with tempfile.TemporaryDirectory() as data:
    used = open_services({"MAPS_DATA": data})
    app = App.create_app(build_site(used))
    used.journal.close()
print(json.dumps([route.path for route in app.routes if hasattr(route, "path")]))
"""


@dataclass(frozen=True)
class Endpoint:
    """A function that the app answers with: its number and name, and where its inputs and outputs are kept."""

    number: int
    name: str
    runs_on_load: bool
    inputs: tuple[str, ...]
    defaults: tuple[Any, ...]
    outputs: tuple[str, ...]


@dataclass
class Visitor:
    """A browser: what it keeps by storage key, and what it types by element id."""

    stored_values: dict[str, Any] = field(default_factory=dict)
    typed_values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CallResult:
    """What a call came to: everything that reached the browser, and whether it was an error."""

    is_error: bool
    text: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True)
class AppUnderTest:
    """The app under its address; what it says of troubles goes to a file, as a full pipe would make it wait."""

    url: str
    organiser_key: str
    process: subprocess.Popen[str]
    error_log: Path

    def stop(self) -> str:
        """Asks it to end, as a host does, and returns what it then said of troubles; it must end well."""
        self.process.terminate()
        self.process.communicate(timeout=40)
        said = self.error_log.read_text(encoding="utf-8")
        assert self.process.returncode == 0, said
        return said

    def endpoints(self) -> list[Endpoint]:
        """Every Python function of the app, the private ones too, from its configuration."""
        config = json.loads(fetch_text(f"{self.url}/config").text)
        parts = {part["id"]: part for part in config["components"]}
        return [parse_endpoint(each, parts) for each in config["dependencies"] if each["backend_fn"]]

    def call(self, one: Endpoint, who: Visitor, query: str = "") -> CallResult:
        """Calls an endpoint with what this browser keeps and types; what it is told to keep, it keeps."""
        own = {**who.typed_values, **who.stored_values}
        data = [own.get(name, default) for name, default in zip(one.inputs, one.defaults, strict=True)]
        session = uuid.uuid4().hex
        body = {"data": data, "fn_index": one.number, "session_hash": session}
        sent = fetch_text(f"{self.url}/gradio_api/queue/join?{query}", body)
        if sent.is_error:
            return sent
        said = fetch_text(f"{self.url}/gradio_api/queue/data?session_hash={session}")
        lines = [json.loads(line[6:]) for line in said.text.splitlines() if line.startswith("data: ")]
        [done] = [line for line in lines if line["msg"] == "process_completed"]
        values = tuple(done["output"].get("data") or ())
        for name, value in zip(one.outputs, values, strict=False):
            if name.startswith("maps-") and not (isinstance(value, dict) and value.get("__type__") == "update"):
                who.stored_values[name] = value
        return CallResult(not done["success"], said.text, values)

    def submit(self, who: Visitor) -> CallResult:
        """Submits what this browser keeps and types on the annotator's page."""
        fields = ("presence", "precision", "category")
        body = {"token": who.stored_values.get("maps-token"), "task": who.stored_values.get("maps-desk")}
        body |= {name: who.typed_values.get(name) for name in fields} | {"comment": who.typed_values.get("comment")}
        reply = fetch_text(f"{self.url}/annotate/submit", body)
        updates = {} if reply.is_error else json.loads(reply.text)
        for name, key in (("token", "maps-token"), ("task", "maps-desk")):
            if name in updates:
                who.stored_values[key] = updates[name]
        return reply

    def open_every_page(self, who: Visitor, query: str = "") -> None:
        for one in self.endpoints():
            if one.runs_on_load:
                self.call(one, who, query)


def parse_endpoint(each: dict[str, Any], parts: dict[int, dict[str, Any]]) -> Endpoint:
    def name(number: int) -> str:
        props = parts[number]["props"]
        return str(props.get("storage_key") or props.get("elem_id") or number)

    inputs, outputs = each["inputs"], each["outputs"]
    return Endpoint(
        each["id"],
        each["api_name"],
        any(event == "load" for _, event in each["targets"]),
        tuple(map(name, inputs)),
        tuple(parts[number]["props"].get("value") for number in inputs),
        tuple(map(name, outputs)),
    )


def fetch_text(url: str, body: object = None) -> CallResult:
    """The text at an address, or what the server says against it."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(asked, timeout=60) as reply:
            return CallResult(False, reply.read().decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        return CallResult(True, f"{error.code} {error.read().decode('utf-8', 'replace')}")


@contextmanager
def run_app(environment: Mapping[str, str]) -> Iterator[AppUnderTest]:
    """The app as a process of its own with these settings, killed at the end."""
    port = str(free_port())
    command, settings = [sys.executable, "app.py"], {**os.environ, **environment, "PORT": port}
    with (
        tempfile.NamedTemporaryFile() as troubles,
        subprocess.Popen(
            command, cwd=ROOT, env=settings, stdout=subprocess.PIPE, stderr=troubles, text=True
        ) as process,
    ):
        try:
            said = list(iter(partial(_read_start_line, process), ""))
            [key] = re.findall(r"/organise\?key=(\S+)", " ".join(said))
            yield AppUnderTest(f"http://127.0.0.1:{port}", key, process, Path(troubles.name))
        finally:
            process.kill()


def _read_start_line(process: subprocess.Popen[str]) -> str:
    """A line of the app's start; empty after the one that ends it."""
    line = process.stdout.readline() if process.stdout else ""
    return "" if line.startswith("Open ") else line


def route_paths() -> set[str]:
    """The paths of all HTTP routes of the app but Gradio's API, which lies under one prefix."""
    run = subprocess.run(
        [sys.executable, "-c", LIST_ROUTES_SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {path.rstrip("/") or "/" for path in json.loads(run.stdout)}
