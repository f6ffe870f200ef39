"""One run at a time writes into a folder; commands that only read do not wait."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from maps.__main__ import main
from maps.atlas.reader import Atlas
from maps.describers.describe_atlas import describe_atlas
from maps.errors import MapsError
from maps.files.lock import HOLDER_FILE, lock_folder
from maps.mapping.mapper import map_model
from maps.mapping.settings import MappingSettings
from maps.types import Answer, Description, Mapping
from tests.scripted import ScriptedDescriber

Capture = pytest.CaptureFixture[str]


class Waiting:
    """A describer that answers when the test lets it."""

    name = "waiting"

    def __init__(self) -> None:
        self.asked, self.given = threading.Event(), threading.Event()

    async def describe(self, _mappings: Sequence[Mapping], _seed: int) -> Answer:
        self.asked.set()
        assert self.given.wait(60)
        return Answer(Description("Words.", "Colours.", ""), "waiting")


def test_a_part_of_the_same_run_may_take_the_lock_again_and_no_file_is_left(tmp_path: Path) -> None:
    with lock_folder(tmp_path, "score"):
        with lock_folder(tmp_path, "describe"):
            pass
        assert (tmp_path / HOLDER_FILE).read_text() == f"process {os.getpid()}, `score`"
    assert list(tmp_path.iterdir()) == []


def test_a_second_run_stops_with_a_message_that_names_the_first(atlas_folder: Path, capsys: Capture) -> None:
    describer = Waiting()
    run = threading.Thread(target=describe_atlas, args=(atlas_folder, describer))
    run.start()
    assert describer.asked.wait(60)
    message = f"Another run is writing into {atlas_folder} (process {os.getpid()}, `describe`); wait for it or stop it."
    server = ["--base-url", "http://127.0.0.1:9/v1"]
    try:
        capsys.readouterr()
        for command in (
            ["describe", str(atlas_folder), "--describer", "offline"],
            ["describe", str(atlas_folder), "--describer", "other", *server],
            ["score", str(atlas_folder), "--no-random"],
        ):
            assert main(command) == 2
            assert capsys.readouterr() == ("", f"{message}\n")
        with pytest.raises(MapsError, match=f"^{re.escape(message)}$"):
            describe_atlas(atlas_folder, ScriptedDescriber([]))
        pending = {path.name for path in atlas_folder.glob("*.pending.jsonl")}
        assert pending == {"descriptions.pending.jsonl", "failures.pending.jsonl"}
        assert main(["describe", str(atlas_folder), "--describer", "other", *server, "--dry-run"]) == 0
        assert main(["show", str(atlas_folder), "L0H0"]) == 0
        assert {path.name for path in atlas_folder.glob("*.pending.jsonl")} == pending
    finally:
        describer.given.set()
        run.join()
    assert len(Atlas.open(atlas_folder).descriptions()) == 8
    assert not list(atlas_folder.glob(".*"))


def test_a_second_mapping_stops_too(tmp_path: Path, small_model: Path) -> None:
    tmp_path.joinpath("atlas").mkdir()
    with lock_folder(tmp_path / "atlas", "map"):
        messages: list[str] = []

        def other() -> None:
            try:
                map_model(str(small_model), tmp_path / "atlas", MappingSettings(()))
            except MapsError as error:
                messages.append(str(error))

        run = threading.Thread(target=other)
        run.start()
        run.join()
    assert [sentence.partition(" (")[0] for sentence in messages] == [
        f"Another run is writing into {tmp_path / 'atlas'}"
    ]


def test_a_killed_process_holds_no_lock(tmp_path: Path) -> None:
    program = "import sys, time, pathlib, maps.files.lock as m\n"
    program += "with m.lock_folder(pathlib.Path(sys.argv[1]), 'describe'): print('in', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "in\n"
        with pytest.raises(MapsError, match=rf"\(process {process.pid}, `describe`\)"), lock_folder(tmp_path, "score"):
            pass
        process.send_signal(signal.SIGKILL)
    assert (tmp_path / HOLDER_FILE).exists()
    with lock_folder(tmp_path, "score"):
        assert (tmp_path / HOLDER_FILE).read_text() == f"process {os.getpid()}, `score`"
