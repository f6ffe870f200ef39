"""The copies that a browser keeps of its judgments until they are published, so that a lost disk loses none.

A copy is sealed: the browser cannot read the item's kind in it, nor change an answer. What comes back is checked as if
anybody had sent it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from annotation.form import GUIDELINES_VERSION
from annotation.identity.seals import sealed, unsealed
from annotation.journal.journal import JournalError
from annotation.types import Judgment, Withdrawal
from maps.errors import MapsError
from space.services import Services
from space.web.sessions import Annotator

MOST_IDS = 10_000  # more than a browser's storage holds
MOST_SEALS = 500  # in one request; the page sends the rest with the next

LOST = (
    "One answer that this server had lost was stored again.",
    "{} answers that this server had lost were stored again.",
)
OTHERS = (
    "One answer in this browser is somebody else's; it is stored again once they sign in here.",
    "{} answers in this browser are somebody else's; they are stored again once they sign in here.",
)
FOREIGN = (
    "One answer in this browser was sealed by another server and is not taken.",
    "{} answers in this browser were sealed by another server and are not taken.",
)


@dataclass(frozen=True)
class Resent:
    """What became of the copies that a browser sent: how many were stored again, in words; ids it may drop."""

    stored: int
    sentences: tuple[str, ...]
    drop: tuple[str, ...]


def copy_of(row: Judgment | Withdrawal, key: bytes) -> str:
    """A row, sealed for its browser."""
    kind = "judgment" if isinstance(row, Judgment) else "withdrawal"
    cells = {name: cell.isoformat() if isinstance(cell, datetime) else cell for name, cell in asdict(row).items()}
    return sealed(json.dumps([kind, cells], ensure_ascii=False), key)


def opened(seal: object, key: bytes) -> Judgment | Withdrawal | None:
    """The row in a copy; None where this server did not seal it."""
    text = unsealed(seal, key)
    if text is None:
        return None
    kind, cells = json.loads(text)
    for name in ("started_at", "submitted_at", "withdrawn_at"):
        if name in cells:
            cells[name] = datetime.fromisoformat(cells[name])
    return Judgment(**cells) if kind == "judgment" else Withdrawal(**cells)


def compared(services: Services, sent: object) -> dict[str, list[str]]:
    """Of the ids that a browser keeps copies of: those that it may drop, being published, and those that are missing.

    Raises MapsError for what no browser of ours sends.
    """
    ids = sent if isinstance(sent, list) else []
    if len(ids) > MOST_IDS or not all(isinstance(each, str) and len(each) <= 64 for each in ids):
        raise MapsError("What this browser keeps of your answers is not in order; please tell whoever runs the study.")
    journal = services.journal
    here = journal.known(ids) | journal.withdrawn().keys()  # a withdrawal goes by its annotator's pseudonym
    published = journal.published(ids).keys() | (journal.withdrawn().keys() - waiting(services))
    return {"drop": [each for each in ids if each in published], "missing": [e for e in ids if e not in here]}


def waiting(services: Services) -> set[str]:
    """Who withdrew without its being published yet."""
    return {row.annotator for row in services.journal.unpublished().withdrawals}


def resent(services: Services, who: Annotator | None, sent: object) -> Resent:
    """Stores what is missing of the copies that a browser sends; again, it changes nothing.

    Another person's copies are left where they are, and so is what the journal refuses: both are said.
    """
    seals = sent if isinstance(sent, list) else []
    if len(seals) > MOST_SEALS:
        raise MapsError(f"At most {MOST_SEALS} answers are taken at once; send the rest afterwards.")
    rows = [row for row in (opened(seal, services.key) for seal in seals) if row is not None]
    for row in rows:
        if isinstance(row, Withdrawal):
            _withdrawn_again(services, row)
    gone = services.journal.withdrawn()
    judgments = sorted((row for row in rows if isinstance(row, Judgment)), key=lambda row: row.submitted_at)
    drop = [row.judgment_id for row in judgments if row.annotator in gone]
    staying = [row for row in judgments if row.annotator not in gone]
    mine = [row for row in staying if who is not None and row.annotator == who.pseudonym]
    stored, refused = 0, []
    for row in mine:
        try:
            stored += _stored_again(services, who, row)
        except JournalError as error:
            refused.append(f"An answer of {row.submitted_at:%Y-%m-%d %H:%M} UTC was not stored again: {error}")
    counts = ((stored, LOST), (len(staying) - len(mine), OTHERS), (len(seals) - len(rows), FOREIGN))
    said = [(one if count == 1 else many).format(count) for count, (one, many) in counts if count]
    return Resent(stored, (*said, *dict.fromkeys(refused)), tuple(drop))


def _stored_again(services: Services, who: Annotator | None, row: Judgment) -> int:
    """Stores a judgment, and the consent that was there when it was first stored; 0 where it is there already.

    When they agreed is lost: at the latest when they began with the first of these items.
    """
    if who is not None and not agreed(services, who):
        services.journal.consent(who.pseudonym, who.name, row.guidelines_version, row.started_at)
    return not services.journal.record(row).duplicate


def _withdrawn_again(services: Services, row: Withdrawal) -> None:
    """Stores a withdrawal that was lost; the browser keeps it until it is published."""
    if row.annotator not in services.journal.withdrawn():
        services.journal.consent(row.annotator, None, GUIDELINES_VERSION)
        services.journal.withdraw(row.annotator)


def agreed(services: Services, who: Annotator) -> bool:
    """Whether somebody has agreed to the consent sentence under the present guidelines."""
    rows = services.journal.annotators()
    return any((row.pseudonym, row.guidelines_version) == (who.pseudonym, GUIDELINES_VERSION) for row in rows)


def withdrawing(services: Services, who: Annotator) -> dict[str, Any]:
    """Withdraws somebody; what their browser then keeps (the withdrawal) and drops (their answers)."""
    ids = [row.judgment_id for row in services.journal.rows(withdrawn=True) if row.annotator == who.pseudonym]
    services.journal.withdraw(who.pseudonym)
    moment = services.journal.withdrawn()[who.pseudonym]
    return {"keep": {who.pseudonym: copy_of(Withdrawal(who.pseudonym, moment), services.key)}, "drop": ids}


def seals_in(sent: object) -> object:
    """The copies in what the page sends."""
    return sent.get("seals") if isinstance(sent, Mapping) else None


def ids_in(sent: object) -> object:
    """The ids in what the page sends."""
    return sent.get("ids") if isinstance(sent, Mapping) else None
