"""What lies before an annotator: the item, the answers so far, how far they are. Turns answers into a judgment.

Desk and draft live in the browser, so nothing in them is trusted: items are looked up in the study by a keyed handle
(their keys would tell controls from true items), the annotator comes from the session, answers are checked again, and
an earlier answer is only replaced where the journal has it.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from annotation import form
from annotation.errors import JournalError
from annotation.form import Answers
from annotation.study.next_item import (
    AnnotatorProgress,
    AssignmentState,
    compute_annotator_progress,
    count_heads,
    list_available_items,
)
from annotation.study.practice import PracticeExample
from annotation.study.study import Study
from annotation.types import Judgment, Receipt, StudyItem
from maps.types import HeadId
from space.studies.current import find_stale_item_keys, judging_closed_reason
from space.studies.participant import JUDGMENT_ID_PATTERN, MAX_TASK_AGE, Participant, current_judgments

NO_ANSWERS = Answers(None, None, None, "")


@dataclass(frozen=True)
class AnnotationTask:
    """An item on the desk; `item` is None where there is none, `closed_reason` then says why if judging is closed.

    `earlier_judgment` is the annotator's stored judgment of it, `replaced_judgment_id` the id of the one that was on the page when the
    item was opened, so that an answer from another tab is not replaced unseen. `skipped_handles` are handles, `open_head_count` is how
    many heads are open to the annotator, where that was found out on claiming.
    """

    participant: Participant
    item: StudyItem | None
    answers: Answers
    judgment_id: str
    started_at: datetime
    replaced_judgment_id: str | None
    skipped_handles: tuple[str, ...]
    earlier_judgment: Judgment | None
    closed_reason: str | None = None
    open_head_count: int | None = field(default=None, compare=False)

    @cached_property
    def progress(self) -> AnnotatorProgress:
        """How far the annotator is; only looked up for a desk that is shown, as it asks for all their judgments."""
        return annotator_progress(
            self.participant,
            [row for row in current_judgments(self.participant) if row.item_kind != "practice"],
            self.open_head_count,
        )

    @property
    def practice_example(self) -> PracticeExample | None:
        """The worked example on the desk, if it is one."""
        return self.participant.examples_by_key.get(self.item.key) if self.item else None

    def browser_state(self) -> dict[str, Any]:
        """What the browser keeps of the item, so that a reload or another handler finds it again."""
        return {
            "study": self.participant.study.name,
            "item": self.participant.item_handle(self.item) if self.item else None,
            "judgment_id": self.judgment_id,
            "started_at": self.started_at.isoformat(),
            "replaces": self.replaced_judgment_id,
            "skipped": list(self.skipped_handles),
        }

    def draft(self) -> dict[str, Any]:
        """The answers as the browser keeps them."""
        answers = [*self.answers.codes_by_field().values(), self.answers.comment]
        return {"judgment_id": self.judgment_id, "answers": answers}


def parse_skipped_handles(browser_state: object) -> tuple[str, ...]:
    """The skipped items' handles in a desk from a browser."""
    found = browser_state.get("skipped") if isinstance(browser_state, dict) else None
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()


def reserve_next_task(
    participant: Participant, skipped_handles: tuple[str, ...], preferred_item: StudyItem | None = None
) -> AnnotationTask:
    """The next open item, fresh: a worked example first, the `preferred_item` one before others where it can be had."""
    if (reason := judging_closed_reason(participant.services, participant.study)) is not None:
        return replace(new_task(participant, None, skipped_handles), closed_reason=reason)
    done = {row.item.key for row in current_judgments(participant)} if participant.examples_by_key else set()
    example = next((one.item for key, one in participant.examples_by_key.items() if key not in done), None)
    if example is not None:
        return new_task(participant, example, skipped_handles)
    skipped_handles = tuple(each for each in dict.fromkeys(skipped_handles) if each in participant.items_by_handle)
    stale = find_stale_item_keys(participant.services, participant.study)
    keys = [participant.items_by_handle[each].key for each in skipped_handles]
    key = None if preferred_item is None else preferred_item.key
    claimed = participant.services.journal.reserve_next_item(
        participant.study, participant.annotator.pseudonym, keys, key, stale
    )
    return replace(new_task(participant, claimed.item, skipped_handles), open_head_count=claimed.available_heads)


def new_task(participant: Participant, item: StudyItem | None, skipped_handles: tuple[str, ...]) -> AnnotationTask:
    """An item with the annotator's earlier answers to it, if there are any."""
    earlier = None if item is None else own_judgment(participant, item)
    answers = form.answers_of_judgment(earlier) if earlier else NO_ANSWERS
    replaces = earlier.judgment_id if earlier else None
    return AnnotationTask(
        participant, item, answers, uuid.uuid4().hex, datetime.now(UTC), replaces, skipped_handles, earlier
    )


def own_judgment(participant: Participant, item: StudyItem) -> Judgment | None:
    """The annotator's current judgment of an item."""
    return next(
        iter(
            participant.services.journal.current_judgments(
                participant.study.name, participant.annotator.pseudonym, item
            )
        ),
        None,
    )


def annotator_progress(
    participant: Participant, judgments: list[Judgment], open_head_count: int | None = None
) -> AnnotatorProgress:
    """Progress over what this annotator can be asked: of a created study what is done and what is open to them now.

    That is counted here unless `open_head_count`, the number of heads that are open, is known.
    """
    study, mine = participant.study, {row.item.key for row in judgments}
    found = compute_annotator_progress(study.order, mine, [row.seconds for row in judgments])
    if participant.is_in_open_study:
        return found
    if open_head_count is None:
        open_head_count = count_open_heads(participant, mine)
    most = study.settings.per_annotator
    left = open_head_count if most is None else min(open_head_count, max(0, most - len(mine)))
    pace = None if found.minutes_left is None else found.minutes_left / max(1, found.total - found.done)
    return AnnotatorProgress(len(mine), len(mine) + left, None if pace is None else pace * left)


def count_open_heads(participant: Participant, judged_keys: set[str]) -> int:
    """How many heads are open to this annotator, who has judged the items with these keys."""
    study, places = participant.study, participant.services.journal.slot_holders(participant.study)
    taken = {item.key: places.slots_taken_by_others(item.key, participant.annotator.pseudonym) for item in study.order}
    situation = AssignmentState(taken, judged_keys, closed_keys=find_stale_item_keys(participant.services, study))
    return count_heads(list_available_items(study.order, study.settings, situation))


def reserve_first_task(participant: Participant, browser_state: object) -> AnnotationTask:
    """What lies there after signing in: the item that the address asked for, else the next open one."""
    wanted = browser_state.get("wanted") if isinstance(browser_state, dict) else None
    item = participant.items_by_handle.get(wanted) if isinstance(wanted, str) else None
    return reserve_next_task(participant, ()) if item is None else open_item(participant, item, ())


def task_from_browser(participant: Participant, browser_state: object) -> AnnotationTask | None:
    """The item that a browser has on its desk; None where what it sends is of no use."""
    handle = browser_state.get("item") if isinstance(browser_state, dict) else None
    item = participant.items_by_handle.get(handle) if isinstance(handle, str) else None
    if item is None or not isinstance(browser_state, dict) or browser_state.get("study") != participant.study.name:
        return None
    judgment_id, replaces = browser_state.get("judgment_id"), browser_state.get("replaces")
    if not isinstance(judgment_id, str) or not JUDGMENT_ID_PATTERN.fullmatch(judgment_id):
        return None
    desk = new_task(participant, item, parse_skipped_handles(browser_state))
    return replace(
        desk,
        judgment_id=judgment_id,
        replaced_judgment_id=replaces if isinstance(replaces, str) else None,
        started_at=parse_start_time(browser_state) or desk.started_at,
    )


def restore_task(participant: Participant, browser_state: object, draft: object) -> AnnotationTask:
    """What a reload shows: the item with the answers so far, or the next open one where it was stored meanwhile.

    An item whose reservation has ended is reserved again where it still can be.
    """
    desk = task_from_browser(participant, browser_state)
    stored = (
        desk is not None
        and desk.earlier_judgment is not None
        and desk.earlier_judgment.judgment_id != desk.replaced_judgment_id
    )
    if desk is None or stored:
        return reserve_next_task(participant, parse_skipped_handles(browser_state))
    if desk.earlier_judgment is None:
        fresh = reserve_next_task(participant, desk.skipped_handles, desk.item)
        if fresh.item != desk.item:
            return fresh
    if not isinstance(draft, dict) or draft.get("judgment_id") != desk.judgment_id:
        return desk
    return replace(desk, answers=parse_draft_answers(draft))


def parse_draft_answers(draft: dict[str, Any]) -> Answers:
    """The answers in a draft, without codes that the form does not have: one for each question, then the comment."""
    values = draft.get("answers")
    if not isinstance(values, list) or len(values) != len(form.QUESTIONS) + 1:
        return NO_ANSWERS
    *codes, comment = values
    known = {
        question.field: code
        for question, code in zip(form.QUESTIONS, codes, strict=True)
        if isinstance(code, str) and code in question.codes
    }
    return form.keep_applicable_answers(known, comment if isinstance(comment, str) else None)


def parse_start_time(browser_state: dict[str, Any]) -> datetime | None:
    """When the browser says that its item was opened; a time without zone, in the future or a week ago is none."""
    try:
        moment = datetime.fromisoformat(str(browser_state.get("started_at")))
        moment = moment.astimezone(UTC) if moment.tzinfo is not None else datetime.max.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    now = datetime.now(UTC)
    return moment if now - MAX_TASK_AGE <= moment <= now else None


def previous_task(participant: Participant, task: AnnotationTask) -> AnnotationTask:
    """The item judged before the one on the desk; the first stays. Worked examples are not come back to."""
    items = [row.item for row in current_judgments(participant) if row.item_kind != "practice"]
    at = items.index(task.item) if task.item in items else len(items)
    return new_task(participant, items[max(at - 1, 0)], task.skipped_handles) if items else task


def open_item(participant: Participant, item: StudyItem, skipped_handles: tuple[str, ...]) -> AnnotationTask:
    """A certain item: one's own answer to it, or the item where it can be had; else the next."""
    return (
        reserve_next_task(participant, skipped_handles, item)
        if own_judgment(participant, item) is None
        else new_task(participant, item, skipped_handles)
    )


def requested_study_item(study: Study, head: HeadId | None) -> StudyItem | None:
    """The item of a head that an address asks to judge, where it is in the study."""
    return None if head is None else study.item_by_head.get(head)


def store_judgment(task: AnnotationTask) -> tuple[Judgment, Receipt]:
    """Stores the desk's answers; returns the row and the receipt once it is on disk. JournalError where it can't be."""
    seat = task.participant
    if task.item is None:
        raise ValueError("nothing lies on the desk")
    if (reason := judging_closed_reason(seat.services, seat.study)) is not None:
        raise JournalError(f"Your answer was not stored. {reason}")
    if task.practice_example is not None and task.replaced_judgment_id is not None:
        raise JournalError("A worked example is answered once; go on with the next.")
    row = form.build_judgment(
        task.item,
        task.answers,
        judgment_id=task.judgment_id,
        annotator=seat.annotator.pseudonym,
        started_at=task.started_at,
        submitted_at=datetime.now(UTC),
        supersedes=task.replaced_judgment_id,
        app_version=seat.services.app_version,
    )
    return row, seat.services.journal.record_judgment(row, seat.study)
