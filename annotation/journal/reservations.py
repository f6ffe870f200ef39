"""Who works on which item: reservations that expire, so that no item gets more judgments than were asked for.

Functions over the journal's database. A reservation ends 30 minutes after it was made or renewed, by the clock. One
that ends later, since the clock has been put back, is shortened to 30 minutes; one that has ended is deleted before
anything is decided, so that it cannot come to life again.
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
KINDS_OUTSIDE_ORDER = ("practice", "adjudication")  # kinds that are no item of the study's order


@dataclass(frozen=True)
class SlotHolders:
    """By item key, who has judged the item, and who has it reserved at the moment."""

    judged_by: dict[str, set[str]]
    reserved_by: dict[str, set[str]]

    def items_held_by(self, annotator: str) -> set[str]:
        """The items that someone has judged or reserved."""
        return {
            key for where in (self.judged_by, self.reserved_by) for key, people in where.items() if annotator in people
        }

    def annotators(self) -> set[str]:
        """Everybody who has begun."""
        return set().union(*self.judged_by.values(), *self.reserved_by.values())

    def slots_taken_by_others(self, item_key: str, annotator: str) -> int:
        """How many other people have judged or reserved an item."""
        return len((self.judged_by.get(item_key, set()) | self.reserved_by.get(item_key, set())) - {annotator})


@dataclass(frozen=True)
class ReservationResult:
    """What somebody who asks is given: the item, None where there is none for them.

    `available_heads` counts the heads that were open to them at that moment, the item's own among them.
    """

    item: StudyItem | None
    available_heads: int


def load_slot_holders(db: Database, study: Study) -> SlotHolders:
    """The present state of a study's items; those who withdrew do not count."""
    judged: dict[str, set[str]] = {}
    columns = ", ".join(ITEM_COLUMNS)
    first = (  # a changed answer supersedes one to the same item, so everybody has one first answer to it
        f"SELECT {columns}, json_group_array(annotator) FROM judgments "
        f"WHERE study = ? AND supersedes IS NULL AND {NOT_WITHDRAWN_SQL} GROUP BY {columns}"
    )
    for *item, people in db.select(first, [study.name]):
        if (key := study.key_by_columns.get(tuple(item))) is not None:
            judged[key] = set(json.loads(people))
    reserved: dict[str, set[str]] = {}
    live = "SELECT item, annotator FROM reservations WHERE study = ? AND until > ?"
    for key, annotator in db.select(live, [study.name, utc_timestamp(db.now())]):
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
    """The item for somebody who asks, reserved; see Journal.claim."""
    with db.transaction("No item could be reserved: {reason}."):
        check_not_withdrawn(db, annotator)
        if study.settings.per_item is not None:
            check_consented(db, annotator)
        _delete_ended_reservations(db)
        if study.is_over(db.now()):
            return ReservationResult(None, 0)
        claimed = _choose_item(study, load_slot_holders(db, study), annotator, skipped_keys, preferred_key, closed_keys)
        if study.settings.per_item is not None:
            db.execute("DELETE FROM reservations WHERE study = ? AND annotator = ?", [study.name, annotator])
            if claimed.item is not None:
                _insert_reservation(db, study.name, claimed.item.key, annotator)
        return claimed


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
    now = AssignmentState(taken, mine, skipped_keys, others, closed_keys)
    reserved = [key for key, people in holders.reserved_by.items() if annotator in people and key not in skipped_keys]
    free = {item.key: item for item in list_available_items(study.order, study.settings, now)}
    kept = next((free[key] for key in (preferred_key, *reserved) if key in free), None)
    return ReservationResult(kept or select_next_item(study.order, study.settings, now), count_heads(free.values()))


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
    """Lets a live reservation begin anew; see Journal.renew."""
    with db.transaction("The item could not be kept reserved: {reason}."):
        _delete_ended_reservations(db)
        where = "WHERE study = ? AND item = ? AND annotator = ?"
        until = utc_timestamp(db.now() + RESERVATION_DURATION)
        return bool(db.execute(f"UPDATE reservations SET until = ? {where}", [until, study, item_key, annotator]))


def release_reservation(db: Database, study: str, item_key: str, annotator: str) -> None:
    """Ends a reservation."""
    with db.transaction("The item could not be set free: {reason}."):
        where = "WHERE study = ? AND item = ? AND annotator = ?"
        db.execute(f"DELETE FROM reservations {where}", [study, item_key, annotator])


def take_slot(db: Database, judgment: Judgment, study: Study) -> None:
    """Inside the transaction that stores a judgment: checks that there is a place for it, and ends its reservation.

    Raises JournalError where the study has no such item, its deadline has passed, or the item has its judgments and
    this annotator has not reserved it. A changed answer takes no place.
    """
    item, annotator = judgment.item, judgment.annotator
    if item.study != study.name or (item.key not in study.item_by_key and item.item_kind not in KINDS_OUTSIDE_ORDER):
        raise JournalError("Your answer was not stored: the study has no such item. Reload the page.")
    _delete_ended_reservations(db)
    reserved = db.execute(
        "DELETE FROM reservations WHERE study = ? AND item = ? AND annotator = ?", [study.name, item.key, annotator]
    )
    if reserved or item.item_kind in KINDS_OUTSIDE_ORDER:
        return
    if study.is_over(db.now()):
        raise JournalError("Your answer was not stored: the study is over, its deadline has passed.")
    limit = study.settings.per_item
    if limit is None or item.item_kind == "overlap" or judgment.supersedes is not None:
        return
    if load_slot_holders(db, study).slots_taken_by_others(item.key, annotator) >= limit:
        raise JournalError(
            "Your answer was not stored: others have judged this item since, and it needs no more judgments. "
            "Go on with the next item."
        )


def check_not_withdrawn(db: Database, annotator: str) -> None:
    """Raises JournalError for somebody who has withdrawn."""
    if db.select("SELECT 1 FROM withdrawals WHERE annotator = ?", [annotator]):
        raise JournalError("You have withdrawn your answers, so nothing of yours is stored any more.")


def check_consented(db: Database, annotator: str) -> None:
    """Raises JournalError for somebody who has not consented or has withdrawn."""
    check_not_withdrawn(db, annotator)
    if not db.select("SELECT 1 FROM annotators WHERE pseudonym = ?", [annotator]):
        raise JournalError("Please agree to what is stored before you answer.")
