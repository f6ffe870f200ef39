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
from annotation.ledger import Ledger
from annotation.types import Judgment
from maps.hub.repository import HubDataset
from tests.hub.loopback import TOKEN, LoopbackHub

NAME = "tester/ledger"
START = datetime(2026, 11, 24, 12, tzinfo=UTC)
Judge = Callable[..., Judgment]


@dataclass
class Clock:
    """A clock that is moved by hand."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **much: float) -> None:
        """Later by so much."""
        self.now += timedelta(**much)


@dataclass
class App:
    """What an app holds: its data folder, its journal, its ledger."""

    hub: LoopbackHub
    data: Path
    judge: Judge
    clock: Clock = field(default_factory=Clock)
    name: str = NAME
    waits: tuple[float, ...] = (0.0,)
    dataset_class: type[HubDataset] = HubDataset
    journal_class: type[Journal] = Journal

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """As a new process would."""
        self.dataset = self.dataset_class(self.name, TOKEN, self.hub.url, self.waits)
        self.journal = self.journal_class(self.data / "journal.sqlite", self.clock)
        self.ledger = Ledger(self.dataset, self.journal, self.data, self.clock)

    def restart(self, wiped: bool = False) -> None:
        """Ends, perhaps loses the disk, and starts again."""
        self.journal.close()
        if wiped:
            shutil.rmtree(self.data)
        self.start()

    def answer(self, judgment_id: str, annotator: str = "a-1", **changes: object) -> None:
        """One answer of somebody who agrees first; another layer for every id, unless it is named."""
        self.journal.consent(annotator, f"Name of {annotator}", "1")
        layer = {"layer": crc32(judgment_id.encode()) % 1_000_000} if "supersedes" not in changes else {}
        self.journal.record(self.judge(judgment_id, annotator=annotator, **{**layer, **changes}))

    def ids(self) -> list[str]:
        """The judgments of the journal."""
        return [row.judgment_id for row in self.journal.rows(withdrawn=True)]


def lines(hub: LoopbackHub, kind: str = "judgments", name: str = NAME) -> list[dict[str, object]]:
    """Every row of a kind in the ledger's files, as often as it is there."""
    files = sorted((path, content) for path, content in hub.files(name).items() if path.startswith(f"{kind}/"))
    return [json.loads(line) for _, content in files for line in content.splitlines()]


def published(hub: LoopbackHub, name: str = NAME) -> list[str]:
    """The ids of the judgments in the ledger's files, as often as they are there."""
    return sorted(str(line["judgment_id"]) for line in lines(hub, name=name))
