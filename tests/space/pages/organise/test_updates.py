"""What the organiser's page shows at once, and what follows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import gradio as gr
import pytest

from annotation.form import Answers
from space.pages.annotate import task as tasks
from space.pages.organise.adjudication import new_selection
from space.pages.organise.updates import COUNTING, OrganisePage, counted_updates, page_updates
from space.pages.organise.view import disagreements_table
from space.services import Services
from space.studies import computation
from space.studies.participant import Participant
from space.web.sessions import Annotator

ANSWERS = Answers("absent_none", None, None, "")


@pytest.fixture
def page(served: Services, ada: Annotator) -> Iterator[OrganisePage]:
    """Of a study with one answer."""
    task = tasks.reserve_next_task(Participant(served, served.default_study, ada), ())
    tasks.store_judgment(replace(task, answers=ANSWERS))
    loop = asyncio.new_event_loop()  # Gradio would leave one open
    asyncio.set_event_loop(loop)
    with gr.Blocks():
        yield OrganisePage(served)
    asyncio.set_event_loop(None)
    loop.close()


def test_the_page_of_a_study_has_all_that_is_counted(page: OrganisePage, ada: Annotator, grace: Annotator) -> None:
    selection = new_selection(page.services, grace, page.services.default_study, None, reveal_answers=True)
    shown = page_updates(page, grace, selection)
    assert ada.pseudonym in shown[page.study.detail]
    assert shown[page.decision.disagreements] == disagreements_table(page.services.default_study, [], True, None)
    assert counted_updates(page, grace, selection) == {}


def test_the_page_of_a_large_study_is_shown_before_its_answers_are_counted(
    page: OrganisePage, ada: Annotator, grace: Annotator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(computation, "LARGE_JOURNAL", 0)
    selection = new_selection(page.services, grace, page.services.default_study, None, reveal_answers=True)
    first = page_updates(page, grace, selection)
    assert COUNTING in first[page.study.detail]
    assert ada.pseudonym not in first[page.study.detail]
    assert COUNTING in first[page.decision.disagreements]
    then = counted_updates(page, grace, selection)
    assert ada.pseudonym in then[page.study.detail]
    assert then[page.decision.disagreements] == disagreements_table(page.services.default_study, [], True, None)
    assert ada.pseudonym in page_updates(page, grace, selection)[page.study.detail]  # known by now
