"""Copies of judgments that a browser keeps until they are published, so that no answer is lost with the server's disk.

A copy is sealed (encrypted): the browser can neither read the item's kind in it nor change an answer. A copy that comes
back is checked as if anybody could have sent it.
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
from annotation.types import ITEM_KINDS, Judgment, Withdrawal
from maps.errors import MapsError
from space.services import Services
from space.web.sessions import Annotator

MAX_COPY_IDS = 10_000  # more than fit into a browser's storage
LONGEST_ITEM_KIND = max(map(len, ITEM_KINDS))
MAX_COPIES_PER_REQUEST = 500  # the page sends the rest with its next request

RESTORED_SENTENCES = (
    "This server had lost one of your answers. It is stored again from the copy in this browser.",
    "This server had lost {} of your answers. They are stored again from the copies in this browser.",
)
OTHER_ANNOTATOR_SENTENCES = (
    "This browser keeps one answer of somebody else. It will be stored again when they sign in here.",
    "This browser keeps {} answers of somebody else. They will be stored again when they sign in here.",
)
WITHDRAWAL_PUBLISHED = "The withdrawal is in the ledger."
WITHDRAWAL_NOT_PUBLISHED = (
    "The withdrawal is stored here but not in the ledger yet: it is sent again until it arrives. This browser keeps a "
    "copy; please open this page again later."
)
OTHER_SERVER_SENTENCES = (
    "One answer in this browser comes from another server and cannot be stored here.",
    "{} answers in this browser come from another server and cannot be stored here.",
)


@dataclass(frozen=True)
class RestoreResult:
    """The result of restoring copies: how many were stored, sentences for the annotator, and the ids to drop."""

    stored_count: int
    sentences: tuple[str, ...]
    droppable_ids: tuple[str, ...]


def seal_copy(row: Judgment | Withdrawal, key: bytes) -> str:
    kind = "judgment" if isinstance(row, Judgment) else "withdrawal"
    cells = {name: cell.isoformat() if isinstance(cell, datetime) else cell for name, cell in asdict(row).items()}
    padding = " " * (LONGEST_ITEM_KIND - len(cells.get("item_kind", "")))  # else the length would tell a control
    return seal_text(json.dumps([kind, cells], ensure_ascii=False) + padding, key)


def unseal_copy(seal: object, key: bytes) -> Judgment | Withdrawal | None:
    """The row in a copy; None if this server did not seal it."""
    text = unseal_text(seal, key)
    if text is None:
        return None
    kind, cells = json.loads(text)
    for name in ("started_at", "submitted_at", "withdrawn_at"):
        if name in cells:
            cells[name] = datetime.fromisoformat(cells[name])
    return Judgment(**cells) if kind == "judgment" else Withdrawal(**cells)


def compare_copies(services: Services, sent_ids: object) -> dict[str, list[str]]:
    """Which of the browser's copies it can `drop`, and which are `missing` on the server.

    It drops what is published, and answers of somebody who has withdrawn since, perhaps in another browser.

    The id of a withdrawal is its annotator's pseudonym. Raises MapsError for anything that our page does not send.
    """
    ids = sent_ids if isinstance(sent_ids, list) else []
    if len(ids) > MAX_COPY_IDS or not all(isinstance(each, str) and len(each) <= 64 for each in ids):
        raise MapsError(
            "The copies of your answers in this browser are damaged; please tell the person who runs the study."
        )
    journal = services.journal
    withdrawn = journal.withdrawal_times().keys()
    unpublished_withdrawals = {row.annotator for row in journal.unpublished_withdrawals()}
    published = journal.publication_commits(ids).keys() | (withdrawn - unpublished_withdrawals)
    droppable = published | journal.withdrawn_judgment_ids(ids)
    stored = journal.known_judgment_ids(ids) | withdrawn
    return {
        "drop": [each for each in ids if each in droppable],
        "missing": [each for each in ids if each not in stored | droppable],
    }


def restore_copies(services: Services, annotator: Annotator | None, sent_copies: object) -> RestoreResult:
    """Stores those of the sent copies that the journal does not have; sent again, they change nothing.

    Copies of another person stay in the browser, and so do copies that the journal refuses; the sentences say so.
    """
    seals = sent_copies if isinstance(sent_copies, list) else []
    if len(seals) > MAX_COPIES_PER_REQUEST:
        raise MapsError(f"At most {MAX_COPIES_PER_REQUEST} answers can be sent at once; send the rest afterwards.")
    rows = [row for row in (unseal_copy(seal, services.pseudonym_key) for seal in seals) if row is not None]
    services.journal.restore_withdrawals(row for row in rows if isinstance(row, Withdrawal))
    withdrawn = services.journal.withdrawal_times()
    judgments = sorted((row for row in rows if isinstance(row, Judgment)), key=lambda row: row.submitted_at)
    droppable_ids = [row.judgment_id for row in judgments if row.annotator in withdrawn]
    valid = [row for row in judgments if row.annotator not in withdrawn]
    own = [row for row in valid if annotator is not None and row.annotator == annotator.pseudonym]
    stored, refused = 0, []
    for row in own:
        try:
            stored += _restore_judgment(services, annotator, row)
        except JournalError as error:
            refused.append(f"An answer of {row.submitted_at:%Y-%m-%d %H:%M} UTC was not stored again: {error}")
    counts = (
        (stored, RESTORED_SENTENCES),
        (len(valid) - len(own), OTHER_ANNOTATOR_SENTENCES),
        (len(seals) - len(rows), OTHER_SERVER_SENTENCES),
    )
    sentences = [(one if count == 1 else many).format(count) for count, (one, many) in counts if count]
    return RestoreResult(stored, (*sentences, *dict.fromkeys(refused)), tuple(droppable_ids))


def _restore_judgment(services: Services, annotator: Annotator | None, row: Judgment) -> int:
    """Stores a judgment, and the consent that was there when it was first stored; 0 if the journal has it.

    The time of the consent is lost. It was at the latest when the annotator began with the first of these items.
    """
    if annotator is not None and not has_consented(services, annotator):
        services.journal.record_consent(annotator.pseudonym, row.guidelines_version, row.started_at)
    return not services.journal.record_judgment(row).is_duplicate


def restore_withdrawals(services: Services, sent_copies: object) -> int:
    """Stores the withdrawals among the sent copies; returns how many the journal did not have.

    They are taken from anybody, and before the ledger has been read: only this server can have sealed them. The browser
    keeps its copies until they are published.
    """
    seals = sent_copies if isinstance(sent_copies, list) else []
    rows = (unseal_copy(seal, services.pseudonym_key) for seal in seals[:MAX_COPIES_PER_REQUEST])
    return services.journal.restore_withdrawals([row for row in rows if isinstance(row, Withdrawal)])


def has_consented(services: Services, annotator: Annotator) -> bool:
    """Whether the annotator has agreed to the consent sentence under the present guidelines."""
    rows = services.journal.annotators()
    return any((row.pseudonym, row.guidelines_version) == (annotator.pseudonym, GUIDELINES_VERSION) for row in rows)


def withdraw_annotator(services: Services, pseudonym: str) -> dict[str, Any]:
    """Withdraws an annotator; returns which copies the browser keeps (the withdrawal) and drops (the answers)."""
    rows = services.journal.all_judgments(include_withdrawn=True)
    ids = [row.judgment_id for row in rows if row.annotator == pseudonym]
    services.journal.withdraw(pseudonym)
    moment = services.journal.withdrawal_times()[pseudonym]
    seal = seal_copy(Withdrawal(pseudonym, moment), services.pseudonym_key)
    return {"keep": {pseudonym: seal}, "drop": ids}


def publication_sentence(services: Services, pseudonym: str) -> str:
    """Whether the ledger has a withdrawal that was just stored, after waiting some seconds; empty without a ledger."""
    if services.publisher is None:
        return ""
    return WITHDRAWAL_PUBLISHED if services.publisher.wait_for_withdrawal(pseudonym) else WITHDRAWAL_NOT_PUBLISHED


def extract_copies(sent: object) -> object:
    return sent.get("seals") if isinstance(sent, Mapping) else None


def extract_ids(sent: object) -> object:
    return sent.get("ids") if isinstance(sent, Mapping) else None
