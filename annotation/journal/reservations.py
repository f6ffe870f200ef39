"""Reservations of items, which expire: they keep an item from getting more judgments than the study asks for.

Functions on the journal's database. A reservation ends 30 minutes after it was made or renewed. If the clock was set
back, a reservation that would last longer is shortened to 30 minutes. Ended reservations are deleted before anything
is decided, so that a clock set back cannot revive them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from annotation.errors import JournalError
from annotation.journal.database import Database, utc_timestamp
from annotation.study.next_item import AssignmentState, count_heads, list_available_items, select_next_item
from annotation.study.study import Study
from annotation.types import ITEM_COLUMNS, Judgment, StudyItem

RESERVATION_DURATION = timedelta(minutes=30)
NOT_WITHDRAWN_SQL = "annotator NOT IN (SELECT annotator FROM withdrawals)"
KINDS_OUTSIDE_ORDER = ("practice", "adjudication")  # items of these kinds are not in the study's order


@dataclass(frozen=True)
class SlotHolders:
    """By item key, the people who judged the item, and those who have it reserved now."""

    judged_by: dict[str, set[str]]
    reserved_by: dict[str, set[str]]

    def items_held_by(self, annotator: str) -> set[str]:
        """The items that a person has judged or reserved."""
        holders = (*self.judged_by.items(), *self.reserved_by.items())
        return {key for key, people in holders if annotator in people}

    def annotators(self) -> set[str]:
        return set().union(*self.judged_by.values(), *self.reserved_by.values())

    def slots_taken_by_others(self, item_key: str, annotator: str) -> int:
        return len((self.judged_by.get(item_key, set()) | self.reserved_by.get(item_key, set())) - {annotator})


@dataclass(frozen=True)
class ReservationResult:
    """The item for the person who asked, or None, and how many heads were open to them, the item's own included."""

    item: StudyItem | None
    available_heads: int


def load_slot_holders(db: Database, study: Study) -> SlotHolders:
    """Who has judged or reserved which item of a study, without people who withdrew."""
    judged: dict[str, set[str]] = {}
    columns = ", ".join(ITEM_COLUMNS)
    query = (  # a changed answer supersedes an earlier one, so each person has one first answer to an item
        f"SELECT {columns}, json_group_array(annotator) FROM judgments "
        f"WHERE study = ? AND supersedes IS NULL AND {NOT_WITHDRAWN_SQL} GROUP BY {columns}"
    )
    for *item, people in db.select(query, [study.name]):
        if (key := study.key_by_columns.get(tuple(item))) is not None:
            judged[key] = set(json.loads(people))
    reserved: dict[str, set[str]] = {}
    query = "SELECT item, annotator FROM reservations WHERE study = ? AND until > ?"
    for key, annotator in db.select(query, [study.name, utc_timestamp(db.now())]):
        reserved.setdefault(key, set()).add(annotator)
    return SlotHolders(judged, reserved)


def reserve_next_item(
    db: Database,
    study: Study,
    annotator: str,
    skipped_keys: Sequence[str],
    preferred_key: str | None,
    closed_keys: Collection[str],
) -> ReservationResult:
    """See `Journal.reserve_next_item`."""
    with db.transaction("No item could be reserved: {reason}."):
        check_not_withdrawn(db, annotator)
        if study.settings.per_item is not None:
            check_consented(db, annotator)
        _delete_ended_reservations(db)
        if study.is_over(db.now()):
            return ReservationResult(None, 0)
        result = _choose_item(study, load_slot_holders(db, study), annotator, skipped_keys, preferred_key, closed_keys)
        if study.settings.per_item is not None:
            db.execute("DELETE FROM reservations WHERE study = ? AND annotator = ?", [study.name, annotator])
            if result.item is not None:
                _insert_reservation(db, study.name, result.item.key, annotator)
        return result


def _choose_item(
    study: Study,
    holders: SlotHolders,
    annotator: str,
    skipped_keys: Sequence[str],
    preferred_key: str | None,
    closed_keys: Collection[str],
) -> ReservationResult:
    mine = {key for key, people in holders.judged_by.items() if annotator in people}
    others = [holders.items_held_by(one) for one in sorted(holders.annotators() - {annotator})]
    taken = {item.key: holders.slots_taken_by_others(item.key, annotator) + (item.key in mine) for item in study.order}
    state = AssignmentState(taken, mine, skipped_keys, others, closed_keys)
    reserved = [key for key, people in holders.reserved_by.items() if annotator in people and key not in skipped_keys]
    free = {item.key: item for item in list_available_items(study.order, study.settings, state)}
    item = next((free[key] for key in (preferred_key, *reserved) if key in free), None)
    item = item or select_next_item(study.order, study.settings, state)
    return ReservationResult(item, count_heads(free.values()))


def _delete_ended_reservations(db: Database) -> None:
    now = db.now()
    db.execute("DELETE FROM reservations WHERE until <= ?", [utc_timestamp(now)])
    db.execute("UPDATE reservations SET until = ?1 WHERE until > ?1", [utc_timestamp(now + RESERVATION_DURATION)])


def _insert_reservation(db: Database, study: str, item_key: str, annotator: str) -> None:
    now = db.now()
    db.execute(
        "INSERT INTO reservations (study, item, annotator, reserved_at, until) VALUES (?, ?, ?, ?, ?)",
        [study, item_key, annotator, utc_timestamp(now), utc_timestamp(now + RESERVATION_DURATION)],
    )


def renew_reservation(db: Database, study: str, item_key: str, annotator: str) -> bool:
    """See `Journal.renew_reservation`."""
    with db.transaction("The reservation could not be extended: {reason}."):
        _delete_ended_reservations(db)
        where = "WHERE study = ? AND item = ? AND annotator = ?"
        until = utc_timestamp(db.now() + RESERVATION_DURATION)
        return bool(db.execute(f"UPDATE reservations SET until = ? {where}", [until, study, item_key, annotator]))


def release_reservation(db: Database, study: str, item_key: str, annotator: str) -> None:
    """See `Journal.release_reservation`."""
    with db.transaction("The reservation could not be ended: {reason}."):
        where = "WHERE study = ? AND item = ? AND annotator = ?"
        db.execute(f"DELETE FROM reservations {where}", [study, item_key, annotator])


def take_slot(db: Database, judgment: Judgment, study: Study) -> None:
    """Checks that a judgment has a slot and ends its reservation, inside the transaction that stores the judgment.

    Raises JournalError if the study has no such item, or if the annotator has not reserved the item and the deadline
    has passed or all slots are taken. A changed answer needs no slot.
    """
    item, annotator = judgment.item, judgment.annotator
    if item.study != study.name or (item.key not in study.item_by_key and item.item_kind not in KINDS_OUTSIDE_ORDER):
        raise JournalError("Your answer was not stored: the study does not contain this item. Reload the page.")
    _delete_ended_reservations(db)
    reserved = db.execute(
        "DELETE FROM reservations WHERE study = ? AND item = ? AND annotator = ?", [study.name, item.key, annotator]
    )
    if reserved or item.item_kind in KINDS_OUTSIDE_ORDER:
        return
    if study.is_over(db.now()):
        raise JournalError("Your answer was not stored: the study's deadline has passed.")
    limit = study.settings.per_item
    if limit is None or item.item_kind == "overlap" or judgment.supersedes is not None:
        return
    if load_slot_holders(db, study).slots_taken_by_others(item.key, annotator) >= limit:
        raise JournalError(
            "Your answer was not stored: others judged this item in the meantime, so it needs no more judgments. "
            "Continue with the next item."
        )


def check_not_withdrawn(db: Database, annotator: str) -> None:
    """Raises JournalError for a person who withdrew."""
    if db.select("SELECT 1 FROM withdrawals WHERE annotator = ?", [annotator]):
        raise JournalError("You withdrew your answers, so nothing of yours is stored any more.")


def check_consented(db: Database, annotator: str) -> None:
    """Raises JournalError for a person who did not consent or who withdrew."""
    check_not_withdrawn(db, annotator)
    if not db.select("SELECT 1 FROM annotators WHERE pseudonym = ?", [annotator]):
        raise JournalError("Please agree to the consent sentence before you answer.")
