"""What the organiser reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from annotation.ledger.status import LedgerStatus

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
CALM = LedgerStatus("me/ledger", True, 0, None, None, None, None, None, (), None, None)


def test_all_is_well() -> None:
    published = replace(CALM, published_at=NOON, commit="0123456789abcdef")
    assert published.problems() == []
    assert published.state_sentences() == [
        "Every row is published in the ledger me/ledger.",
        "Last published 2026-11-24 12:00:00 UTC, in commit 0123456789.",
    ]


def test_what_is_wrong_is_said_with_what_comes_next() -> None:
    trouble = replace(
        CALM,
        unpublished_count=1_200,
        oldest_unpublished_at=NOON,
        error="The Hub cannot be reached.",
        failed_at=NOON,
        notes=("A note.",),
        next_try_at=NOON.replace(minute=5),
    )
    assert trouble.problems() == [
        "The last try failed (2026-11-24 12:00:00 UTC): The Hub cannot be reached.",
        "A note.",
    ]
    assert trouble.state_sentences() == [
        "1,200 rows are not yet published in the ledger me/ledger, the oldest since 2026-11-24 12:00:00 UTC.",
        "The next try is due 2026-11-24 12:05:00 UTC.",
    ]
    assert (
        replace(trouble, unpublished_count=1, error=None)
        .state_sentences()[0]
        .startswith("1 row is not yet published in")
    )
