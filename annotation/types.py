"""The values of the study: what is judged, what was answered, what the annotator gets back."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import cached_property
from typing import Literal

ItemKind = Literal["head", "overlap", "swapped", "shuffled", "practice", "adjudication"]

COUNTED_KINDS = ("head", "overlap")
CONTROL_KINDS = ("swapped", "shuffled")
ITEM_KINDS = (*COUNTED_KINDS, *CONTROL_KINDS, "practice", "adjudication")

_json_text = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps would make an encoder for each key


@dataclass(frozen=True)
class StudyItem:
    """A head with the very evidence and description that an annotator sees.

    Other mappings (`mapping_hash`) or another description (`description_id`) make another item.
    """

    study: str
    model: str
    layer: int
    head: int
    item_kind: ItemKind
    mapping_hash: str
    description_id: str

    @cached_property
    def key(self) -> str:
        """The item as one unambiguous string: the same for equal items, in every process."""
        return _json_text([getattr(self, name) for name in ITEM_COLUMNS])


@dataclass(frozen=True)
class Judgment:
    """One annotator's answers for one item; the columns of the judgments table, in their order.

    Times carry a time zone. `comment` is empty where nothing was remarked. `supersedes` is the id of the
    judgment that this one replaces.
    """

    judgment_id: str
    study: str
    model: str
    layer: int
    head: int
    item_kind: ItemKind
    annotator: str
    presence: str
    precision: str | None
    category: str | None
    comment: str
    started_at: datetime
    submitted_at: datetime
    seconds: float
    supersedes: str | None
    mapping_hash: str
    description_id: str
    guidelines_version: str
    form_version: str
    app_version: str

    @cached_property
    def item(self) -> StudyItem:
        """What was judged."""
        return StudyItem(*(getattr(self, name) for name in ITEM_COLUMNS))


JUDGMENT_COLUMNS = tuple(field.name for field in fields(Judgment))
ITEM_COLUMNS = tuple(field.name for field in fields(StudyItem))


@dataclass(frozen=True)
class ConsentedAnnotator:
    """Who agreed to the consent sentence. The name stays in the journal and is never exported."""

    pseudonym: str
    name: str | None
    consented_at: datetime
    guidelines_version: str


@dataclass(frozen=True)
class Receipt:
    """The proof that a judgment is on disk; `is_duplicate` where it was there already.

    `published_commit` is the commit of the ledger that holds it, None while it is not published.
    """

    judgment_id: str
    stored_at: datetime
    is_duplicate: bool
    published_commit: str | None = None


@dataclass(frozen=True)
class StoredJudgment:
    """A judgment with the time at which the journal took it."""

    judgment: Judgment
    stored_at: datetime

    @property
    def row_id(self) -> str:
        """How the ledger knows the row."""
        return self.judgment.judgment_id


@dataclass(frozen=True)
class Consent:
    """Who agreed to the consent sentence, without a name: what of it may leave the journal."""

    annotator: str
    consented_at: datetime
    guidelines_version: str

    @property
    def row_id(self) -> str:
        """How the ledger knows the row: consent to other guidelines is another row."""
        return f"{self.annotator} {self.guidelines_version}"


@dataclass(frozen=True)
class Withdrawal:
    """An annotator whose answers are to be left out from now on."""

    annotator: str
    withdrawn_at: datetime

    @property
    def row_id(self) -> str:
        """How the ledger knows the row."""
        return self.annotator


@dataclass(frozen=True)
class Opening:
    """A study whose single answers an organiser opened before the end."""

    study: str
    organiser: str
    opened_at: datetime

    @property
    def row_id(self) -> str:
        """How the ledger knows the row."""
        return self.study


@dataclass(frozen=True)
class LedgerRows:
    """The rows that the ledger does not hold yet, in the order of storing."""

    judgments: tuple[StoredJudgment, ...]
    consents: tuple[Consent, ...]
    withdrawals: tuple[Withdrawal, ...]
    openings: tuple[Opening, ...] = ()

    @property
    def all_rows(self) -> tuple[StoredJudgment | Consent | Withdrawal | Opening, ...]:
        """All of them."""
        return (*self.judgments, *self.consents, *self.withdrawals, *self.openings)


def adjudication_item(item: StudyItem) -> StudyItem:
    """The item that a decision on this one is stored as: the same head, mappings and description."""
    return replace(item, item_kind="adjudication")
