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
from annotation.form import Answers
from annotation.journal.journal import JournalError
from annotation.study.next_item import Progress, Situation, heads_of, open_to, progress
from annotation.study.practice import Example
from annotation.study.study import Study
from annotation.types import Item, Judgment, Receipt
from maps.types import HeadId
from space.studies.current import closed, stale_keys
from space.studies.participant import JUDGMENT_ID, LONGEST_SITTING, Seat, judged

NOTHING = Answers(None, None, None, "")


@dataclass(frozen=True)
class Desk:
    """An item on the desk; `item` is None where there is none, `closed` then says why if judging is closed.

    `earlier` is the annotator's stored judgment of it, `replaces` the id of the one that was on the page when the
    item was opened, so that an answer from another tab is not replaced unseen. `skipped` are handles, `heads` is how
    many heads are open to the annotator, where that was found out on claiming.
    """

    seat: Seat
    item: Item | None
    answers: Answers
    judgment_id: str
    started_at: datetime
    replaces: str | None
    skipped: tuple[str, ...]
    earlier: Judgment | None
    closed: str | None = None
    heads: int | None = field(default=None, compare=False)

    @cached_property
    def progress(self) -> Progress:
        """How far the annotator is; only looked up for a desk that is shown, as it asks for all their judgments."""
        return how_far(self.seat, [row for row in judged(self.seat) if row.item_kind != "practice"], self.heads)

    @property
    def example(self) -> Example | None:
        """The worked example on the desk, if it is one."""
        return self.seat.examples.get(self.item.key) if self.item else None

    def kept(self) -> dict[str, Any]:
        """What the browser keeps of the item, so that a reload or another handler finds it again."""
        return {
            "study": self.seat.study.name,
            "item": self.seat.handle(self.item) if self.item else None,
            "judgment_id": self.judgment_id,
            "started_at": self.started_at.isoformat(),
            "replaces": self.replaces,
            "skipped": list(self.skipped),
        }

    def draft(self) -> dict[str, Any]:
        """The answers as the browser keeps them."""
        a = self.answers
        return {"judgment_id": self.judgment_id, "answers": [a.presence, a.precision, a.category, a.comment]}


def skipped_in(kept: object) -> tuple[str, ...]:
    """The skipped items' handles in a desk from a browser."""
    found = kept.get("skipped") if isinstance(kept, dict) else None
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()


def next_desk(seat: Seat, skipped: tuple[str, ...], wanted: Item | None = None) -> Desk:
    """The next open item, fresh: a worked example first, the `wanted` one before others where it can be had."""
    if (reason := closed(seat.services, seat.study)) is not None:
        return replace(laid(seat, None, skipped), closed=reason)
    done = {row.item.key for row in judged(seat)} if seat.examples else set()
    example = next((one.item for key, one in seat.examples.items() if key not in done), None)
    if example is not None:
        return laid(seat, example, skipped)
    skipped = tuple(each for each in dict.fromkeys(skipped) if each in seat.items)
    stale = stale_keys(seat.services, seat.study)
    keys = [seat.items[each].key for each in skipped]
    key = None if wanted is None else wanted.key
    claimed = seat.services.journal.claim(seat.study, seat.who.pseudonym, keys, key, stale)
    return replace(laid(seat, claimed.item, skipped), heads=claimed.heads)


def laid(seat: Seat, item: Item | None, skipped: tuple[str, ...]) -> Desk:
    """An item with the annotator's earlier answers to it, if there are any."""
    earlier = None if item is None else answered(seat, item)
    answers = Answers(earlier.presence, earlier.precision, earlier.category, earlier.comment) if earlier else NOTHING
    replaces = earlier.judgment_id if earlier else None
    return Desk(seat, item, answers, uuid.uuid4().hex, datetime.now(UTC), replaces, skipped, earlier)


def answered(seat: Seat, item: Item) -> Judgment | None:
    """The annotator's current judgment of an item."""
    return next(iter(seat.services.journal.current(seat.study.name, seat.who.pseudonym, item)), None)


def how_far(seat: Seat, rows: list[Judgment], heads: int | None = None) -> Progress:
    """Progress over what this annotator can be asked: of a created study what is done and what is open to them now.

    That is counted here unless `heads`, the number of heads that are open, is known.
    """
    study, mine = seat.study, {row.item.key for row in rows}
    found = progress(study.order, mine, [row.seconds for row in rows])
    if seat.is_open:
        return found
    if heads is None:
        heads = open_heads(seat, mine)
    most = study.settings.per_annotator
    left = heads if most is None else min(heads, max(0, most - len(mine)))
    pace = None if found.minutes_left is None else found.minutes_left / max(1, found.total - found.done)
    return Progress(len(mine), len(mine) + left, None if pace is None else pace * left)


def open_heads(seat: Seat, mine: set[str]) -> int:
    """How many heads are open to this annotator, who has judged the items with these keys."""
    study, places = seat.study, seat.services.journal.places(seat.study)
    taken = {item.key: places.taken(item.key, seat.who.pseudonym) for item in study.order}
    situation = Situation(taken, mine, closed=stale_keys(seat.services, study))
    return heads_of(open_to(study.order, study.settings, situation))


def first_desk(seat: Seat, kept: object) -> Desk:
    """What lies there after signing in: the item that the address asked for, else the next open one."""
    wanted = kept.get("wanted") if isinstance(kept, dict) else None
    item = seat.items.get(wanted) if isinstance(wanted, str) else None
    return next_desk(seat, ()) if item is None else opened_desk(seat, item, ())


def kept_desk(seat: Seat, kept: object) -> Desk | None:
    """The item that a browser has on its desk; None where what it sends is of no use."""
    handle = kept.get("item") if isinstance(kept, dict) else None
    item = seat.items.get(handle) if isinstance(handle, str) else None
    if item is None or not isinstance(kept, dict) or kept.get("study") != seat.study.name:
        return None
    judgment_id, replaces = kept.get("judgment_id"), kept.get("replaces")
    if not isinstance(judgment_id, str) or not JUDGMENT_ID.fullmatch(judgment_id):
        return None
    desk = laid(seat, item, skipped_in(kept))
    return replace(
        desk,
        judgment_id=judgment_id,
        replaces=replaces if isinstance(replaces, str) else None,
        started_at=started_in(kept) or desk.started_at,
    )


def restored_desk(seat: Seat, kept: object, draft: object) -> Desk:
    """What a reload shows: the item with the answers so far, or the next open one where it was stored meanwhile.

    An item whose reservation has ended is reserved again where it still can be.
    """
    desk = kept_desk(seat, kept)
    stored = desk is not None and desk.earlier is not None and desk.earlier.judgment_id != desk.replaces
    if desk is None or stored:
        return next_desk(seat, skipped_in(kept))
    if desk.earlier is None:
        fresh = next_desk(seat, desk.skipped, desk.item)
        if fresh.item != desk.item:
            return fresh
    if not isinstance(draft, dict) or draft.get("judgment_id") != desk.judgment_id:
        return desk
    return replace(desk, answers=drafted(draft))


def drafted(draft: dict[str, Any]) -> Answers:
    """The answers in a draft; codes that are none are left out."""
    found = draft.get("answers")
    four = found if isinstance(found, list) and len(found) == 4 else [None] * 4
    words = [value if isinstance(value, str) else None for value in four]
    codes = [question.codes for question in form.QUESTIONS]
    chosen = [word if word in allowed else None for word, allowed in zip(words[:3], codes, strict=True)]
    return form.cleared(chosen[0], chosen[1], chosen[2], words[3])


def started_in(kept: dict[str, Any]) -> datetime | None:
    """When the browser says that its item was opened; a time without zone, in the future or a week ago is none."""
    try:
        moment = datetime.fromisoformat(str(kept.get("started_at")))
        moment = moment.astimezone(UTC) if moment.tzinfo is not None else datetime.max.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    now = datetime.now(UTC)
    return moment if now - LONGEST_SITTING <= moment <= now else None


def earlier_desk(seat: Seat, desk: Desk) -> Desk:
    """The item judged before the one on the desk; the first stays. Worked examples are not come back to."""
    items = [row.item for row in judged(seat) if row.item_kind != "practice"]
    at = items.index(desk.item) if desk.item in items else len(items)
    return laid(seat, items[max(at - 1, 0)], desk.skipped) if items else desk


def opened_desk(seat: Seat, item: Item, skipped: tuple[str, ...]) -> Desk:
    """A certain item: one's own answer to it, or the item where it can be had; else the next."""
    return next_desk(seat, skipped, item) if answered(seat, item) is None else laid(seat, item, skipped)


def wanted_item(study: Study, head: HeadId | None) -> Item | None:
    """The item of a head that an address asks to judge, where it is in the study."""
    return None if head is None else study.by_head.get(head)


def submit(desk: Desk) -> tuple[Judgment, Receipt]:
    """Stores the desk's answers; returns the row and the receipt once it is on disk. JournalError where it can't be."""
    seat = desk.seat
    if desk.item is None:
        raise ValueError("nothing lies on the desk")
    if (reason := closed(seat.services, seat.study)) is not None:
        raise JournalError(f"Your answer was not stored. {reason}")
    if desk.example is not None and desk.replaces is not None:
        raise JournalError("A worked example is answered once; go on with the next.")
    row = form.judgment(
        desk.item,
        desk.answers,
        judgment_id=desk.judgment_id,
        annotator=seat.who.pseudonym,
        started_at=desk.started_at,
        submitted_at=datetime.now(UTC),
        supersedes=desk.replaces,
        app_version=seat.services.app_version,
    )
    return row, seat.services.journal.record(row, seat.study)
