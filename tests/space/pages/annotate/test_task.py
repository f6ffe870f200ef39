"""The task of an annotator: what is shown next, and that nothing a browser sends can spoil it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from annotation.errors import JournalError
from annotation.form import Answers
from space.pages.annotate import task as tasks
from space.pages.annotate.task import AnnotationTask
from space.services import Services
from space.studies.participant import Participant
from space.web.sessions import Annotator

NONE_SEEN = Answers("absent_none", None, None, "")
FALSE_SEEN = Answers("absent_described", None, None, "")


def answer_next(served: Services, who: Annotator, answers: Answers = NONE_SEEN) -> AnnotationTask:
    """Answers the next item; returns what lay on the tasks."""
    task = replace(tasks.reserve_next_task(Participant(served, served.default_study, who), ()), answers=answers)
    tasks.store_judgment(task)
    return task


def test_everybody_gets_the_same_items_in_the_same_order(served: Services, ada: Annotator, grace: Annotator) -> None:
    first = [answer_next(served, ada).item for _ in range(3)]
    assert [answer_next(served, grace).item for _ in range(3)] == first
    assert first == list(served.default_study.order[:3])


def test_a_reload_brings_item_and_answers_back(served: Services, ada: Annotator) -> None:
    task = replace(
        tasks.reserve_next_task(Participant(served, served.default_study, ada), ()),
        answers=Answers("present_missed", None, "general", "so far"),
    )
    back = tasks.restore_task(Participant(served, served.default_study, ada), task.browser_state(), task.draft())
    assert back == task


def test_a_reload_after_a_lost_receipt_brings_the_next_item(served: Services, ada: Annotator) -> None:
    task = answer_next(served, ada)
    back = tasks.restore_task(Participant(served, served.default_study, ada), task.browser_state(), task.draft())
    assert back.item == served.default_study.order[1]


def test_a_draft_of_another_item_is_not_used(served: Services, ada: Annotator) -> None:
    old = replace(tasks.reserve_next_task(Participant(served, served.default_study, ada), ()), answers=FALSE_SEEN)
    new = tasks.reserve_next_task(Participant(served, served.default_study, ada), ())
    assert (
        tasks.restore_task(Participant(served, served.default_study, ada), new.browser_state(), old.draft()).answers
        == tasks.NO_ANSWERS
    )


def test_signing_in_opens_the_item_that_the_address_asked_for(served: Services, ada: Annotator) -> None:
    wanted = served.default_study.order[7]
    participant = Participant(served, served.default_study, ada)
    name = f"L{wanted.layer}H{wanted.head}"
    assert tasks.reserve_first_task(participant, {"wanted": name}).item == wanted
    for kept in (None, {}, {"wanted": "none"}, {"wanted": [1]}, {"wanted": f" {name}"}, {"wanted": "L99999H1"}):
        assert tasks.reserve_first_task(participant, kept).item == served.default_study.order[0]


def test_submitting_the_same_task_twice_stores_once(served: Services, ada: Annotator) -> None:
    task = replace(tasks.reserve_next_task(Participant(served, served.default_study, ada), ()), answers=NONE_SEEN)
    receipts = [tasks.store_judgment(task)[1] for _ in range(2)]
    assert [receipt.is_duplicate for receipt in receipts] == [False, True]
    assert len(served.journal.all_judgments()) == 1


def test_a_second_tab_does_not_replace_an_answer_unseen(served: Services, ada: Annotator) -> None:
    other_tab = replace(tasks.reserve_next_task(Participant(served, served.default_study, ada), ()), answers=FALSE_SEEN)
    answer_next(served, ada)
    kept = tasks.task_from_browser(Participant(served, served.default_study, ada), other_tab.browser_state())
    assert kept is not None
    with pytest.raises(JournalError, match="already answered this item"):
        tasks.store_judgment(replace(kept, answers=FALSE_SEEN))
    assert [row.presence for row in served.journal.all_judgments()] == ["absent_none"]


def test_going_back_shows_the_answer_and_a_change_supersedes_it(served: Services, ada: Annotator) -> None:
    first = answer_next(served, ada)
    back = tasks.previous_task(
        Participant(served, served.default_study, ada),
        tasks.reserve_next_task(Participant(served, served.default_study, ada), ()),
    )
    assert (back.item, back.answers) == (first.item, NONE_SEEN)
    tasks.store_judgment(replace(back, answers=FALSE_SEEN))
    rows = served.journal.all_judgments()
    assert [(row.presence, row.supersedes) for row in rows] == [
        ("absent_none", None),
        ("absent_described", first.judgment_id),
    ]
    assert [row.presence for row in served.journal.current_judgments("default")] == ["absent_described"]


def test_the_answer_of_somebody_else_cannot_be_replaced(served: Services, ada: Annotator, grace: Annotator) -> None:
    hers = answer_next(served, grace)
    task = {
        **tasks.reserve_next_task(Participant(served, served.default_study, ada), ()).browser_state(),
        "replaces": hers.judgment_id,
    }
    kept = tasks.task_from_browser(Participant(served, served.default_study, ada), task)
    assert kept is not None
    with pytest.raises(JournalError, match="would replace one to another item"):
        tasks.store_judgment(replace(kept, answers=FALSE_SEEN))
    assert len(served.journal.all_judgments()) == 1


def test_skipped_items_come_back_at_the_end_in_order(served: Services, ada: Annotator) -> None:
    order = served.default_study.order
    participant = Participant(served, served.default_study, ada)
    handles = [participant.item_handle(item) for item in order]
    assert tasks.reserve_next_task(participant, tuple(handles[:-1])).item == order[-1]
    assert tasks.reserve_next_task(participant, (*handles[1:], handles[0])).item == order[1]


@pytest.mark.parametrize(
    "kept",
    [
        None,
        "text",
        7,
        [],
        {},
        {"item": 3},
        {"item": ["a"]},
        {"item": "no such item"},
        {"item": None, "skipped": "abc"},
        {"skipped": [1, None, {}]},
    ],
)
def test_a_hostile_task_is_answered_with_the_next_item(served: Services, ada: Annotator, kept: Any) -> None:
    assert tasks.task_from_browser(Participant(served, served.default_study, ada), kept) is None
    assert (
        tasks.restore_task(Participant(served, served.default_study, ada), kept, {"answers": 3}).item
        == served.default_study.order[0]
    )


@pytest.mark.parametrize("judgment_id", [None, 5, "", "x" * 32, "A" * 32, "0" * 33, "../../etc"])
def test_an_id_that_no_browser_of_ours_makes_is_refused(served: Services, ada: Annotator, judgment_id: Any) -> None:
    kept = {
        **tasks.reserve_next_task(Participant(served, served.default_study, ada), ()).browser_state(),
        "judgment_id": judgment_id,
    }
    assert tasks.task_from_browser(Participant(served, served.default_study, ada), kept) is None


def test_a_start_in_the_future_long_ago_or_without_zone_counts_from_now(served: Services, ada: Annotator) -> None:
    participant = Participant(served, served.default_study, ada)
    hostile = ("2999-01-01T00:00:00+00:00", "0001-01-01T00:00:00+14:00", "2020-01-01T00:00:00+00:00")
    for text in (*hostile, "2026-01-01T00:00:00", "soon", 12):
        found = tasks.task_from_browser(
            participant,
            {**tasks.reserve_next_task(participant, ()).browser_state(), "started_at": text},
        )
        assert found is not None
        assert datetime.now(UTC) - found.started_at < timedelta(seconds=10)


@pytest.mark.parametrize(
    ("answers", "wanted"),
    [
        (["present_described", "poor", "general", "c"], Answers("present_described", "poor", "general", "c")),
        (["absent_none", "poor", "general", ""], NONE_SEEN),
        (["sideways", "poor", "general", ""], Answers(None, None, None, "")),
        (["present_described", 3, {"a": 1}, None], Answers("present_described", None, None, "")),
        ("text", tasks.NO_ANSWERS),
        ([1, 2], tasks.NO_ANSWERS),
    ],
)
def test_a_drafts_answers_are_checked_again(answers: Any, wanted: Answers) -> None:
    assert tasks.parse_draft_answers({"answers": answers}) == wanted


def test_progress_counts_items_and_estimates_from_ones_own_pace(served: Services, ada: Annotator) -> None:
    assert tasks.reserve_next_task(Participant(served, served.default_study, ada), ()).progress.minutes_left is None
    task = replace(tasks.reserve_next_task(Participant(served, served.default_study, ada), ()), answers=NONE_SEEN)
    tasks.store_judgment(replace(task, started_at=task.started_at - timedelta(seconds=30)))
    after = tasks.reserve_next_task(Participant(served, served.default_study, ada), ()).progress
    assert (after.done, after.total) == (1, 270)
    assert after.minutes_left == pytest.approx(30 * 269 / 60, rel=0.05)
