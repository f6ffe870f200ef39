"""Documents about a study: a plan that is frozen once, a datasheet that fits its form, a checklist."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from annotation.report.heds_form import QUESTIONS, HedsAnswer, heds_json
from annotation.report.study_documents import latex_text
from tests.annotation.commands.test_commands import ATLAS, called

NOTICE = ("--title", "What heads do", "--contact", "ada@example.org", "--payment", "15 euros", "--ethics", "IRB_7 & co")
SCHEMA = json.loads(files("annotation").joinpath("data/heds.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    options = ("--name", "pilot", "--heads", 20, "--overlap", 0, "--swapped", 4, "--shuffled", 0, "--annotators", 5)
    done = called("study", "create", "--atlas", ATLAS, "--data", tmp_path, *options, *NOTICE, "--invited-only")
    assert (done.returncode, done.stderr) == (0, "")
    return tmp_path


@pytest.mark.slow
def test_a_plan_is_frozen_once_with_the_hash_of_the_study(folder: Path) -> None:
    done = called("study", "preregister", "pilot", "--data", folder)
    plan = folder / "preregistrations" / "pilot.md"
    content = plan.read_bytes()
    assert done.stdout == f"{plan}: SHA-256 {hashlib.sha256(content).hexdigest()}\n"
    text = content.decode()
    assert hashlib.sha256((folder / "studies" / "pilot.json").read_bytes()).hexdigest() in text
    for words in ("24 items: 20 heads", "- title: What heads do", "Newcombe's interval", "| Krippendorff's alpha"):
        assert words in text
    again = called("study", "preregister", "pilot", "--data", folder)
    assert (again.returncode, again.stderr) == (2, f"The study pilot is preregistered already: {plan}.\n")
    assert plan.read_bytes() == content


@pytest.mark.slow
def test_the_datasheet_fits_the_form_and_says_what_is_left(folder: Path) -> None:
    called("study", "preregister", "pilot", "--data", folder)
    done = called("study", "datasheet", "pilot", "--data", folder, "--out", folder / "documents")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Left to you in the datasheet: 1.1.1, 1.2, 1.3.1.1," in done.stdout
    sheet = json.loads((folder / "documents" / "heds.json").read_text(encoding="utf-8"))
    jsonschema.validate(sheet, SCHEMA)

    def text(element: str, criterion: str = "") -> str:
        return str(sheet[f"heds-{element}"]["data"][criterion])

    assert text("sample_evaluators_design-evaluators-number_of_evaluators") == "5"
    assert text("sample_evaluators_design-evaluators-recruitment_method") == "By personal invitation"
    assert text("ethics-review_body") == "IRB_7 & co"
    assert sheet["heds-sample_evaluators_design-experimental_design-preregistered-1"]["data"] == {"": True}
    assert sheet["heds-criteria-criterion"]["control"] == {"presence": True, "precision": False, "category": False}
    assert text("criteria-criterion-response_elicitation-size_of_scale", "precision") == "4"
    latex = (folder / "documents" / "heds.tex").read_text(encoding="utf-8")
    assert r"5.1 & Ethics committee & IRB\_7 \& co \\" in latex
    assert latex.count(r"\textbf{Criterion: ") == 3
    checklist = (folder / "documents" / "checklist.md").read_text(encoding="utf-8")
    assert "Planned: 5; took part so far: 0. 15 euros" in checklist
    failed = called("study", "datasheet", "none", "--data", folder, "--out", folder / "documents")
    assert (failed.returncode, failed.stdout) == (2, "")


def test_a_sheet_without_answers_fits_the_form_too_and_has_every_element_of_it() -> None:
    empty = heds_json({}, {"one": {}})
    jsonschema.validate(empty, SCHEMA)
    assert SCHEMA["required"] == sorted(name for name, entry in empty.items() if "text" not in entry)
    assert len({question.number for question in QUESTIONS}) == len(QUESTIONS)


def test_chosen_options_are_marked_with_their_text() -> None:
    sheet = heds_json({"5.2": HedsAnswer("why", (2,))}, {})
    assert sheet["heds-ethics-personal_data-1"]["data"] == {"": False}
    assert sheet["heds-ethics-personal_data-2"]["data"] == {"": True}
    assert sheet["heds-ethics-personal_data-other_text"]["data"] == {"": "why"}


def test_any_text_is_harmless_in_latex() -> None:
    assert latex_text("a_b & 5 % \\input{x}\n$") == r"a\_b \& 5 \% \textbackslash{}input\{x\} \$"
