"""An organiser decides: a row of its own, changed by another row, and nothing is taken from a browser unchecked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from annotation.form import Answers
from annotation.study.study import Study
from annotation.types import adjudication_item
from maps.errors import MapsError
from space.pages.organise import adjudication, studies
from space.pages.organise.adjudication import new_selection, parse_selection
from space.pages.organise.studies import StudyRequest
from space.pages.organise.view import disagreement_html
from space.services import Services
from space.web.sessions import Annotator
from tests.space.judging import record_judgment

PILOT = StudyRequest("pilot", "SmolLM2-135M-Instruct · offline", 6, "uniform", 2, 0, 0, 0, False, 0, None, "0")
ORGANISER = Annotator("Organiser", "a-organiser")
NONE_SEEN = Answers("absent_none", None, None, "<script>alert(1)</script>")
FALSE_SEEN = Answers("absent_described", None, None, "")


@pytest.fixture
def study(served: Services, ada: Annotator, grace: Annotator) -> Study:
    """A study on whose first item Ada and Grace differ."""
    made = studies.create_study(served, PILOT)
    record_judgment(served, made, made.order[0], ada, NONE_SEEN)
    record_judgment(served, made, made.order[0], grace, FALSE_SEEN)
    return made


@pytest.mark.slow
def test_a_decision_is_a_row_of_its_own_and_a_changed_one_supersedes_it(served: Services, study: Study) -> None:
    before = served.journal.all_judgments("pilot")
    first = new_selection(served, ORGANISER, study, 0, False)
    adjudication.store_decision(served, ORGANISER, first, NONE_SEEN)
    assert adjudication.store_decision(served, ORGANISER, first, NONE_SEEN).is_duplicate
    adjudication.store_decision(served, ORGANISER, new_selection(served, ORGANISER, study, 0, False), FALSE_SEEN)
    assert served.journal.all_judgments("pilot")[:2] == before
    decisions = served.journal.all_judgments("pilot")[2:]
    assert [(row.presence, row.supersedes) for row in decisions] == [
        ("absent_none", None),
        ("absent_described", decisions[0].judgment_id),
    ]
    assert {row.item for row in decisions} == {adjudication_item(study.order[0])}
    assert {row.annotator for row in decisions} == {"a-organiser"}
    [found] = adjudication.study_disagreements(served, study)
    assert found.decision == decisions[1]
    assert served.journal.slot_holders(study).judged_by == {study.order[0].key: {"a-ada", "a-grace"}}


@pytest.mark.parametrize("position", [None, 1, 99])
def test_what_is_not_in_disagreement_cannot_be_decided(served: Services, study: Study, position: int | None) -> None:
    place = new_selection(served, ORGANISER, study, position, False)
    with pytest.raises(MapsError, match=r"nothing to decide|open an item first"):
        adjudication.store_decision(served, ORGANISER, place, NONE_SEEN)
    assert len(served.journal.all_judgments("pilot")) == 2


def test_an_incomplete_decision_is_not_stored(served: Services, study: Study) -> None:
    with pytest.raises(MapsError, match=r"question three"):
        adjudication.store_decision(
            served,
            ORGANISER,
            new_selection(served, ORGANISER, study, 0, False),
            Answers("present_missed", None, None, ""),
        )
    assert len(served.journal.all_judgments("pilot")) == 2


def test_two_organisers_decide_beside_each_other(served: Services, study: Study) -> None:
    for who in (ORGANISER, replace(ORGANISER, pseudonym="a-other")):
        adjudication.store_decision(served, who, new_selection(served, who, study, 0, False), NONE_SEEN)
    [found] = adjudication.study_disagreements(served, study)
    assert found.decision is not None
    assert found.decision.annotator == "a-other"


@pytest.mark.slow
def test_what_people_wrote_comes_out_escaped(served: Services, study: Study) -> None:
    shown = disagreement_html(study, adjudication.find_disagreement(served, study, 0))
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


@pytest.mark.slow
@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: None,
        lambda _: "",
        lambda _: "[]",
        lambda _: "[" * 2000,
        lambda data: json.dumps(data | {"item": -1}),
        lambda data: json.dumps(data | {"item": True}),
        lambda data: json.dumps(data | {"study": 1}),
        lambda data: json.dumps(data | {"judgment_id": "x"}),
        lambda data: json.dumps(data | {"started_at": "soon"}),
        lambda data: json.dumps(data | {"more": 1}),
    ],
)
def test_a_place_that_no_page_sends_is_refused(
    served: Services, study: Study, spoil: Callable[[dict[str, Any]], object]
) -> None:
    place = new_selection(served, ORGANISER, study, 0, False)
    assert parse_selection(place.to_json()) == place
    with pytest.raises(MapsError, match="no longer knows which item"):
        parse_selection(spoil(json.loads(place.to_json())))
