"""The form's script by itself, with a fourth question that depends on the second."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from annotation import form
from space.site import STATIC
from space.web.browser_storage import study_form_tags
from tests.space.pages.annotate.added_question import CERTAINTY

pytestmark = pytest.mark.browser


def test_the_browser_asks_an_added_question_where_its_condition_holds(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form, "QUESTIONS", (*form.QUESTIONS, CERTAINTY))
    page.set_content(f"<head>{study_form_tags()}</head>")
    page.add_script_tag(path=STATIC / "study_form.js")  # its address leads nowhere without the app
    assert page.evaluate("studyForm.fields") == ["presence", "precision", "category", "certainty"]

    def shown(*codes: str | None) -> list[tuple[object, str | None]]:
        updates = page.evaluate("codes => studyForm.showQuestions(...codes)", list(codes))
        return [(update["visible"], update["value"]) for update in updates]

    assert shown("present_described", "accurate", "general", "sure") == [
        (True, "accurate"),
        (True, "general"),
        (True, "sure"),
    ]
    assert shown("present_described", "poor", None, "sure") == [(True, "poor"), (True, None), ("hidden", None)]
    assert shown("present_missed", "accurate", "general", "sure") == [
        ("hidden", None),
        (True, "general"),
        ("hidden", None),
    ]
    task = {"judgment_id": "j"}
    draft, *_ = page.evaluate(
        "task => studyForm.updateDraft(task, 'absent_none', 'accurate', null, 'sure', 'hm')", task
    )
    assert draft == {"judgment_id": "j", "answers": ["absent_none", None, None, None, "hm"]}
