"""An app with its ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.annotation.ledger_app import LedgerApp, MakeJudgment
from tests.hub.loopback import LoopbackHub


@pytest.fixture
def app(hub: LoopbackHub, tmp_path: Path, judge: MakeJudgment) -> Iterator[LedgerApp]:
    """One app on an empty disk, with a Hub that has no ledger yet."""
    made = LedgerApp(hub, tmp_path / "data", judge)
    yield made
    made.journal.close()
