"""A maker of judgments: each call names what matters to the test, the rest is filled in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from annotation.types import Judgment

START_TIME = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)
BASE_JUDGMENT = Judgment(
    judgment_id="j-1",
    study="default",
    model="smollm2",
    layer=26,
    head=2,
    item_kind="head",
    annotator="a-1",
    presence="present_described",
    precision="accurate",
    category="semantic",
    comment="",
    started_at=START_TIME,
    submitted_at=START_TIME + timedelta(seconds=30),
    seconds=30.0,
    supersedes=None,
    mapping_hash="map-hash",
    description_id="d-1",
    guidelines_version="1",
    form_version="1",
    app_version="0.1.0",
)


@pytest.fixture
def judge() -> Callable[..., Judgment]:
    """A judgment like PLAIN but for what is named."""

    def make(judgment_id: str = "j-1", **changes: object) -> Judgment:
        return replace(BASE_JUDGMENT, judgment_id=judgment_id, **changes)  # type: ignore[arg-type]

    return make
