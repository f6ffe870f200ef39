"""Every command that README and docs show is executed as it stands there, document by document, in a folder of its own.

The Hub and OpenAI are loopback servers; names that a reader would replace are replaced here (STAND_INS). What cannot
run in a test is named with the reason (NOT_RUN), so that no command of a document goes unseen.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from annotation import form
from annotation.form import Answers
from annotation.journal.journal import Journal
from annotation.study.candidates import load_default_study
from annotation.study.store import load_studies
from maps.atlas.reader import CALIBRATION_FILE, Atlas
from tests.chat_server import completion_response, good_reply, serve_chat
from tests.hub.loopback import TOKEN, LoopbackHub
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
# The examples of docs/reference.md are no session; tests/test_docs.py parses each.
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    *(str(p.relative_to(ROOT)) for p in sorted((ROOT / "docs").rglob("*.md")) if p.name != "reference.md"),
)
COMMAND = re.compile(
    r"^(?: {4,}|\t|\| `)((?:[A-Z_]+=\S+ )*(?:\.venv/bin/python|python|make|pip|echo|hf|git) .*)$", re.MULTILINE
)
MAP_COMMAND = re.compile(r"maps map smollm2 .*--out data/atlases/(smollm2|mine)\b")
AUTO_COMMAND = re.compile(r"maps map .*--reading auto.*--out (\S+)")
STAND_INS = {" MODEL": " smollm2", "ATLAS": "data/atlases/mine"}
NOT_RUN = {  # the beginning of a command, and why it is not executed here
    "make test": "it runs the other tests",
    "make test-all": "it is what runs this test",
    "make audit": "it asks a service of the network",
    ".venv/bin/python -m benchmarks": "it takes hours and keeps its figures; test_benchmarks.py runs the quick forms",
    "make run": "it installs; what it runs is in the same document's commands",
    ".venv/bin/python -m pip": "it installs",
    "pip install": "it installs",
    ".venv/bin/python -m tests.browser.screens": "it takes the pictures of this repository anew",
    ".venv/bin/python -m pytest": "it runs tests",
}
QUICKER = {  # what is added to a command that takes an hour, so that it takes a minute
    "evaluate correlation": "--relations adj_to_superlative",
    "evaluate multi-token": "--relations noun_to_pronoun",
    "evaluate causal": "--relations country_to_capital",
    "evaluate random": "--layers 29-29",
    "evaluate directions": "--layers 29-29",
    "evaluate attention": "--layers 29-29",
    # The stand-in describes all heads alike, so no descriptions can be swapped.
    **dict.fromkeys(("annotation study create", "annotation study plan"), "--controls 0"),
    "--batch": "--redo",  # the command before it has described all heads
}
PEOPLE = ("a-3f9c2b81d0e4", "a-000000000001", "a-000000000002")  # the first is the one that the README withdraws
GIVEN = (Answers("absent_none", None, None, ""), Answers("present_described", "accurate", "semantic", ""))
pytestmark = pytest.mark.long


def commands(document: str) -> list[str]:
    text = re.sub(r"\\\n\s+", "", (ROOT / document).read_text(encoding="utf-8"))  # a command may take two lines
    found = [line.split("` |")[0] for line in COMMAND.findall(text)]
    return [re.sub(r"\s+#\s.*$", "", line).strip() for line in found]


@dataclass(frozen=True)
class Place:
    """A copy of the project in which a document's commands run, with the settings they run under."""

    folder: Path
    environment: dict[str, str]

    def run(self, command: str) -> None:
        for word, stand_in in STAND_INS.items():
            command = command.replace(word, stand_in)
        command += "".join(f" {more}" for part, more in QUICKER.items() if part in command and more not in command)
        if "annotation export" in command or "annotation publish" in command:
            self.judge(re.search(r"--study (\S+)", command))
        if command.endswith("app.py"):
            self.serve(command)
            return
        done = subprocess.run(
            command, shell=True, cwd=self.folder, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"

    def serve(self, command: str) -> None:
        """Starts the app, waits until it says where it is, and stops it."""
        app = subprocess.Popen(
            command, shell=True, cwd=self.folder, env=self.environment | {"PORT": str(free_port())},
            stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        assert app.stdout is not None
        said = next((line for line in app.stdout if line.startswith("Open http")), "")
        os.killpg(app.pid, signal.SIGTERM)
        app.communicate(timeout=60)
        assert said.startswith("Open http"), command

    def judge(self, named: re.Match[str] | None) -> None:
        """Some people's answers, as an exported study must have them."""
        data = self.folder / "data"
        study = (
            load_studies(data / "studies")[named[1]]
            if named
            else load_default_study(Atlas.open(data / "atlases" / "smollm2"))
        )
        now = datetime.now(UTC)
        journal = Journal(data / "journal.sqlite")
        for person in PEOPLE if not journal.all_judgments(study.name) else ():
            journal.record_consent(person, form.GUIDELINES_VERSION)
            for place, item in enumerate(study.order[:12]):
                chosen = GIVEN[place % len(GIVEN)]
                assert form.answer_problems(chosen) == []
                row = form.build_judgment(
                    item,
                    chosen,
                    judgment_id=uuid.uuid4().hex,
                    annotator=person,
                    supersedes=None,
                    app_version="1",
                    started_at=now,
                    submitted_at=now,
                )
                journal.record_judgment(row)
        journal.close()


@pytest.fixture(scope="session")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model's calibration, made once: `map --reading auto` goes on from the one in its folder."""
    path = tmp_path_factory.mktemp("calibration") / CALIBRATION_FILE
    subprocess.run([sys.executable, "-m", "maps", "calibrate", "smollm2", "--out", path], cwd=ROOT, check=True)
    return path


def reply_to_any_question(body: dict[str, Any]) -> Response:
    """A description, or a judgment where the form's questions are asked."""
    is_form = '"presence"' in str(body["messages"])
    judgment = {"reasoning": "No.", "presence": "absent_none", "precision": "not asked", "category": "not asked"}
    return completion_response(json.dumps(judgment)) if is_form else good_reply(body)


@pytest.fixture
def place(tmp_path: Path, hub: LoopbackHub) -> Iterator[Place]:
    """A clean checkout with this environment as its `.venv`."""
    folder = tmp_path / "project"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    for path in subprocess.run(
        ["git", "ls-files", "-m"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split():
        shutil.copy(ROOT / path, folder / path)
    (folder / ".venv").symlink_to(sys.prefix)
    hub.account |= {"name": "user", "fullname": "user"}  # whose Spaces and datasets the documents name
    (folder / "people.csv").write_text("name\nAda\nGrace\n", encoding="utf-8")
    with serve_chat(reply_to_any_question) as chat:
        yield Place(
            folder,
            os.environ
            | {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "OPENAI_BASE_URL": chat.url, "OPENAI_API_KEY": "sk-test"}
            | {"PATH": f"{folder / '.venv' / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": "", "COLUMNS": "120"},
        )


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if commands(name)])
def test_every_command_of_a_document_runs(document: str, place: Place, request: pytest.FixtureRequest) -> None:
    atlases = place.folder / "data" / "atlases"
    if not any(MAP_COMMAND.search(command) for command in commands(document)):  # it maps its own
        shutil.copytree(ROOT / "space" / "seed" / "smollm2", atlases / "smollm2")
    for out in {found[1] for command in commands(document) if (found := AUTO_COMMAND.search(command))}:
        (place.folder / out).mkdir(parents=True, exist_ok=True)
        shutil.copy(request.getfixturevalue("calibration"), place.folder / out)
    for command in commands(document):
        if not any(command.startswith(start) for start in NOT_RUN):
            place.run(command)
