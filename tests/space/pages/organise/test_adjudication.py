"""An organiser decides: a row of its own, changed by another row, and nothing is taken from a browser unchecked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from annotation.form import Answers
from annotation.study.study import Study
from annotation.types import adjudicated
from maps.errors import MapsError
from space.pages.organise import adjudication, studies
from space.pages.organise.adjudication import place_in, place_of
from space.pages.organise.studies import Wanted
from space.pages.organise.view import case
from space.services import Services
from space.web.sessions import Annotator
from tests.space.judging import judged

PILOT = Wanted("pilot", "SmolLM2-135M-Instruct · offline", 6, "uniform", 2, 0, 0, 0, False, 0, None, 0)
ORGANISER = Annotator("Organiser", "a-organiser")
NONE_SEEN = Answers("absent_none", None, None, "<script>alert(1)</script>")
FALSE_SEEN = Answers("absent_described", None, None, "")


@pytest.fixture
def study(served: Services, ada: Annotator, grace: Annotator) -> Study:
    """A study on whose first item Ada and Grace differ."""
    made = studies.create(served, PILOT)
    judged(served, made, made.order[0], ada, NONE_SEEN)
    judged(served, made, made.order[0], grace, FALSE_SEEN)
    return made


def test_a_decision_is_a_row_of_its_own_and_a_changed_one_supersedes_it(served: Services, study: Study) -> None:
    before = served.journal.rows("pilot")
    first = place_of(served, ORGANISER, study, 0, False)
    adjudication.decide(served, ORGANISER, first, NONE_SEEN)
    assert adjudication.decide(served, ORGANISER, first, NONE_SEEN).duplicate
    adjudication.decide(served, ORGANISER, place_of(served, ORGANISER, study, 0, False), FALSE_SEEN)
    assert served.journal.rows("pilot")[:2] == before
    decisions = served.journal.rows("pilot")[2:]
    assert [(row.presence, row.supersedes) for row in decisions] == [
        ("absent_none", None),
        ("absent_described", decisions[0].judgment_id),
    ]
    assert {row.item for row in decisions} == {adjudicated(study.order[0])}
    assert {row.annotator for row in decisions} == {"a-organiser"}
    [found] = adjudication.undecided(served, study)
    assert found.decision == decisions[1]
    assert served.journal.places(study).judged == {study.order[0].key: {"a-ada", "a-grace"}}


@pytest.mark.parametrize("position", [None, 1, 99])
def test_what_is_not_in_disagreement_cannot_be_decided(served: Services, study: Study, position: int | None) -> None:
    place = place_of(served, ORGANISER, study, position, False)
    with pytest.raises(MapsError, match=r"nothing to decide|Open an item first"):
        adjudication.decide(served, ORGANISER, place, NONE_SEEN)
    assert len(served.journal.rows("pilot")) == 2


def test_an_incomplete_decision_is_not_stored(served: Services, study: Study) -> None:
    with pytest.raises(MapsError, match=r"question three"):
        adjudication.decide(
            served, ORGANISER, place_of(served, ORGANISER, study, 0, False), Answers("present_missed", None, None, "")
        )
    assert len(served.journal.rows("pilot")) == 2


def test_two_organisers_decide_beside_each_other(served: Services, study: Study) -> None:
    for who in (ORGANISER, replace(ORGANISER, pseudonym="a-other")):
        adjudication.decide(served, who, place_of(served, who, study, 0, False), NONE_SEEN)
    [found] = adjudication.undecided(served, study)
    assert found.decision is not None
    assert found.decision.annotator == "a-other"


def test_what_people_wrote_comes_out_escaped(served: Services, study: Study) -> None:
    shown = case(study, adjudication.disagreement(served, study, 0))
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


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
    place = place_of(served, ORGANISER, study, 0, False)
    assert place_in(place.kept()) == place
    with pytest.raises(MapsError, match="lost its place"):
        place_in(spoil(json.loads(place.kept())))
