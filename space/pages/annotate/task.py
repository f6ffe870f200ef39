"""The annotator's task: the item to judge, the answers so far and the progress. Turns answers into a stored judgment.

The task and its draft are kept in the browser, so nothing in them is trusted. Items are looked up by a keyed handle
(item keys would tell controls from true items), the annotator comes from the session, answers are checked again, and an
earlier judgment is only replaced if the journal has it.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from annotation import form
from annotation.errors import JournalError
from annotation.form import Answers
from annotation.journal.participants import answer_seconds
from annotation.study.next_item import (
    AnnotatorProgress,
    AssignmentState,
    compute_annotator_progress,
    count_subjects,
    list_available_items,
)
from annotation.study.panel import Outcome
from annotation.study.practice import PracticeExample
from annotation.study.study import DEFAULT_STUDY, Study
from annotation.types import Judgment, Receipt, StudyItem
from maps.types import HEAD_NAME_PATTERN, HeadId
from space.pages.annotate.ends import closed_reason, reach_outcome
from space.studies.current import find_stale_item_keys
from space.studies.participant import JUDGMENT_ID_PATTERN, MAX_TASK_AGE, Participant, current_judgments

NO_ANSWERS = form.keep_applicable_answers({}, None)


@dataclass(frozen=True)
class AnnotationTask:
    """What an annotator has in front of them. Without an item to judge, `item` is None.

    - `earlier_judgment`: the annotator's stored judgment of the item.
    - `replaced_judgment_id`: the id of the judgment that the page showed when the item was opened. An answer that was
      given in another tab since then is not replaced unseen.
    - `skipped_handles`: handles of skipped items, oldest first.
    - `closed_reason`: why judging is closed, if it is.
    - `outcome`: how the study ends for the annotator, if it does.
    - `open_head_count`: how many heads the annotator can still be given, if reserving the item has counted them.
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
    outcome: Outcome | None = None
    open_head_count: int | None = field(default=None, compare=False)

    @cached_property
    def progress(self) -> AnnotatorProgress:
        """How far the annotator is. Computed only when it is shown, because it reads what they did."""
        participant = self.participant
        if self.open_head_count is not None and not participant.is_in_open_study:
            journal, annotator = participant.services.journal, participant.annotator.pseudonym
            seconds = answer_seconds(journal, participant.study.name, annotator)
            return progress_in_study(participant.study, seconds, self.open_head_count)
        judgments = [row for row in current_judgments(participant) if row.item_kind != "practice"]
        seconds = [row.seconds for row in judgments]
        if participant.is_in_open_study:
            return compute_annotator_progress(len(judgments), len(participant.study.order), seconds)
        open_heads = count_open_heads(participant, {row.item.key for row in judgments})
        return progress_in_study(participant.study, seconds, open_heads)

    @property
    def practice_example(self) -> PracticeExample | None:
        """The practice example, if the item is one."""
        return self.participant.examples_by_key.get(self.item.key) if self.item else None

    def browser_state(self) -> dict[str, Any]:
        """What the browser keeps of the task, so that a reload or another handler finds it again."""
        return {
            "study": self.participant.study.name,
            "item": self.participant.item_handle(self.item) if self.item else None,
            "judgment_id": self.judgment_id,
            "started_at": self.started_at.isoformat(),
            "replaces": self.replaced_judgment_id,
            "skipped": list(self.skipped_handles),
            "was_asked": False,  # about an answer that contradicts the description
        }

    def draft(self) -> dict[str, Any]:
        """The answers as the browser keeps them: a code for each question, then the comment."""
        answers = [*self.answers.codes_by_field().values(), self.answers.comment]
        return {"judgment_id": self.judgment_id, "answers": answers}


def parse_skipped_handles(browser_state: object) -> tuple[str, ...]:
    handles = browser_state.get("skipped") if isinstance(browser_state, dict) else None
    return tuple(each for each in handles if isinstance(each, str)) if isinstance(handles, list) else ()


def reserve_next_task(
    participant: Participant, skipped_handles: tuple[str, ...], preferred_item: StudyItem | None = None
) -> AnnotationTask:
    """The next open item: first the practice items, then `preferred_item` if it is still open, then the others."""
    if (reason := closed_reason(participant)) is not None:
        return ended_task(participant, skipped_handles, reason)
    if participant.examples_by_key:
        judged_keys = {row.item.key for row in current_judgments(participant)}
        for key, example in participant.examples_by_key.items():
            if key not in judged_keys:
                return new_task(participant, example.item, skipped_handles)
    skipped = {each: item for each in dict.fromkeys(skipped_handles) if (item := participant.find_item(each))}
    known_handles = tuple(skipped)
    reserved = participant.services.journal.reserve_next_item(
        participant.study,
        participant.annotator.pseudonym,
        skipped_keys=[item.key for item in skipped.values()],
        preferred_key=None if preferred_item is None else preferred_item.key,
        closed_keys=stale_keys(participant),
    )
    if reserved.item is None:  # the last answer may have ended the study
        task = ended_task(participant, known_handles, closed_reason(participant))
    else:
        task = new_task(participant, reserved.item, known_handles)
    return replace(task, open_head_count=reserved.available_heads)


def ended_task(participant: Participant, skipped_handles: tuple[str, ...], reason: str | None) -> AnnotationTask:
    """The task of somebody who is given no item, for this reason or because none is left for them."""
    task = new_task(participant, None, skipped_handles)
    return replace(task, closed_reason=reason, outcome=reach_outcome(participant, reason))


def stale_keys(participant: Participant) -> frozenset[str]:
    return find_stale_item_keys(participant.services.whole_atlases, participant.study)


def new_task(participant: Participant, item: StudyItem | None, skipped_handles: tuple[str, ...]) -> AnnotationTask:
    """A task for an item, with the annotator's stored answers to it if there are any."""
    earlier = None if item is None else own_judgment(participant, item)
    return AnnotationTask(
        participant=participant,
        item=item,
        answers=form.answers_of_judgment(earlier) if earlier else NO_ANSWERS,
        judgment_id=uuid.uuid4().hex,
        started_at=datetime.now(UTC),
        replaced_judgment_id=earlier.judgment_id if earlier else None,
        skipped_handles=skipped_handles,
        earlier_judgment=earlier,
    )


def own_judgment(participant: Participant, item: StudyItem) -> Judgment | None:
    journal, annotator = participant.services.journal, participant.annotator.pseudonym
    return next(iter(journal.current_judgments(participant.study.name, annotator, item)), None)


def progress_in_study(study: Study, seconds: Sequence[float], open_heads: int) -> AnnotatorProgress:
    """Progress over the items that an annotator can be given in a created study: those that they judged, in so many
    `seconds` each, and the heads that are open to them now."""
    done, limit = len(seconds), study.settings.per_annotator
    left = open_heads if limit is None else min(open_heads, max(0, limit - done))
    return compute_annotator_progress(done, done + left, seconds)


def count_open_heads(participant: Participant, judged_keys: set[str]) -> int:
    """How many heads this annotator, who has judged the items with these keys, can still be given."""
    study, annotator = participant.study, participant.annotator.pseudonym
    journal = participant.services.journal
    slots, given_keys = journal.slot_holders(study).against(annotator), journal.given_keys(study, annotator)
    taken = {item.key: slots.slots_taken_by_others(item.key, annotator) for item in study.order}
    state = AssignmentState(taken, judged_keys, closed_keys=stale_keys(participant), given_keys=given_keys)
    return count_subjects(list_available_items(study.order, study.settings, state), study.settings)


def reserve_first_task(participant: Participant, browser_state: object) -> AnnotationTask:
    """The task after signing in: the item of the head that the address asked for, else the next open one."""
    name = browser_state.get("wanted") if isinstance(browser_state, dict) else None
    head = HeadId.parse(name) if isinstance(name, str) and HEAD_NAME_PATTERN.fullmatch(name) else None
    item = requested_study_item(participant.study, head)
    return reserve_next_task(participant, ()) if item is None else open_item(participant, item, ())


def task_from_browser(participant: Participant, browser_state: object) -> AnnotationTask | None:
    """The task that a browser sends; None if it is not a valid task of this study."""
    handle = browser_state.get("item") if isinstance(browser_state, dict) else None
    item = participant.find_item(handle)
    if item is None or not isinstance(browser_state, dict) or browser_state.get("study") != participant.study.name:
        return None
    judgment_id, replaced_id = browser_state.get("judgment_id"), browser_state.get("replaces")
    if not isinstance(judgment_id, str) or not JUDGMENT_ID_PATTERN.fullmatch(judgment_id):
        return None
    task = new_task(participant, item, parse_skipped_handles(browser_state))
    return replace(
        task,
        judgment_id=judgment_id,
        replaced_judgment_id=replaced_id if isinstance(replaced_id, str) else None,
        started_at=parse_start_time(browser_state) or task.started_at,
    )


def restore_task(participant: Participant, browser_state: object, draft: object) -> AnnotationTask:
    """The task after a reload: the item with the draft's answers, or the next open item if it was judged meanwhile.

    An item whose reservation has ended is reserved again if it is still open; else the next item replaces it.
    """
    task = task_from_browser(participant, browser_state)
    if task is None:
        return reserve_next_task(participant, parse_skipped_handles(browser_state))
    if task.earlier_judgment is None:
        reserved = reserve_next_task(participant, task.skipped_handles, task.item)
        if reserved.item != task.item:
            return reserved
    elif task.earlier_judgment.judgment_id != task.replaced_judgment_id:  # judged since the page was loaded
        return reserve_next_task(participant, task.skipped_handles)
    if not isinstance(draft, dict) or draft.get("judgment_id") != task.judgment_id:
        return task
    return replace(task, answers=parse_draft_answers(draft))


def parse_draft_answers(draft: dict[str, Any]) -> Answers:
    """The answers in a draft, without codes that the form does not have."""
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
    """When the browser opened its item; None for a time without zone, in the future or older than MAX_TASK_AGE."""
    try:
        moment = datetime.fromisoformat(str(browser_state.get("started_at")))
        if moment.tzinfo is None:
            return None
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    now = datetime.now(UTC)
    return moment if now - MAX_TASK_AGE <= moment <= now else None


def previous_task(participant: Participant, task: AnnotationTask) -> AnnotationTask:
    """The item that was judged before the present one; the first stays. Practice items are not shown again."""
    items = [row.item for row in current_judgments(participant) if row.item_kind != "practice"]
    if not items:
        return task
    position = items.index(task.item) if task.item in items else len(items)
    return new_task(participant, items[max(position - 1, 0)], task.skipped_handles)


def open_item(participant: Participant, item: StudyItem, skipped_handles: tuple[str, ...]) -> AnnotationTask:
    """A certain item with the annotator's own judgment, else reserved for them; if it is taken, the next item."""
    if own_judgment(participant, item) is None:
        return reserve_next_task(participant, skipped_handles, item)
    return new_task(participant, item, skipped_handles)


def requested_study_item(study: Study, head: HeadId | None) -> StudyItem | None:
    """The item of a head that an address names, in the default study; else None.

    In a created study it would tell controls: the head itself is always a true item.
    """
    items = study.items_by_head.get(head, []) if head is not None and study.name == DEFAULT_STUDY else []
    return items[0] if items else None


def contradiction_hint(task: AnnotationTask) -> str | None:
    """What to ask about an answer that contradicts whether a pattern is described; practice items have feedback."""
    if task.item is None or task.practice_example is not None:
        return None
    content = task.participant.study.contents[task.item.key]
    return form.contradiction_hint(content.observed_pattern, task.answers.presence)


def store_judgment(task: AnnotationTask) -> tuple[Judgment, Receipt]:
    """Stores the answers of a task; returns the judgment and its receipt once they are on disk.

    Raises JournalError, with a sentence for the annotator, if the judgment cannot be stored.
    """
    participant = task.participant
    if task.item is None:
        raise ValueError("the task has no item")
    if (reason := closed_reason(participant)) is not None:
        raise JournalError(f"Your answer was not stored. {reason}")
    if task.practice_example is not None and task.replaced_judgment_id is not None:
        raise JournalError("You have answered this practice item already. Press Next to go on.")
    judgment = form.build_judgment(
        task.item,
        task.answers,
        judgment_id=task.judgment_id,
        annotator=participant.annotator.pseudonym,
        started_at=task.started_at,
        submitted_at=datetime.now(UTC),
        supersedes=task.replaced_judgment_id,
        app_version=participant.services.app_version,
        flag=form.CONTRADICTION_FLAG if contradiction_hint(task) else None,
    )
    journal = participant.services.journal
    return judgment, journal.record_judgment(judgment, participant.study, stale_keys(participant))
