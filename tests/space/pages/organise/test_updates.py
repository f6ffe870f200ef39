"""What the organiser's page shows at once, and what follows."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

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


class PartName(str):
    """Stands in for a component, or a part that has components: `page.study.detail` is `"page.study.detail"`."""

    __slots__ = ()

    def __getattr__(self, name: str) -> PartName:
        return PartName(f"{self}.{name}")


class NamedPage:
    """A page that is not laid out."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def __getattr__(self, name: str) -> PartName:
        return PartName(f"page.{name}")


@pytest.fixture
def page(served: Services, ada: Annotator) -> OrganisePage:
    """Of a study with one answer."""
    task = tasks.reserve_next_task(Participant(served, served.default_study, ada), ())
    tasks.store_judgment(replace(task, answers=ANSWERS))
    return cast(OrganisePage, NamedPage(served))


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
