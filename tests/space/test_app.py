"""The app's start: what is wrong with its settings is one sentence and status 1."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.ports import free_port

ROOT = Path(__file__).parents[2]


def started(**settings: str) -> subprocess.CompletedProcess[str]:
    """Runs the app with settings that keep it from starting."""
    environment = {**os.environ, **settings}
    return subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )


def one_sentence(run: subprocess.CompletedProcess[str]) -> str:
    assert run.returncode == 1
    assert run.stdout == ""
    lines = run.stderr.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert "set PORT to a free port" in one_sentence(started(PORT=port, MAPS_DATA=str(tmp_path)))


@pytest.mark.parametrize("host", ["256.1.1.1", "no.such.host.invalid", "8.8.8.8"])
def test_a_host_that_is_not_this_machine_is_told(tmp_path: Path, host: str) -> None:
    assert "cannot be used" in one_sentence(started(HOST=host, PORT="7999", MAPS_DATA=str(tmp_path)))


def test_a_data_folder_that_cannot_be_one_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    assert str(file) in one_sentence(started(PORT="7999", MAPS_DATA=str(file)))


def test_a_journal_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"no database at all" * 100)
    assert "journal" in one_sentence(started(PORT="7999", MAPS_DATA=str(tmp_path)))


def test_an_atlas_that_is_not_there_is_told(tmp_path: Path) -> None:
    found = one_sentence(started(PORT="7999", MAPS_DATA=str(tmp_path), MAPS_ATLASES=str(tmp_path / "none")))
    assert "is not an atlas" in found


@pytest.mark.process
def test_while_it_starts_it_says_so_and_then_opens_by_itself(tmp_path: Path) -> None:
    port = free_port()
    environment = {**os.environ, "PORT": str(port), "MAPS_DATA": str(tmp_path)}
    statuses: list[tuple[str, int]] = []
    with subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as app:
        try:
            end = time.monotonic() + 60
            while time.monotonic() < end and ("ok", 200) not in statuses:
                if (found := ask(port)) is not None and found not in statuses:
                    statuses.append(found)
                time.sleep(0.02)
        finally:
            app.terminate()
    assert statuses == [("starting", 503), ("ok", 200)]


def ask(port: int) -> tuple[str, int] | None:
    """The status in `/health` and that of the first page; None where nobody listens, as for a moment in between."""
    url = f"http://127.0.0.1:{port}"
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=20) as reply:
            status = str(json.load(reply)["status"])
        with urllib.request.urlopen(f"{url}/", timeout=20) as reply:
            return status, reply.status
    except urllib.error.HTTPError as error:
        return status if b"The site is starting" in error.read() else "another page", error.code
    except OSError:
        return None
