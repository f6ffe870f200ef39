"""Tasks in a created study: practice first, two judgments per item, nothing that gives a control away."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from annotation.errors import JournalError
from annotation.form import Answers
from annotation.study.candidates import load_candidates
from annotation.study.practice import load_practice_examples
from annotation.types import ItemKind, StudyItem
from maps.types import HeadId
from space.pages.annotate import outbox
from space.pages.annotate import task as tasks
from space.pages.annotate.task import AnnotationTask
from space.pages.head.judgments import judgments_section
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
    examples = load_practice_examples("pilot")
    task = [answer_next(participant) for _ in examples]
    assert [each.item for each in task] == [example.item for example in examples]
    assert {each.progress.done for each in task} == {0}
    after = tasks.reserve_next_task(participant, ())
    assert (after.practice_example, after.progress.done, after.progress.total) == (None, 0, 7)
    assert tasks.previous_task(participant, after) == after
    again = replace(tasks.open_item(participant, task[0].item or participant.study.order[0], ()), answers=ANSWERS)
    with pytest.raises(JournalError, match="practice item already"):
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
    handles = tuple(map(participant.item_handle, study.order))
    assert list(map(participant.find_item, handles)) == list(study.order)
    for forged in (
        None,
        7,
        "",
        "x",
        "0" * 32,
        handles[0][:-1],
        handles[0][:-1] + "x",
        handles[0][:24] + handles[1][24:],
    ):
        assert participant.find_item(forged) is None
    for _ in study.order:
        task = tasks.reserve_next_task(participant, handles)
        kept = json.dumps(task.browser_state())
        assert not any(word in kept for word in ("swapped", "shuffled", "overlap", "head"))
        tasks.store_judgment(replace(task, answers=ANSWERS))


def test_no_head_opens_an_item_in_a_created_study(served: Services, ada: Annotator) -> None:
    """The address of a head opened true items only, so it told controls, in an address and before signing in."""
    study = create_test_study(served)
    participant = Participant(served, study, ada)
    first = tasks.reserve_next_task(participant, ())
    for item in study.order:
        head = HeadId(item.layer, item.head)
        assert tasks.requested_study_item(study, head) is None
        assert tasks.reserve_first_task(participant, {"wanted": str(head)}).item == first.item
        by_handle = {"wanted": participant.item_handle(item)}
        assert tasks.reserve_first_task(participant, by_handle).item == first.item


def test_a_handle_opens_nothing_for_another_person(served: Services, ada: Annotator, grace: Annotator) -> None:
    study = create_test_study(served)
    adas, graces = Participant(served, study, ada), Participant(served, study, grace)
    assert {adas.item_handle(item) for item in study.order}.isdisjoint(map(graces.item_handle, study.order))
    given = tasks.reserve_next_task(graces, ())
    assert tasks.task_from_browser(graces, given.browser_state()) is not None
    assert tasks.task_from_browser(adas, given.browser_state()) is None
    assert all("a-ada" not in people for people in served.journal.slot_holders(study).reserved_by.values())


def test_the_length_of_a_sealed_copy_does_not_tell_a_control(served: Services, ada: Annotator) -> None:
    """The cipher pads to whole blocks, so a comment of the right length would show one character of difference."""
    study = create_test_study(served)
    judgment, _ = tasks.store_judgment(
        replace(tasks.reserve_next_task(Participant(served, study, ada), ()), answers=ANSWERS)
    )
    for length in range(17):
        rows = [replace(judgment, comment="x" * length, item_kind=kind) for kind in get_args(ItemKind)]
        copies = [outbox.seal_copy(row, served.pseudonym_key) for row in rows]
        assert len({len(copy) for copy in copies}) == 1
        assert [outbox.unseal_copy(copy, served.pseudonym_key) for copy in copies] == rows


def test_a_heads_page_leads_to_the_study_in_which_heads_are_named(served: Services) -> None:
    create_test_study(served)
    atlas = next(iter(served.atlases.values()))  # the default study is of its heads
    head = next(one.head for one in load_candidates(atlas, "offline"))
    shown = judgments_section(served, atlas, head, None).html
    assert f"annotate?study=default&amp;layer={head.layer}&amp;head={head.head}" in shown


def test_the_rules_hold_for_a_task_that_a_browser_kept(served: Services, ada: Annotator) -> None:
    """A script sends back tasks that it was given before: more answers than one person may give."""
    study = create_test_study(served, per_annotator=2)
    participant = Participant(served, study, ada)
    given: list[AnnotationTask] = []
    while len(given) < 3:
        task = tasks.reserve_next_task(participant, tuple(participant.item_handle(item) for item in skipped(given)))
        given.append(task)
    for task in given[:2]:
        tasks.store_judgment(replace(task, answers=ANSWERS))
    kept = tasks.task_from_browser(participant, given[2].browser_state())
    assert kept is not None
    with pytest.raises(JournalError, match="one person judges at most 2 items in this study"):
        tasks.store_judgment(replace(kept, answers=ANSWERS))
    assert len(served.journal.all_judgments()) == 2


def skipped(given: list[AnnotationTask]) -> list[StudyItem]:
    return [task.item for task in given if task.item is not None]


def test_after_the_last_answer_the_study_is_over(served: Services, ada: Annotator, grace: Annotator) -> None:
    study = create_test_study(served, overlap=0)
    participants = [Participant(served, study, who) for who in (ada, grace)]
    for participant in participants:
        for _ in study.order:
            answer_next(participant)
    after = tasks.reserve_next_task(participants[1], ())
    over = "The study pilot is over: all its judgments are there. Thank you to everybody who took part!"
    assert (after.item, after.closed_reason) == (None, over)


def test_the_next_item_replaces_one_whose_reservation_went_to_somebody_else(
    served: Services, ada: Annotator, grace: Annotator
) -> None:
    study = create_test_study(served, per_item=1, overlap=0)
    for who in (ada, grace):
        answer_next(Participant(served, study, who))
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


def test_a_submit_reads_each_judgment_once_and_the_own_answers_once(
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
    assert sum("position > " in query for query in asked) == 1
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
