"""The form: what is asked, what is missing, what is cleared."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from annotation import form
from annotation.form import Answers
from annotation.types import JUDGMENT_COLUMNS, StudyItem

ITEM = StudyItem("default", "smollm2", 26, 2, "head", "map-hash", "d-1")
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_the_codes_are_those_of_the_contract() -> None:
    assert {question.field: question.codes for question in form.QUESTIONS} == {
        "presence": ("absent_none", "absent_described", "present_missed", "present_described"),
        "precision": ("accurate", "inaccurate", "partial", "poor"),
        "category": ("semantic", "language", "general", "unnatural"),
    }


def test_each_answer_to_question_one_decides_what_is_asked_next() -> None:
    answers = (*form.PRESENCE.codes, None, "nonsense")
    assert {code: form.applicable_fields({"presence": code}) for code in answers} == {
        "absent_none": ("presence",),
        "absent_described": ("presence",),
        "present_missed": ("presence", "category"),
        "present_described": ("presence", "precision", "category"),
        None: ("presence",),
        "nonsense": ("presence",),
    }


def test_clearing_drops_exactly_the_answers_that_no_longer_apply() -> None:
    def kept(presence: str) -> Answers:
        codes = {"presence": presence, "precision": "accurate", "category": "general"}
        return form.keep_applicable_answers(codes, "fine")

    assert kept("present_described") == Answers("present_described", "accurate", "general", "fine")
    assert kept("present_missed") == Answers("present_missed", None, "general", "fine")
    assert kept("absent_none") == Answers("absent_none", None, None, "fine")
    empty = {"presence": "", "precision": "", "category": ""}
    assert form.keep_applicable_answers(empty, None) == Answers(None, None, None, "")


def test_the_browser_gets_each_question_with_its_codes_and_its_condition() -> None:
    assert json.loads(json.dumps(form.questions_for_browser())) == [
        {"field": "presence", "codes": list(form.PRESENCE.codes), "askedWhen": None},
        {
            "field": "precision",
            "codes": list(form.PRECISION.codes),
            "askedWhen": {"field": "presence", "codes": ["present_described"]},
        },
        {
            "field": "category",
            "codes": list(form.CATEGORY.codes),
            "askedWhen": {"field": "presence", "codes": ["present_missed", "present_described"]},
        },
    ]


def test_complete_answers_have_no_problems() -> None:
    assert form.answer_problems(Answers("absent_none", None, None, "")) == []
    assert form.answer_problems(Answers("absent_described", None, None, "hm")) == []
    assert form.answer_problems(Answers("present_missed", None, "semantic", "")) == []
    assert form.answer_problems(Answers("present_described", "poor", "unnatural", "x" * 2000)) == []


def test_every_problem_is_one_sentence() -> None:
    assert form.answer_problems(Answers(None, None, None, "")) == ["Please answer question one (presence)."]
    assert form.answer_problems(Answers("present_described", None, None, "")) == [
        "Please answer question two (precision).",
        "Please answer question three (category).",
    ]
    assert form.answer_problems(Answers("absent_none", "poor", "general", "")) == [
        "Question two (precision) is not asked after your other answers.",
        "Question three (category) is not asked after your other answers.",
    ]
    assert form.answer_problems(Answers("maybe", None, None, "")) == [
        "Question one (presence) has no answer 'maybe'; choose one of the answers on the form."
    ]
    assert form.answer_problems(Answers("absent_none", None, None, "x" * 2001)) == [
        "Your comment has 2,001 characters; please shorten it to 2,000."
    ]
    for comment in ("a\0b", "a\ud800b"):
        assert form.answer_problems(Answers("absent_none", None, None, comment)) == [
            "Your comment contains characters that cannot be stored; please remove them."
        ]


def test_a_judgment_holds_item_answers_and_versions() -> None:
    row = form.build_judgment(
        ITEM,
        Answers("present_missed", None, "general", "odd"),
        judgment_id="j-1",
        annotator="a-1",
        started_at=START,
        submitted_at=START + timedelta(seconds=42.5),
        supersedes="j-0",
        app_version="0.1.0",
    )
    assert [getattr(row, name) for name in JUDGMENT_COLUMNS] == [
        *("j-1", "default", "smollm2", 26, 2, "head", "a-1", "present_missed", None, "general", "odd"),
        *(START, START + timedelta(seconds=42.5), 42.5, "j-0", "map-hash", "d-1"),
        *(form.GUIDELINES_VERSION, form.FORM_VERSION, "0.1.0", None),
    ]
    assert row.item == ITEM


def test_a_clock_that_jumps_back_gives_no_negative_time() -> None:
    row = form.build_judgment(
        ITEM,
        Answers("absent_none", None, None, ""),
        judgment_id="j-1",
        annotator="a-1",
        started_at=START,
        submitted_at=START - timedelta(hours=1),
        supersedes=None,
        app_version="0.1.0",
    )
    assert row.seconds == 0.0


@pytest.mark.parametrize(
    ("pattern", "presence", "start"),
    [
        ("Unclear", "present_described", "This description says “Unclear”, which counts as none described."),
        (" unclear. ", "absent_described", "This description says “unclear.”, which counts as none described."),
        ("The outputs are verbs.", "present_missed", None),
        ("Unclear", "present_missed", None),
        ("Unclear", None, None),
        ("The outputs are verbs.", "absent_described", None),
        ("There is no visible pattern.", "absent_none", None),
        ("No clear function.", "present_missed", None),
    ],
)
def test_an_answer_that_contradicts_whether_a_pattern_is_described_is_asked_about(
    pattern: str, presence: str | None, start: str | None
) -> None:
    hint = form.contradiction_hint(pattern, presence)
    assert hint is None if start is None else (hint or "").startswith(start)
