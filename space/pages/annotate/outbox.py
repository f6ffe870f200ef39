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

from annotation.errors import JournalError
from annotation.form import GUIDELINES_VERSION
from annotation.identity.seals import seal_text, unseal_text
from annotation.types import Judgment, Withdrawal
from maps.errors import MapsError
from space.services import Services
from space.web.sessions import Annotator

MAX_COPY_IDS = 10_000  # more than a browser's storage holds
MAX_COPIES_PER_REQUEST = 500  # in one request; the page sends the rest with the next

RESTORED_SENTENCES = (
    "One answer that this server had lost was stored again.",
    "{} answers that this server had lost were stored again.",
)
OTHER_ANNOTATOR_SENTENCES = (
    "One answer in this browser is somebody else's; it is stored again once they sign in here.",
    "{} answers in this browser are somebody else's; they are stored again once they sign in here.",
)
OTHER_SERVER_SENTENCES = (
    "One answer in this browser was sealed by another server and is not taken.",
    "{} answers in this browser were sealed by another server and are not taken.",
)


@dataclass(frozen=True)
class RestoreResult:
    """What became of the copies that a browser sent: how many were stored again, in words; ids it may drop."""

    stored_count: int
    sentences: tuple[str, ...]
    droppable_ids: tuple[str, ...]


def seal_copy(row: Judgment | Withdrawal, key: bytes) -> str:
    """A row, sealed for its browser."""
    kind = "judgment" if isinstance(row, Judgment) else "withdrawal"
    cells = {name: cell.isoformat() if isinstance(cell, datetime) else cell for name, cell in asdict(row).items()}
    return seal_text(json.dumps([kind, cells], ensure_ascii=False), key)


def unseal_copy(seal: object, key: bytes) -> Judgment | Withdrawal | None:
    """The row in a copy; None where this server did not seal it."""
    text = unseal_text(seal, key)
    if text is None:
        return None
    kind, cells = json.loads(text)
    for name in ("started_at", "submitted_at", "withdrawn_at"):
        if name in cells:
            cells[name] = datetime.fromisoformat(cells[name])
    return Judgment(**cells) if kind == "judgment" else Withdrawal(**cells)


def compare_copies(services: Services, sent_ids: object) -> dict[str, list[str]]:
    """Of the ids that a browser keeps copies of: those that it may drop, being published, and those that are missing.

    Raises MapsError for what no browser of ours sends.
    """
    ids = sent_ids if isinstance(sent_ids, list) else []
    if len(ids) > MAX_COPY_IDS or not all(isinstance(each, str) and len(each) <= 64 for each in ids):
        raise MapsError("What this browser keeps of your answers is not in order; please tell whoever runs the study.")
    journal = services.journal
    here = (
        journal.known_judgment_ids(ids) | journal.withdrawal_times().keys()
    )  # a withdrawal goes by its annotator's pseudonym
    published = journal.publication_commits(ids).keys() | (
        journal.withdrawal_times().keys() - unpublished_withdrawals(services)
    )
    return {"drop": [each for each in ids if each in published], "missing": [e for e in ids if e not in here]}


def unpublished_withdrawals(services: Services) -> set[str]:
    """Who withdrew without its being published yet."""
    return {row.annotator for row in services.journal.unpublished_rows().withdrawals}


def restore_copies(services: Services, annotator: Annotator | None, sent_copies: object) -> RestoreResult:
    """Stores what is missing of the copies that a browser sends; again, it changes nothing.

    Another person's copies are left where they are, and so is what the journal refuses: both are said.
    """
    seals = sent_copies if isinstance(sent_copies, list) else []
    if len(seals) > MAX_COPIES_PER_REQUEST:
        raise MapsError(f"At most {MAX_COPIES_PER_REQUEST} answers are taken at once; send the rest afterwards.")
    rows = [row for row in (unseal_copy(seal, services.pseudonym_key) for seal in seals) if row is not None]
    for row in rows:
        if isinstance(row, Withdrawal):
            _restore_withdrawal(services, row)
    gone = services.journal.withdrawal_times()
    judgments = sorted((row for row in rows if isinstance(row, Judgment)), key=lambda row: row.submitted_at)
    drop = [row.judgment_id for row in judgments if row.annotator in gone]
    staying = [row for row in judgments if row.annotator not in gone]
    mine = [row for row in staying if annotator is not None and row.annotator == annotator.pseudonym]
    stored, refused = 0, []
    for row in mine:
        try:
            stored += _restore_judgment(services, annotator, row)
        except JournalError as error:
            refused.append(f"An answer of {row.submitted_at:%Y-%m-%d %H:%M} UTC was not stored again: {error}")
    counts = (
        (stored, RESTORED_SENTENCES),
        (len(staying) - len(mine), OTHER_ANNOTATOR_SENTENCES),
        (len(seals) - len(rows), OTHER_SERVER_SENTENCES),
    )
    said = [(one if count == 1 else many).format(count) for count, (one, many) in counts if count]
    return RestoreResult(stored, (*said, *dict.fromkeys(refused)), tuple(drop))


def _restore_judgment(services: Services, annotator: Annotator | None, row: Judgment) -> int:
    """Stores a judgment, and the consent that was there when it was first stored; 0 where it is there already.

    When they agreed is lost: at the latest when they began with the first of these items.
    """
    if annotator is not None and not has_consented(services, annotator):
        services.journal.record_consent(annotator.pseudonym, annotator.name, row.guidelines_version, row.started_at)
    return not services.journal.record_judgment(row).is_duplicate


def _restore_withdrawal(services: Services, row: Withdrawal) -> None:
    """Stores a withdrawal that was lost; the browser keeps it until it is published."""
    if row.annotator not in services.journal.withdrawal_times():
        services.journal.record_consent(row.annotator, None, GUIDELINES_VERSION)
        services.journal.withdraw(row.annotator)


def has_consented(services: Services, annotator: Annotator) -> bool:
    """Whether somebody has agreed to the consent sentence under the present guidelines."""
    rows = services.journal.annotators()
    return any((row.pseudonym, row.guidelines_version) == (annotator.pseudonym, GUIDELINES_VERSION) for row in rows)


def withdraw_annotator(services: Services, annotator: Annotator) -> dict[str, Any]:
    """Withdraws somebody; what their browser then keeps (the withdrawal) and drops (their answers)."""
    ids = [
        row.judgment_id
        for row in services.journal.all_judgments(include_withdrawn=True)
        if row.annotator == annotator.pseudonym
    ]
    services.journal.withdraw(annotator.pseudonym)
    moment = services.journal.withdrawal_times()[annotator.pseudonym]
    return {
        "keep": {annotator.pseudonym: seal_copy(Withdrawal(annotator.pseudonym, moment), services.pseudonym_key)},
        "drop": ids,
    }


def extract_copies(sent: object) -> object:
    """The copies in what the page sends."""
    return sent.get("seals") if isinstance(sent, Mapping) else None


def extract_ids(sent: object) -> object:
    """The ids in what the page sends."""
    return sent.get("ids") if isinstance(sent, Mapping) else None
