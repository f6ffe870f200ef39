"""What a study lets a person answer. Checked inside the transaction that stores the answer; a page proves nothing."""

from __future__ import annotations

from collections.abc import Collection

from annotation.errors import JournalError
from annotation.journal import endings
from annotation.journal.assignments import NOT_WITHDRAWN_SQL
from annotation.journal.database import Database
from annotation.journal.reservations import (
    KINDS_OUTSIDE_ORDER,
    delete_ended_reservations,
    load_slot_holders,
)
from annotation.journal.study_changes import is_paused
from annotation.study.next_item import subject_of
from annotation.study.study import Study
from annotation.types import ITEM_COLUMNS, Judgment, StudyItem

ITEM_COLUMNS_SQL = ", ".join(ITEM_COLUMNS)
MATCHES_ITEM_SQL = " AND ".join(f"{name} = ?" for name in ITEM_COLUMNS)


def take_slot(db: Database, judgment: Judgment, study: Study, closed_keys: Collection[str]) -> None:
    """Checks that the study takes this judgment, and ends the reservation of its item.

    Raises JournalError if the study does not contain the item, is over or paused, if the item is stale (among
    `closed_keys`), if the person has judged the item's head or as many items as one person may, or if others have all
    slots. A reservation helps against the last of these only. A changed answer needs no slot. Practice items only need
    a study that is not over or paused, decisions of organisers not even that.
    """
    item = judgment.item
    if item.study != study.name or (item.key not in study.item_by_key and item.item_kind not in KINDS_OUTSIDE_ORDER):
        raise JournalError("Your answer was not stored: the study does not contain this item. Reload the page.")
    if item.item_kind == "adjudication":
        return
    if (reason := endings.over_reason(db, study)) is not None:
        raise JournalError(f"Your answer was not stored: the study is over, because {reason}.")
    if is_paused(db, study.name):
        raise JournalError("Your answer was not stored: the study is paused. Keep this page open and try again later.")
    if item.item_kind == "practice":
        return
    if item.key in closed_keys:
        raise JournalError(
            "Your answer was not stored: the head has other mappings or another description by now, so nobody judges "
            "this item any more. Continue with the next item."
        )
    delete_ended_reservations(db)
    where, values = "WHERE study = ? AND item = ? AND annotator = ?", [study.name, item.key, judgment.annotator]
    is_reserved = bool(db.execute(f"DELETE FROM reservations {where}", values))
    if judgment.supersedes is None:
        _check_own_answers(db, study, item, judgment.annotator)
        _check_open_slot(db, study, item, judgment.annotator, is_reserved)


def _check_own_answers(db: Database, study: Study, item: StudyItem, annotator: str) -> None:
    """Raises JournalError if the person has judged the head (the operation), or as many items as one person may.

    An answer to the same item is left to the database, which keeps one.
    """
    query = (
        f"SELECT json_group_array(json_array({ITEM_COLUMNS_SQL})) FROM judgments "
        "WHERE study = ? AND annotator = ? AND supersedes IS NULL"
    )
    keys = (study.key_by_columns.get(tuple(row)) for row in db.select_json(query, [study.name, annotator]))
    answered = [study.item_by_key[key] for key in keys if key is not None]
    limit = study.settings.per_annotator
    if item in answered:
        return
    if limit is not None and len(answered) >= limit:
        raise JournalError(
            f"Your answer was not stored: one person judges at most {limit:,} items in this study, and you have. "
            "Thank you!"
        )
    subjects = {subject_of(other, study.settings) for other in answered}
    if subject_of(item, study.settings) in subjects:
        subject = "operation" if study.settings.per_operation else "head"
        raise JournalError(
            f"Your answer was not stored: you have judged this {subject} before. Continue with the next item."
        )


def _check_open_slot(db: Database, study: Study, item: StudyItem, annotator: str, is_reserved: bool) -> None:
    """Raises JournalError if others have all slots of an item.

    Against a reservation only judgments count: a newcomer's reservation may have yielded to another person.
    """
    limit = study.settings.per_item
    if limit is None or item.item_kind == "overlap":
        return
    if is_reserved:
        others = f"annotator <> ? AND supersedes IS NULL AND {NOT_WITHDRAWN_SQL}"
        query = f"SELECT count(*) FROM judgments WHERE {MATCHES_ITEM_SQL} AND {others}"
        taken = db.select(query, [*(getattr(item, name) for name in ITEM_COLUMNS), annotator])[0][0]
    else:
        taken = load_slot_holders(db, study).against(annotator).slots_taken_by_others(item.key, annotator)
    if taken >= limit:
        raise JournalError(
            "Your answer was not stored: others judged this item in the meantime, so it needs no more judgments. "
            "Continue with the next item."
        )
