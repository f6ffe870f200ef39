"""What lies before an annotator: the item, the answers so far, how far they are. Turns answers into a judgment.

Desk and draft live in the browser, so nothing in them is trusted: items are looked up in the study, the annotator comes
from the signed token, answers are checked again, and an earlier answer is only replaced where the journal has it.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from annotation import form
from annotation.assignment import Progress, progress
from annotation.form import Answers
from annotation.types import Item, Judgment, Receipt
from space.services import Services
from space.sessions import Annotator

JUDGMENT_ID = re.compile(r"[0-9a-f]{32}")
LONGEST_SITTING = timedelta(days=7)
NOTHING = Answers(None, None, None, "")


@dataclass(frozen=True)
class Desk:
    """An item on the desk; `item` is None where all are judged.

    `earlier` is the annotator's stored judgment of it, `replaces` the id of the one that was on the page when the
    item was opened, so that an answer from another tab is not replaced unseen.
    """

    item: Item | None
    answers: Answers
    judgment_id: str
    started_at: datetime
    replaces: str | None
    skipped: tuple[str, ...]
    earlier: Judgment | None
    progress: Progress

    def kept(self) -> dict[str, Any]:
        """What the browser keeps of the item, so that a reload or another handler finds it again."""
        return {
            "item": self.item.key if self.item else None,
            "judgment_id": self.judgment_id,
            "started_at": self.started_at.isoformat(),
            "replaces": self.replaces,
            "skipped": list(self.skipped),
        }

    def draft(self) -> dict[str, Any]:
        """The answers as the browser keeps them."""
        a = self.answers
        return {"judgment_id": self.judgment_id, "answers": [a.presence, a.precision, a.category, a.comment]}


def judged(services: Services, who: Annotator) -> list[Judgment]:
    """The annotator's current judgments of the study's present items, in the order of answering."""
    known = services.study.by_key
    return [row for row in services.journal.current(services.study.name, who.pseudonym) if row.item.key in known]


def skipped_in(kept: object) -> tuple[str, ...]:
    """The skipped items' keys in a desk from a browser."""
    found = kept.get("skipped") if isinstance(kept, dict) else None
    return tuple(key for key in found if isinstance(key, str)) if isinstance(found, list) else ()


def next_desk(services: Services, who: Annotator, skipped: tuple[str, ...]) -> Desk:
    """The next open item, fresh."""
    item = services.journal.claim(services.study, who.pseudonym, skipped)
    return laid(services, judged(services, who), item, skipped)


def laid(services: Services, rows: list[Judgment], item: Item | None, skipped: tuple[str, ...]) -> Desk:
    """An item with the annotator's earlier answers to it, if there are any."""
    earlier = next((row for row in rows if row.item == item), None)
    answers = Answers(earlier.presence, earlier.precision, earlier.category, earlier.comment) if earlier else NOTHING
    order, seconds = services.study.order, [row.seconds for row in rows]
    done = progress(order, {row.item.key for row in rows}, seconds)
    replaces = earlier.judgment_id if earlier else None
    return Desk(item, answers, uuid.uuid4().hex, datetime.now(UTC), replaces, skipped, earlier, done)


def first_desk(services: Services, who: Annotator, kept: object) -> Desk:
    """What lies there after signing in: the item that the address asked for, else the next open one."""
    wanted = kept.get("wanted") if isinstance(kept, dict) else None
    item = services.study.by_key.get(wanted) if isinstance(wanted, str) else None
    return next_desk(services, who, ()) if item is None else opened_desk(services, who, item, ())


def kept_desk(services: Services, who: Annotator, kept: object) -> Desk | None:
    """The item that a browser has on its desk; None where what it sends is of no use."""
    key = kept.get("item") if isinstance(kept, dict) else None
    item = services.study.by_key.get(key) if isinstance(key, str) else None
    if item is None or not isinstance(kept, dict):
        return None
    judgment_id, replaces = kept.get("judgment_id"), kept.get("replaces")
    if not isinstance(judgment_id, str) or not JUDGMENT_ID.fullmatch(judgment_id):
        return None
    desk = laid(services, judged(services, who), item, skipped_in(kept))
    return replace(
        desk,
        judgment_id=judgment_id,
        replaces=replaces if isinstance(replaces, str) else None,
        started_at=started_in(kept) or desk.started_at,
    )


def restored_desk(services: Services, who: Annotator, kept: object, draft: object) -> Desk:
    """What a reload shows: the item with the answers so far, or the next open one where it was stored meanwhile."""
    desk = kept_desk(services, who, kept)
    stored = desk is not None and desk.earlier is not None and desk.earlier.judgment_id != desk.replaces
    if desk is None or stored:
        return next_desk(services, who, skipped_in(kept))
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


def earlier_desk(services: Services, who: Annotator, desk: Desk) -> Desk:
    """The item judged before the one on the desk; the first stays."""
    rows = judged(services, who)
    items = [row.item for row in rows]
    at = items.index(desk.item) if desk.item in items else len(items)
    return laid(services, rows, items[max(at - 1, 0)], desk.skipped) if items else desk


def opened_desk(services: Services, who: Annotator, item: Item, skipped: tuple[str, ...]) -> Desk:
    """A certain item."""
    return laid(services, judged(services, who), item, skipped)


def submit(services: Services, who: Annotator, desk: Desk) -> Receipt:
    """Stores the desk's answers; returns the receipt once they are on disk. Raises JournalError where they can't be."""
    if desk.item is None:
        raise ValueError("nothing lies on the desk")
    row = form.judgment(
        desk.item,
        desk.answers,
        judgment_id=desk.judgment_id,
        annotator=who.pseudonym,
        started_at=desk.started_at,
        submitted_at=datetime.now(UTC),
        supersedes=desk.replaces,
        app_version=services.app_version,
    )
    return services.journal.record(row, services.study)
