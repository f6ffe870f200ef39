"""The values of a study: items, judgments, receipts, and the rows that the ledger keeps."""

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

_json_text = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps would create an encoder on every call


@dataclass(frozen=True)
class StudyItem:
    """A head with the mappings (`mapping_hash`) and the description (`description_id`) that an annotator sees.

    If the mappings or the description change, it is another item.
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
        """The item as one unambiguous string, equal for equal items in every process."""
        return _json_text([getattr(self, name) for name in ITEM_COLUMNS])


@dataclass(frozen=True)
class Judgment:
    """One annotator's answers for one item. The fields are the columns of the judgments table, in their order.

    Times have a time zone. `comment` may be empty. `supersedes` is the id of the judgment that this one replaces.
    `flag`: what the annotator was asked to look at again before they kept the answer; see `form.CONTRADICTION_FLAG`.
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
    flag: str | None = None

    @cached_property
    def item(self) -> StudyItem:
        return StudyItem(*(getattr(self, name) for name in ITEM_COLUMNS))


JUDGMENT_COLUMNS = tuple(field.name for field in fields(Judgment))
ITEM_COLUMNS = tuple(field.name for field in fields(StudyItem))


@dataclass(frozen=True)
class ConsentedAnnotator:
    """A person who agreed to the consent sentence."""

    pseudonym: str
    consented_at: datetime
    guidelines_version: str


@dataclass(frozen=True)
class Receipt:
    """The proof that a judgment is on disk; `is_duplicate` if it was stored before.

    `published_commit` is the commit of the ledger that contains it, or None while it is not published.
    """

    judgment_id: str
    stored_at: datetime
    is_duplicate: bool
    published_commit: str | None = None


@dataclass(frozen=True)
class StoredJudgment:
    """A judgment and the time at which the journal stored it."""

    judgment: Judgment
    stored_at: datetime

    @property
    def row_id(self) -> str:
        return self.judgment.judgment_id


@dataclass(frozen=True)
class Consent:
    """A consent without the person's name: the part that may leave the journal."""

    annotator: str
    consented_at: datetime
    guidelines_version: str

    @property
    def row_id(self) -> str:
        """The row's id in the ledger: consent to other guidelines is another row."""
        return f"{self.annotator} {self.guidelines_version}"


@dataclass(frozen=True)
class Withdrawal:
    """The withdrawal of an annotator, whose answers are excluded from then on."""

    annotator: str
    withdrawn_at: datetime

    @property
    def row_id(self) -> str:
        return self.annotator


@dataclass(frozen=True)
class Opening:
    """An organiser's decision to show a study's single answers before its end."""

    study: str
    organiser: str
    opened_at: datetime

    @property
    def row_id(self) -> str:
        return self.study


EndingReason = Literal["closed", "deadline", "complete"]


@dataclass(frozen=True)
class Ending:
    """The end of a study, which is final: nobody judges any more, and the answers are open.

    `reason`: an organiser closed it, its deadline has passed, or every invited place is done. `ended_by` is the
    organiser who closed it, else None.
    """

    study: str
    reason: str
    ended_by: str | None
    ended_at: datetime

    @property
    def row_id(self) -> str:
        return self.study


StudyAction = Literal["paused", "resumed", "extended", "deleted"]


@dataclass(frozen=True)
class StudyChange:
    """What an organiser changed of a study: paused it, let it go on, moved its deadline to `ends_at`, or deleted it."""

    change_id: str
    study: str
    action: str
    ends_at: datetime | None
    organiser: str
    changed_at: datetime

    @property
    def row_id(self) -> str:
        return self.change_id


LedgerRow = StoredJudgment | Consent | Withdrawal | Opening | Ending | StudyChange


@dataclass(frozen=True)
class LedgerRows:
    """Rows of the ledger by kind, each kind in the order of storing."""

    judgments: tuple[StoredJudgment, ...]
    consents: tuple[Consent, ...]
    withdrawals: tuple[Withdrawal, ...]
    openings: tuple[Opening, ...] = ()
    endings: tuple[Ending, ...] = ()
    changes: tuple[StudyChange, ...] = ()

    @property
    def all_rows(self) -> tuple[LedgerRow, ...]:
        return (*self.judgments, *self.consents, *self.withdrawals, *self.openings, *self.endings, *self.changes)


def adjudication_item(item: StudyItem) -> StudyItem:
    """The item under which an adjudication of this item is stored: same head, mappings and description."""
    return replace(item, item_kind="adjudication")
