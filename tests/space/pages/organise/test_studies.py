"""What a new study would hold, what is refused before it is frozen, and how much work it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from annotation.form import Answers
from annotation.report.study_plan import summary_sentences
from annotation.study.workload import study_size
from maps.errors import MapsError
from space.pages.organise import studies
from space.pages.organise.studies import PlanRequest, StudyRequest
from space.pages.organise.view import plan_html
from space.services import Services
from space.studies.current import answers_hidden_reason, judging_closed_reason, select_study
from space.studies.results import study_results, visible_judgments
from space.web.sessions import Annotator
from tests.space.conftest import record_consent
from tests.space.judging import record_judgment

DESCRIBED = "SmolLM2-135M-Instruct · offline"
PILOT = StudyRequest("pilot", DESCRIBED, 40, "uniform", 3, 10, 2, 2, True, 0, None, "0")
NONE_SEEN = Answers("absent_none", None, None, "")


def test_what_a_study_would_hold_is_said_and_nothing_is_kept(served: Services) -> None:
    study = studies.build_study(served, PILOT)
    # 34 items with three judgments each, and ten of the overlap with one by each of three people: 132 times 45 s.
    assert summary_sentences(study) == [
        "44 items: 40 heads of SmolLM2-135M-Instruct, described by offline, and 4 controls (2 swapped, 2 shuffled).",
        "Judgments wanted: 102 (3 of each of 34 items), and 10 more from each annotator (the overlap).",
        "Work: about 39 minutes for each of 3 annotators, about 1 h 55 min in all, at 45 seconds per item, the 7 "
        "practice items included.",
        "It needs at least 3 annotators.",
        "Until it is over, the explorer hides the descriptions of its heads and controls from visitors.",
        "It is over when you close it. To end by itself, it needs the number of invited annotators, because everybody "
        "judges the overlap.",
    ]
    assert list(studies.studies_newest_first(served)) == ["default"]


@pytest.mark.slow
@pytest.mark.parametrize(("most", "people"), [(0, 3), (44, 3), (20, 11), (10, None)])
def test_the_fewest_annotators_follow_from_the_limit_for_one(served: Services, most: int, people: int | None) -> None:
    study = studies.build_study(served, replace(PILOT, per_annotator=most))
    assert study_size(study).minimum_annotators == people  # 102 judgments, most − 10 from each


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": None}, "Give the study a name"),
        ({"name": "../x"}, "not a valid study name"),
        ({"name": "default"}, "choose another name"),
        ({"described": "someone"}, "whose descriptions"),
        ({"heads": None}, "number of heads is missing"),
        ({"heads": 1.5}, "not a whole number"),
        ({"heads": float("nan")}, "not a whole number"),
        ({"heads": 271}, "asks for 271 heads"),
        ({"per_item": 0}, "from 1 to"),
        ({"sample": "odd"}, "not a sampling method"),
        ({"deadline": "soon"}, "written like"),
        ({"deadline": "2020-01-01"}, "has passed already"),
        ({"seed": "-1"}, "not a whole number"),
        ({"seed": "9" * 16}, "from 0 to"),
        ({"per_annotator": 3}, "overlap"),
    ],
)
def test_what_makes_no_study_is_refused_in_words(served: Services, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(MapsError, match=sentence):
        studies.create_study(served, replace(PILOT, **changes))
    assert list(studies.studies_newest_first(served)) == ["default"]


def test_a_created_study_is_frozen(served: Services) -> None:
    assert studies.create_study(served, PILOT) == studies.studies_newest_first(served)["pilot"]
    with pytest.raises(MapsError, match="exists already"):
        studies.create_study(served, PILOT)
    assert list(studies.studies_newest_first(served)) == ["pilot", "default"]


@pytest.mark.process
def test_a_large_study_is_frozen_by_a_process_of_its_own_and_is_the_same(
    served: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = replace(
        PILOT, practice_pass=2, invited_only=True, per_annotator=20, deadline="2099-01-31", panel="prolific",
        completed="C0DE", title="-- Heads, \nand what they do", hides_descriptions=False, annotators=9,
    )  # fmt: skip
    own = studies.build_study(served, request)
    monkeypatch.setattr(studies, "LARGE_STUDY", 1)
    frozen = studies.create_study(served, request)
    assert frozen.order == own.order
    assert frozen.contents == own.contents
    assert replace(frozen.settings, created_at=own.settings.created_at) == own.settings
    with pytest.raises(MapsError, match="asks for 271 heads"):
        studies.create_study(served, replace(request, name="next", heads=271))


@pytest.mark.slow
def test_answers_are_closed_until_an_organiser_opens_them(served: Services, ada: Annotator, grace: Annotator) -> None:
    study = studies.create_study(served, PILOT)
    for who in (ada, grace):
        record_judgment(served, study, study.order[0], who, NONE_SEEN)
    assert "still running" in (answers_hidden_reason(served, study) or "")
    assert visible_judgments(served, study, ada) == []
    served.journal.open_answers("pilot", "a-organiser")
    assert answers_hidden_reason(served, study) is None
    assert [row.annotator for row in visible_judgments(served, study, ada)] == ["a-ada", "a-grace"]
    assert study_results(served, study).report.left_out["stale"] == 0


SMALL = replace(PILOT, heads=2, per_item=2, overlap=1, swapped=0, shuffled=0)


@pytest.mark.slow
def test_answers_are_open_once_every_invited_place_is_done(served: Services, ada: Annotator, grace: Annotator) -> None:
    study = studies.create_study(served, replace(SMALL, annotators=3))
    overlap, limited = sorted(study.order, key=lambda item: item.item_kind != "overlap")
    for who in (ada, grace):
        for item in (limited, overlap):
            record_judgment(served, study, item, who, NONE_SEEN)
            assert "still running" in (answers_hidden_reason(served, study) or "")
    record_judgment(served, study, overlap, record_consent(served, "Emmy", "a-emmy"), NONE_SEEN)
    assert answers_hidden_reason(served, study) is None
    assert studies.study_status(served, study).over_reason == "all its judgments are there"


def test_nobody_sees_answers_because_one_person_did_the_overlap(served: Services, ada: Annotator) -> None:
    """A study of overlap only was complete with its first annotator, and its answers open."""
    study = studies.create_study(served, replace(SMALL, heads=2, overlap=2))
    for item in study.order:
        record_judgment(served, study, item, ada, NONE_SEEN)
    assert "still running" in (answers_hidden_reason(served, study) or "")
    assert visible_judgments(served, study, ada) == []


def test_a_clock_that_leaps_past_the_deadline_shows_no_answers(served: Services, ada: Annotator) -> None:
    day = datetime.now(UTC) + timedelta(days=1)
    study = studies.create_study(served, replace(SMALL, deadline=f"{day:%Y-%m-%d}"))
    record_judgment(served, study, study.order[0], ada, NONE_SEEN)
    served.journal.now = lambda: datetime.now(UTC) + timedelta(days=2)
    assert "10 minutes after this server has noticed it" in (answers_hidden_reason(served, study) or "")
    assert judging_closed_reason(served, study) is not None
    assert visible_judgments(served, study, ada) == []
    served.journal.now = lambda: datetime.now(UTC)
    assert "still running" in (answers_hidden_reason(served, study) or "")
    assert judging_closed_reason(served, study) is None
    assert served.journal.endings() == {}


def test_a_closed_study_shows_its_answers_and_is_nobodys_newest(served: Services, ada: Annotator) -> None:
    study = studies.create_study(served, SMALL)
    record_judgment(served, study, study.order[0], ada, NONE_SEEN)
    assert select_study(served, None, study.name) == study
    served.journal.close_study(study, "a-organiser")
    assert answers_hidden_reason(served, study) is None
    assert len(visible_judgments(served, study, ada)) == 1
    assert select_study(served, None, study.name) is served.default_study
    over = "The study pilot is over: an organiser closed it. Thank you to everybody who took part!"
    assert judging_closed_reason(served, study) == over


def test_an_end_that_cannot_be_recorded_shows_no_answers(served: Services, ada: Annotator, grace: Annotator) -> None:
    study = studies.create_study(served, replace(SMALL, overlap=0))
    for who in (ada, grace):
        for item in study.order:
            record_judgment(served, study, item, who, NONE_SEEN)
    served.journal._connection.execute("PRAGMA query_only = ON")
    reason = answers_hidden_reason(served, study) or ""
    assert reason.startswith("The answers of the study pilot are not shown yet. The end of the study could not")
    served.journal._connection.execute("PRAGMA query_only = OFF")
    assert answers_hidden_reason(served, study) is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"overlap": 0}, "It is over when every item has its judgments or when you close it."),
        (
            {"annotators": 5, "deadline": "2999-01-31"},
            "It is over when every item has its judgments and 5 annotators have judged the whole overlap, when you "
            "close it or after 2999-01-31.",
        ),
    ],
)
def test_when_a_study_ends_is_said_before_it_is_created(
    served: Services, changes: dict[str, Any], sentence: str
) -> None:
    study = studies.build_study(served, replace(SMALL, **changes))
    assert summary_sentences(study)[-1] == sentence


def test_too_few_invited_people_are_said_before_a_study_is_created(served: Services) -> None:
    study = studies.build_study(served, replace(PILOT, per_annotator=20, annotators=5))
    assert summary_sentences(study)[3:5] == [
        "It needs at least 11 annotators, but only 5 are invited, because one person can judge at most 10 of 34 items "
        "besides the overlap.",
        "To do with 5: ask for 1 judgment of each item or let one person judge 31 items.",
    ]


@pytest.mark.slow
def test_a_plan_takes_its_answers_from_the_paper_or_from_a_study_here(served: Services) -> None:
    study = studies.build_study(served, replace(PILOT, annotators=3))
    plan = studies.plan_new_study(served, study, PlanRequest(studies.PAPER_CHOICE, 12, 25))
    assert plan.assumptions.source == "the paper's study"
    assert plan.cost == pytest.approx(132 * 45 / 3600 * 12 * 1.25)
    shown = plan_html(plan)
    assert "Pay: 24.75 in all at 12.00 an hour, with fees of 25 %." in shown
    assert "<th" in shown
    with pytest.raises(MapsError, match="No item of the pilot was judged by two people"):
        studies.plan_new_study(served, study, PlanRequest("default", 0, 0))
    for request in (PlanRequest("nowhere", 0, 0), PlanRequest(None, -1, 0), PlanRequest(None, 0, float("nan"))):
        with pytest.raises(MapsError, match=r"no study with this name|must be a number from 0"):
            studies.plan_new_study(served, study, request)


@pytest.mark.slow  # four whole studies
def test_a_study_without_a_seed_draws_one(served: Services) -> None:
    blank = replace(PILOT, seed="")
    seeds = {studies.build_study(served, blank).settings.seed for _ in range(3)}
    assert len(seeds) == 3
    seed = seeds.pop()
    assert studies.build_study(served, replace(blank, seed=f" {seed} ")).settings.seed == seed
