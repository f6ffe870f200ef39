"""Tasks in a created study: practice first, two judgments per item, nothing that gives a control away."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from annotation.errors import JournalError
from annotation.form import Answers
from annotation.study.practice import load_practice_examples
from space.pages.annotate import task as tasks
from space.pages.annotate.task import AnnotationTask
from space.services import Services
from space.studies.participant import Participant
from space.web.sessions import Annotator
from tests.space.conftest import create_test_study, record_consent

pytestmark = pytest.mark.slow

ANSWERS = Answers("absent_none", None, None, "")


def answer_next(participant: Participant) -> AnnotationTask:
    """Answers the next item; returns what lay on the tasks."""
    task = replace(tasks.reserve_next_task(participant, ()), answers=ANSWERS)
    tasks.store_judgment(task)
    return task


def test_worked_examples_come_first_once_and_are_not_counted(served: Services, ada: Annotator) -> None:
    participant = Participant(served, create_test_study(served, practice=True), ada)
    task = [answer_next(participant) for _ in range(3)]
    assert [each.item for each in task] == [example.item for example in load_practice_examples("pilot")]
    assert [each.progress.done for each in task] == [0, 0, 0]
    after = tasks.reserve_next_task(participant, ())
    assert (after.practice_example, after.progress.done, after.progress.total) == (None, 0, 7)
    assert tasks.previous_task(participant, after) == after
    again = replace(tasks.open_item(participant, task[0].item or participant.study.order[0], ()), answers=ANSWERS)
    with pytest.raises(JournalError, match="worked example already"):
        tasks.store_judgment(again)


def test_two_people_judge_an_item_and_a_third_gets_only_the_overlap(
    served: Services, ada: Annotator, grace: Annotator
) -> None:
    study = create_test_study(served)
    third = record_consent(served, "Emmy", "a-emmy")
    for who in (ada, grace):
        for _ in range(7):
            answer_next(Participant(served, study, who))
        assert tasks.reserve_next_task(Participant(served, study, who), ()).item is None
    participant = Participant(served, study, third)
    task = answer_next(participant)
    assert task.item is not None
    assert task.item.item_kind == "overlap"
    after = tasks.reserve_next_task(participant, ())
    assert (after.item, after.progress.done, after.progress.total) == (None, 1, 1)


def test_another_device_shows_the_same_item_and_nobody_else_gets_it(
    served: Services, ada: Annotator, grace: Annotator
) -> None:
    study = create_test_study(served, per_item=1, overlap=0)
    here = tasks.reserve_next_task(Participant(served, study, ada), ())
    assert tasks.reserve_next_task(Participant(served, study, ada), ()).item == here.item
    assert tasks.reserve_next_task(Participant(served, study, grace), ()).item != here.item


def test_what_the_browser_keeps_does_not_tell_a_control(served: Services, ada: Annotator) -> None:
    study = create_test_study(served)
    participant = Participant(served, study, ada)
    assert sorted(participant.items_by_handle) == sorted({participant.item_handle(item) for item in study.order})
    for _ in study.order:
        task = tasks.reserve_next_task(participant, tuple(participant.items_by_handle))
        kept = json.dumps(task.browser_state())
        assert not any(word in kept for word in ("swapped", "shuffled", "overlap", "head"))
        tasks.store_judgment(replace(task, answers=ANSWERS))


def test_the_next_item_replaces_one_whose_reservation_went_to_somebody_else(
    served: Services, ada: Annotator, grace: Annotator
) -> None:
    study = create_test_study(served, per_item=1, overlap=0)
    mine = tasks.reserve_next_task(Participant(served, study, ada), ())
    assert mine.item is not None
    served.journal.now = lambda: datetime.now(UTC) + timedelta(minutes=31)
    theirs = tasks.open_item(Participant(served, study, grace), mine.item, ())
    assert theirs.item == mine.item
    back = tasks.restore_task(Participant(served, study, ada), mine.browser_state(), mine.draft())
    assert back.item not in (None, mine.item)
    with pytest.raises(JournalError):
        tasks.store_judgment(replace(theirs, answers=ANSWERS, participant=Participant(served, study, ada)))


def test_a_task_of_another_study_is_ignored(served: Services, ada: Annotator) -> None:
    task = tasks.reserve_next_task(Participant(served, served.default_study, ada), ())
    assert tasks.task_from_browser(Participant(served, create_test_study(served), ada), task.browser_state()) is None


def test_after_the_deadline_there_is_no_item_and_nothing_is_stored(served: Services, ada: Annotator) -> None:
    study = create_test_study(served, deadline=datetime.now(UTC) + timedelta(minutes=5))
    participant = Participant(served, study, ada)
    task = replace(tasks.reserve_next_task(participant, ()), answers=ANSWERS)
    served.journal.now = lambda: datetime.now(UTC) + timedelta(minutes=6)
    after = tasks.reserve_next_task(participant, ())
    assert (after.item, after.closed_reason) == (
        None,
        "The study pilot is over: its deadline has passed. Thank you to everybody who took part!",
    )
    with pytest.raises(JournalError, match="not stored"):
        tasks.store_judgment(task)


def test_a_submit_reads_the_reservations_once_and_the_own_answers_once(
    served: Services, ada: Annotator, grace: Annotator
) -> None:
    study = create_test_study(served)
    answer_next(Participant(served, study, grace))
    participant = Participant(served, study, ada)
    task = replace(tasks.reserve_next_task(participant, ()), answers=ANSWERS)
    asked: list[str] = []
    served.journal._connection.set_trace_callback(asked.append)
    kept = tasks.task_from_browser(participant, task.browser_state())
    assert kept is not None
    tasks.store_judgment(replace(kept, answers=ANSWERS))
    after = tasks.reserve_next_task(participant, ())
    assert after.progress.done == 1
    served.journal._connection.set_trace_callback(None)
    assert sum("json_group_array(annotator)" in query for query in asked) == 1
    assert sum("ORDER BY position" in query and "item_kind =" not in query for query in asked) == 1


def test_the_heads_counted_on_claiming_are_those_that_are_open(
    served: Services, ada: Annotator, grace: Annotator
) -> None:
    study = create_test_study(served)
    for who in (ada, grace, ada, grace, ada):
        answer_next(Participant(served, study, who))
        after = tasks.reserve_next_task(Participant(served, study, who), ())
        assert after.open_head_count is not None
        assert replace(after, open_head_count=None).progress == after.progress
