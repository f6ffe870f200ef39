"""Starts the uploaded files as a Space does (variables, empty disk, port), waits for the app, and stops it."""

from __future__ import annotations

import json
import re
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maps.errors import MapsError
from space.hosting.upload import subdomain

SPACE_PORT = 7860
START_TIMEOUT = 180.0  # seconds
STOP_TIMEOUT = 60.0
# Gradio logs this error on every Space without the package `spaces`. The package would open a server that runs any code
# it receives, on all addresses of this machine, so a check never installs it.
RELOADING_ERROR = re.compile(r"Exception in thread .*\n(?:.*\n)*?RuntimeError: `spaces` package is required.*\n")
PASSED_VARIABLES = ("MAPS_JUDGMENTS", "MAPS_ATLASES", "MAPS_ORGANISERS", "HF_TOKEN", "HF_ENDPOINT", "LANG")


@dataclass(frozen=True)
class RunningApp:
    """A running app: its address, the seconds until it answered, and its `/health`."""

    url: str
    start_seconds: float
    health: Mapping[str, Any]


def space_environment(space: str, home: Path, port: int, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment variables of a Space with a login, plus those of this machine that a deployment sets.

    Unlike a Space, the app accepts connections from this machine only.
    """
    owner, _, name = space.partition("/")
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "SYSTEM": "spaces",
        "SPACE_ID": space,
        "SPACE_AUTHOR_NAME": owner,
        "SPACE_REPO_NAME": name,
        "SPACE_HOST": f"{subdomain(space)}.hf.space",
        "OAUTH_CLIENT_ID": secrets.token_hex(8),
        "OAUTH_CLIENT_SECRET": secrets.token_hex(16),
        "OAUTH_SCOPES": "openid profile inference-api",
        "OPENID_PROVIDER_URL": "https://huggingface.co",
        "MAPS_PSEUDONYM_KEY": secrets.token_hex(16),
        "PYTHONUNBUFFERED": "1",
        "GRADIO_MCP_SERVER": "true",
        "HOST": "127.0.0.1",
        **({} if port == SPACE_PORT else {"PORT": str(port)}),
        **{name: environment[name] for name in PASSED_VARIABLES if environment.get(name)},
    }


def choose_port(requested_port: int | None) -> int:
    """The requested port; without one the port of a Space, or a free one if that is taken."""
    if requested_port is not None:
        return requested_port
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", SPACE_PORT))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def run_app(python: Path, app: Path, environment: Mapping[str, str], log: Path, port: int) -> Iterator[RunningApp]:
    """Runs the app as a process; raises MapsError with the end of its log if it fails to start, run or stop."""
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen([python, "app.py"], cwd=app, env=dict(environment), stdout=output, stderr=output)
        try:
            url = f"http://127.0.0.1:{port}"
            health = wait_for_health(url, process, log, started + START_TIMEOUT)
            yield RunningApp(url, time.monotonic() - started, health)
            process.terminate()
            if process.wait(STOP_TIMEOUT) != 0:
                raise MapsError(f"The app stopped with status {process.returncode}: {last_log_lines(log)}")
        finally:
            process.kill()
            process.wait()
    if "Traceback" in RELOADING_ERROR.sub("", log.read_text(encoding="utf-8", errors="replace")):
        raise MapsError(f"The app wrote an error to its log: {last_log_lines(log)}")


def wait_for_health(url: str, process: subprocess.Popen[bytes], log: Path, deadline: float) -> Mapping[str, Any]:
    """`/health` once the app itself answers it; until then it may say that the app is starting."""
    while (health := read_health(url, log))["status"] == "starting":
        if process.poll() is not None:
            raise MapsError(f"The app stopped while starting: {last_log_lines(log)}")
        if time.monotonic() > deadline:
            raise MapsError(f"The app did not answer within {START_TIMEOUT:.0f} seconds: {last_log_lines(log)}")
        time.sleep(0.2)
    return health


def read_health(url: str, log: Path) -> Mapping[str, Any]:
    """What the app says of itself; an app that does not listen yet is starting, too."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=10) as reply:
            health: Mapping[str, Any] = json.load(reply)
            return health
    except urllib.error.HTTPError as error:
        raise MapsError(f"The app answered /health with status {error.code}: {last_log_lines(log)}") from error
    except OSError:
        return {"status": "starting"}


def last_log_lines(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
