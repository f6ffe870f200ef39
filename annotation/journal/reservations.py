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

from annotation.journal.database import Database, JournalError, stamp
from annotation.study.next_item import Situation, heads_of, next_for, open_to
from annotation.study.study import Study
from annotation.types import ITEM_COLUMNS, Item, Judgment

RESERVED_FOR = timedelta(minutes=30)
NOT_WITHDRAWN = "annotator NOT IN (SELECT annotator FROM withdrawals)"
OUTSIDE = ("practice", "adjudication")  # kinds that are no item of the study's order


@dataclass(frozen=True)
class Places:
    """By item key, who has judged the item, and who has it reserved at the moment."""

    judged: dict[str, set[str]]
    reserved: dict[str, set[str]]

    def held(self, annotator: str) -> set[str]:
        """The items that someone has judged or reserved."""
        return {key for where in (self.judged, self.reserved) for key, people in where.items() if annotator in people}

    def people(self) -> set[str]:
        """Everybody who has begun."""
        return set().union(*self.judged.values(), *self.reserved.values())

    def taken(self, key: str, annotator: str) -> int:
        """How many other people have judged or reserved an item."""
        return len((self.judged.get(key, set()) | self.reserved.get(key, set())) - {annotator})


@dataclass(frozen=True)
class Claim:
    """What somebody who asks is given: the item, None where there is none for them.

    `heads` counts the heads that were open to them at that moment, the item's own among them.
    """

    item: Item | None
    heads: int


def places(db: Database, study: Study) -> Places:
    """The present state of a study's items; those who withdrew do not count."""
    judged: dict[str, set[str]] = {}
    columns = ", ".join(ITEM_COLUMNS)
    first = (  # a changed answer supersedes one to the same item, so everybody has one first answer to it
        f"SELECT {columns}, json_group_array(annotator) FROM judgments "
        f"WHERE study = ? AND supersedes IS NULL AND {NOT_WITHDRAWN} GROUP BY {columns}"
    )
    for *item, people in db.select(first, [study.name]):
        if (key := study.keys.get(tuple(item))) is not None:
            judged[key] = set(json.loads(people))
    reserved: dict[str, set[str]] = {}
    live = "SELECT item, annotator FROM reservations WHERE study = ? AND until > ?"
    for key, annotator in db.select(live, [study.name, stamp(db.now())]):
        reserved.setdefault(key, set()).add(annotator)
    return Places(judged, reserved)


def claim(
    db: Database, study: Study, annotator: str, skipped: Sequence[str], wanted: str | None, closed: Collection[str]
) -> Claim:
    """The item for somebody who asks, reserved; see Journal.claim."""
    with db.transaction("No item could be reserved: {reason}."):
        check_not_withdrawn(db, annotator)
        if study.settings.per_item is not None:
            check_welcome(db, annotator)
        _sweep(db)
        if study.over(db.now()):
            return Claim(None, 0)
        claimed = _chosen(study, places(db, study), annotator, skipped, wanted, closed)
        if study.settings.per_item is not None:
            db.execute("DELETE FROM reservations WHERE study = ? AND annotator = ?", [study.name, annotator])
            if claimed.item is not None:
                _reserve(db, study.name, claimed.item.key, annotator)
        return claimed


def _chosen(
    study: Study, found: Places, annotator: str, skipped: Sequence[str], wanted: str | None, closed: Collection[str]
) -> Claim:
    mine = {key for key, people in found.judged.items() if annotator in people}
    others = [found.held(one) for one in sorted(found.people() - {annotator})]
    taken = {item.key: found.taken(item.key, annotator) + (item.key in mine) for item in study.order}
    now = Situation(taken, mine, skipped, others, closed)
    reserved = [key for key, people in found.reserved.items() if annotator in people and key not in skipped]
    free = {item.key: item for item in open_to(study.order, study.settings, now)}
    kept = next((free[key] for key in (wanted, *reserved) if key in free), None)
    return Claim(kept or next_for(study.order, study.settings, now), heads_of(free.values()))


def _sweep(db: Database) -> None:
    now = db.now()
    db.execute("DELETE FROM reservations WHERE until <= ?", [stamp(now)])
    db.execute("UPDATE reservations SET until = ?1 WHERE until > ?1", [stamp(now + RESERVED_FOR)])


def _reserve(db: Database, study: str, item: str, annotator: str) -> None:
    now = db.now()
    db.execute(
        "INSERT INTO reservations (study, item, annotator, reserved_at, until) VALUES (?, ?, ?, ?, ?)",
        [study, item, annotator, stamp(now), stamp(now + RESERVED_FOR)],
    )


def renew(db: Database, study: str, item: str, annotator: str) -> bool:
    """Lets a live reservation begin anew; see Journal.renew."""
    with db.transaction("The item could not be kept reserved: {reason}."):
        _sweep(db)
        where = "WHERE study = ? AND item = ? AND annotator = ?"
        until = stamp(db.now() + RESERVED_FOR)
        return bool(db.execute(f"UPDATE reservations SET until = ? {where}", [until, study, item, annotator]))


def release(db: Database, study: str, item: str, annotator: str) -> None:
    """Ends a reservation."""
    with db.transaction("The item could not be set free: {reason}."):
        where = "WHERE study = ? AND item = ? AND annotator = ?"
        db.execute(f"DELETE FROM reservations {where}", [study, item, annotator])


def take_place(db: Database, judgment: Judgment, study: Study) -> None:
    """Inside the transaction that stores a judgment: checks that there is a place for it, and ends its reservation.

    Raises JournalError where the study has no such item, its deadline has passed, or the item has its judgments and
    this annotator has not reserved it. A changed answer takes no place.
    """
    item, annotator = judgment.item, judgment.annotator
    if item.study != study.name or (item.key not in study.by_key and item.item_kind not in OUTSIDE):
        raise JournalError("Your answer was not stored: the study has no such item. Reload the page.")
    _sweep(db)
    reserved = db.execute(
        "DELETE FROM reservations WHERE study = ? AND item = ? AND annotator = ?", [study.name, item.key, annotator]
    )
    if reserved or item.item_kind in OUTSIDE:
        return
    if study.over(db.now()):
        raise JournalError("Your answer was not stored: the study is over, its deadline has passed.")
    limit = study.settings.per_item
    if limit is None or item.item_kind == "overlap" or judgment.supersedes is not None:
        return
    if places(db, study).taken(item.key, annotator) >= limit:
        raise JournalError(
            "Your answer was not stored: others have judged this item since, and it needs no more judgments. "
            "Go on with the next item."
        )


def check_not_withdrawn(db: Database, annotator: str) -> None:
    """Raises JournalError for somebody who has withdrawn."""
    if db.select("SELECT 1 FROM withdrawals WHERE annotator = ?", [annotator]):
        raise JournalError("You have withdrawn your answers, so nothing of yours is stored any more.")


def check_welcome(db: Database, annotator: str) -> None:
    """Raises JournalError for somebody who has not consented or has withdrawn."""
    check_not_withdrawn(db, annotator)
    if not db.select("SELECT 1 FROM annotators WHERE pseudonym = ?", [annotator]):
        raise JournalError("Please agree to what is stored before you answer.")
