"""A journal with its ledger on the loopback Hub, as an app has them, on a disk that can be wiped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zlib import crc32

from annotation.journal.journal import Journal
from annotation.ledger import HubLedger
from annotation.types import Judgment
from maps.hub.repository import HubDataset
from tests.hub.loopback import TOKEN, LoopbackHub

LEDGER_NAME = "tester/ledger"
START_TIME = datetime(2026, 11, 24, 12, tzinfo=UTC)
MakeJudgment = Callable[..., Judgment]


@dataclass
class Seconds:
    """A clock that never jumps, moved by hand."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class ManualClock:
    """A clock that is moved by hand."""

    now: datetime = START_TIME

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **much: float) -> None:
        self.now += timedelta(**much)


@dataclass
class LedgerApp:
    """What an app holds: its data folder, its journal, its ledger."""

    hub: LoopbackHub
    data: Path
    make_judgment: MakeJudgment
    clock: ManualClock = field(default_factory=ManualClock)
    ledger_name: str = LEDGER_NAME
    retry_waits: tuple[float, ...] = (0.0,)
    dataset_class: type[HubDataset] = HubDataset
    journal_class: type[Journal] = Journal

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.dataset = self.dataset_class(self.ledger_name, TOKEN, self.hub.url, self.retry_waits)
        self.journal = self.journal_class(self.data / "journal.sqlite", self.clock)
        self.ledger = HubLedger(self.dataset, self.journal, self.data, self.clock)

    def restart(self, wipe_disk: bool = False) -> None:
        self.journal.close()
        if wipe_disk:
            shutil.rmtree(self.data)
        self.start()

    def record_answer(self, judgment_id: str, annotator: str = "a-1", **changes: object) -> None:
        """One answer of somebody who agrees first; another layer for every id, unless it is named."""
        self.journal.record_consent(annotator, "1")
        layer = {"layer": crc32(judgment_id.encode()) % 1_000_000} if "supersedes" not in changes else {}
        self.journal.record_judgment(self.make_judgment(judgment_id, annotator=annotator, **{**layer, **changes}))

    def judgment_ids(self) -> list[str]:
        return [row.judgment_id for row in self.journal.all_judgments(include_withdrawn=True)]


def ledger_rows(hub: LoopbackHub, kind: str = "judgments", name: str = LEDGER_NAME) -> list[dict[str, object]]:
    """Every row of a kind in the ledger's files, as often as it is there."""
    files = sorted((path, content) for path, content in hub.files(name).items() if path.startswith(f"{kind}/"))
    return [json.loads(line) for _, content in files for line in content.splitlines()]


def published_ids(hub: LoopbackHub, name: str = LEDGER_NAME) -> list[str]:
    """The ids of the judgments in the ledger's files, as often as they are there."""
    return sorted(str(line["judgment_id"]) for line in ledger_rows(hub, name=name))
