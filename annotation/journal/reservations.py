"""Reservations of items, which expire: they keep an item from getting more judgments than the study asks for.

Functions on the journal's database. A reservation ends 30 minutes after it was made or renewed. If the clock was set
back, a reservation that would last longer is shortened to 30 minutes. Ended reservations are deleted before anything
is decided, so that a clock set back cannot revive them.

A newcomer has no stored answer in the study yet (practice items do not count). Names cost nothing, so the reservations
of newcomers are short, few of them count against others, and none does where somebody would stand without an item.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from annotation.errors import JournalError
from annotation.journal import endings
from annotation.journal.database import Database
from annotation.journal.study_changes import is_paused
from annotation.sqlite_file import utc_timestamp
from annotation.study.assignment import ItemRequest
from annotation.study.next_item import AssignmentState, count_subjects, list_available_items, select_next_item
from annotation.study.study import Study
from annotation.types import StudyItem

RESERVATION_DURATION = timedelta(minutes=30)
NEWCOMER_DURATION = timedelta(minutes=10)  # renewed while the page is active, but for RESERVATION_DURATION in all
COUNTED_NEWCOMERS = 8  # in a study; the newest reservations count
KINDS_OUTSIDE_ORDER = ("practice", "adjudication")  # items of these kinds are not in the study's order


@dataclass(frozen=True)
class SlotHolders:
    """By item key, the people who judged the item, and those who have it reserved now.

    `newcomers` are the people among the latter who have judged nothing yet, the newest reservation first.
    """

    judged_by: Mapping[str, set[str]]
    reserved_by: dict[str, set[str]]
    newcomers: tuple[str, ...] = ()

    def against(self, annotator: str, counted_newcomers: int = COUNTED_NEWCOMERS) -> SlotHolders:
        """The holders that count when this person wants an item: of the other newcomers only the newest."""
        others = [one for one in self.newcomers if one != annotator]
        yielding = set(others[counted_newcomers:])
        reserved = {key: left for key, people in self.reserved_by.items() if (left := people - yielding)}
        return SlotHolders(self.judged_by, reserved, tuple(others[:counted_newcomers]))

    def slots_taken_by_others(self, item_key: str, annotator: str) -> int:
        return len((self.judged_by.get(item_key, set()) | self.reserved_by.get(item_key, set())) - {annotator})


@dataclass(frozen=True)
class ReservationResult:
    """The item for the person who asked, or None, and how many heads were open to them, the item's own included."""

    item: StudyItem | None
    available_heads: int


def load_slot_holders(db: Database, study: Study) -> SlotHolders:
    """Who has judged or reserved which item of a study, without people who withdrew."""
    judged, known = db.assignments.judgments(study)
    reserved: dict[str, set[str]] = {}
    newest_first = "reservations WHERE study = ? AND until > ? ORDER BY reserved_at DESC, rowid DESC"
    query = f"SELECT json_group_array(json_array(item, annotator)) FROM (SELECT item, annotator FROM {newest_first})"
    pairs = db.select_json(query, [study.name, utc_timestamp(db.now())])
    for key, annotator in pairs:
        reserved.setdefault(key, set()).add(annotator)
    return SlotHolders(judged, reserved, tuple(annotator for _, annotator in pairs if annotator not in known))


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
        delete_ended_reservations(db)
        holders = load_slot_holders(db, study)
        endings.record_if_due(db, study, holders.judged_by)
        if endings.over_reason(db, study) is not None or is_paused(db, study.name):
            return ReservationResult(None, 0)
        asked = ItemRequest(annotator, skipped_keys, preferred_key, closed_keys, load_given_keys(db, study, annotator))
        result = _choose_item(db, study, holders, asked)
        if study.settings.per_item is not None:
            _reserve_only(db, study.name, result.item.key if result.item else None, annotator)
        return result


def _choose_item(db: Database, study: Study, holders: SlotHolders, asked: ItemRequest) -> ReservationResult:
    """The item for a person. If there is none, the other newcomers' reservations yield, the oldest first.

    Two people may then work on one item. The journal stores the answers of the first.
    """
    counted = holders.against(asked.annotator)
    while True:
        result = _choose_item_against(db, study, counted, asked)
        if result.item is not None or not counted.newcomers:
            return result
        counted = holders.against(asked.annotator, len(counted.newcomers) - 1)


def _choose_item_against(db: Database, study: Study, holders: SlotHolders, asked: ItemRequest) -> ReservationResult:
    if study.settings.per_item is not None:
        return ReservationResult(*db.assignments.index(study).choose(holders.reserved_by, asked))
    who, order, limits = asked.annotator, study.order, study.settings
    mine = {key for key, people in holders.judged_by.items() if who in people}
    state = AssignmentState({}, mine, asked.skipped_keys, (), asked.closed_keys, asked.given_keys)
    free = list_available_items(order, limits, state)
    preferred = next((item for item in free if item.key == asked.preferred_key), None)
    return ReservationResult(preferred or select_next_item(order, limits, state), count_subjects(free, limits))


def load_given_keys(db: Database, study: Study, annotator: str) -> set[str]:
    """See `Journal.given_keys`."""
    query = "SELECT json_group_array(item) FROM given_items WHERE study = ? AND annotator = ?"
    return set(db.select_json(query, [study.name, annotator]))


def delete_ended_reservations(db: Database) -> None:
    """Deletes ended reservations, and shortens those that a clock set back would lengthen."""
    now = db.now()
    db.execute("DELETE FROM reservations WHERE until <= ?", [utc_timestamp(now)])
    db.execute(
        "UPDATE reservations SET reserved_at = min(reserved_at, ?1), until = min(until, ?2) "
        "WHERE reserved_at > ?1 OR until > ?2",
        [utc_timestamp(now), utc_timestamp(now + RESERVATION_DURATION)],
    )


def _reserve_only(db: Database, study: str, item_key: str | None, annotator: str) -> None:
    """Reserves this item for a person, or renews it, and ends their other reservations in the study."""
    where = "WHERE study = ? AND annotator = ?"
    db.execute(f"DELETE FROM reservations {where} AND item IS NOT ?", [study, annotator, item_key])
    if item_key is None or _extend_reservation(db, study, item_key, annotator):
        return
    now = db.now()
    until = now + (NEWCOMER_DURATION if _is_newcomer(db, study, annotator) else RESERVATION_DURATION)
    query = "INSERT INTO reservations (study, item, annotator, reserved_at, until) VALUES (?, ?, ?, ?, ?)"
    db.execute(query, [study, item_key, annotator, utc_timestamp(now), utc_timestamp(until)])
    query = "INSERT INTO given_items (study, annotator, item) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    db.execute(query, [study, annotator, item_key])


def _extend_reservation(db: Database, study: str, item_key: str, annotator: str) -> bool:
    """Extends a reservation from now; False if there is none. A newcomer's lasts `RESERVATION_DURATION` in all."""
    where, values = "WHERE study = ? AND item = ? AND annotator = ?", [study, item_key, annotator]
    rows = db.select(f"SELECT reserved_at FROM reservations {where}", values)
    if not rows:
        return False
    until = db.now() + RESERVATION_DURATION
    if _is_newcomer(db, study, annotator):
        reserved_at = datetime.fromisoformat(rows[0]["reserved_at"])
        until = min(db.now() + NEWCOMER_DURATION, reserved_at + RESERVATION_DURATION)
    db.execute(f"UPDATE reservations SET until = ? {where}", [utc_timestamp(until), *values])
    return True


def _is_newcomer(db: Database, study: str, annotator: str) -> bool:
    kinds = ", ".join(f"'{kind}'" for kind in KINDS_OUTSIDE_ORDER)
    query = f"SELECT 1 FROM judgments WHERE study = ? AND annotator = ? AND item_kind NOT IN ({kinds}) LIMIT 1"
    return not db.select(query, [study, annotator])


def renew_reservation(db: Database, study: str, item_key: str, annotator: str) -> bool:
    """See `Journal.renew_reservation`."""
    with db.transaction("The reservation could not be extended: {reason}."):
        delete_ended_reservations(db)
        return _extend_reservation(db, study, item_key, annotator)


def release_reservation(db: Database, study: str, item_key: str, annotator: str) -> None:
    """See `Journal.release_reservation`."""
    with db.transaction("The reservation could not be ended: {reason}."):
        where = "WHERE study = ? AND item = ? AND annotator = ?"
        db.execute(f"DELETE FROM reservations {where}", [study, item_key, annotator])


def check_not_withdrawn(db: Database, annotator: str) -> None:
    """Raises JournalError for a person who withdrew."""
    if db.select("SELECT 1 FROM withdrawals WHERE annotator = ?", [annotator]):
        raise JournalError("Your answers were withdrawn, so nothing of yours is stored any more.")


def check_consented(db: Database, annotator: str) -> None:
    """Raises JournalError for a person who did not consent or who withdrew."""
    check_not_withdrawn(db, annotator)
    if not db.select("SELECT 1 FROM annotators WHERE pseudonym = ?", [annotator]):
        raise JournalError("Please agree to the consent sentence before you answer.")
