"""A fourth, dependent question, added as docs/extending.md says: form, types, migration. Then the page is used.

Run as a program: the additions must be there before anything else of the project is imported. Prints what it finds as
JSON; the argument is an empty data folder.
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from starlette.requests import Request

from annotation import form, types
from annotation.form import AskedWhen, Choice, FormQuestion
from annotation.journal import migrations

CERTAINTY = FormQuestion(
    "certainty",
    "question four (certainty)",
    "How sure are you?",
    (Choice("sure", "Sure"), Choice("unsure", "Not sure")),
    asked_when=AskedWhen("precision", ("accurate", "inaccurate")),
)
REQUEST = SimpleNamespace(request=Request({"type": "http", "headers": [], "path": "/", "server": ("127.0.0.1", 7860)}))


@dataclasses.dataclass(frozen=True)
class Answers(form.Answers):
    """The answers with one more field."""

    certainty: str | None = None


@dataclasses.dataclass(frozen=True)
class Judgment(types.Judgment):
    """The judgments table with one more column."""

    certainty: str | None = None


def add_question() -> None:
    """The edits of docs/extending.md."""
    form.QUESTIONS = (*form.QUESTIONS, CERTAINTY)  # type: ignore[assignment]
    form.Answers = Answers  # type: ignore[misc]
    types.Judgment = form.Judgment = Judgment  # type: ignore[misc,attr-defined]
    types.JUDGMENT_COLUMNS = tuple(field.name for field in dataclasses.fields(Judgment))
    migrations.MIGRATIONS = (*migrations.MIGRATIONS, ("ALTER TABLE judgments ADD COLUMN certainty TEXT",))


def use_page(data: Path) -> dict[str, Any]:
    """Signs in and submits: with the new question left out, where it does not apply, and answered."""
    import gradio as gr

    from space.pages.annotate.handlers import for_annotator, for_visitor, sign_in, submit
    from space.pages.annotate.view import AnnotatePage
    from space.services import open_services
    from space.web.sessions import visitor_token

    services = open_services({"MAPS_DATA": str(data), "MAPS_PSEUDONYM_KEY": "for tests, as long as keys must be"})
    with gr.Blocks():
        page = AnnotatePage(services)
    inputs = {page.name: "Ada", page.task: None, page.token: visitor_token(services)}
    updates = for_visitor(page, sign_in)(inputs, REQUEST)
    asked = updates[page.task] | {"was_asked": True}  # the answers contradict the description, which is no matter here
    state = {page.token: updates[page.token], page.task: asked, page.comment: ""}
    found: dict[str, Any] = {"label": page.questions["certainty"].label, "messages": [], "visible": []}
    tries: tuple[tuple[str | None, ...], ...] = (
        ("present_described", "accurate", "general", None),
        ("present_described", "accurate", "general", "certain"),
        ("present_described", "poor", "general", "sure"),
        ("present_described", "accurate", "general", "sure"),
    )
    for codes in tries:
        chosen = {page.questions[field.field]: code for field, code in zip(form.QUESTIONS, codes, strict=True)}
        updates = for_annotator(page, submit)(state | chosen, REQUEST)
        found["messages"].append(updates[page.message])
        if page.task in updates:
            state[page.task] = updates[page.task] | {"was_asked": True}
            found["visible"].append(updates[page.questions["certainty"]]["visible"])
    services.journal.close()
    with sqlite3.connect(data / "journal.sqlite") as database:
        found["stored"] = database.execute("SELECT precision, certainty FROM judgments ORDER BY position").fetchall()
    return found


if __name__ == "__main__":
    add_question()
    print(json.dumps(use_page(Path(sys.argv[1]))))
