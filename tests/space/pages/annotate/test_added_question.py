"""A question is added in form, types and migration only: it is then asked, checked on the server and stored."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[4]
MODULE = "tests.space.pages.annotate.added_question"


def test_a_dependent_question_that_is_added_is_asked_checked_and_stored(tmp_path: Path) -> None:
    command = [sys.executable, "-m", MODULE, str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["label"] == "How sure are you?"
    missing, unknown, *stored = found["messages"]
    assert "Please answer question four (certainty)." in missing
    assert "Question four (certainty) has no answer" in unknown
    assert ["Saved" in message for message in stored] == [True, True]
    assert found["visible"] == ["hidden", "hidden"]  # the next items are new
    assert found["stored"] == [["poor", None], ["accurate", "sure"]]
