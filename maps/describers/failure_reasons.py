"""The most frequent reasons of a run's failures, as lines for the terminal."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from maps.atlas.reader import Atlas
from maps.atlas.schema import Row
from maps.text import escape_invisible

MAX_REASONS = 3  # kinds of reasons that are shown
NUMBER_PATTERN = re.compile(r"\d[\d.,]*")


class ReasonKind(NamedTuple):
    """Reasons that differ in numbers or in a server's words only. `example`: the most frequent one."""

    failures: int
    example: str
    is_uniform: bool


def reasons_since(atlas: Atlas, table: str, start: datetime, **values: object) -> list[str]:
    """The reasons in the rows of a table that were stored since `start` and have these values in their columns."""
    rows: list[Row] = atlas.table(table, ["reason", "created_at", *values]).to_pylist()
    chosen = [row for row in rows if row["created_at"] >= start and row["reason"] is not None]
    return [row["reason"] for row in chosen if all(row[name] == value for name, value in values.items())]


def count_reasons(reasons: Iterable[str]) -> list[ReasonKind]:
    """The kinds of reasons, the most frequent first. A kind is a reason up to its first colon, without numbers."""
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for reason in reasons:
        kinds[NUMBER_PATTERN.sub("N", reason.partition(": ")[0])][reason] += 1
    counted = [ReasonKind(kind.total(), kind.most_common(1)[0][0], len(kind) == 1) for kind in kinds.values()]
    return sorted(counted, key=lambda kind: -kind.failures)


def reason_lines(reasons: Iterable[str]) -> list[str]:
    """The most frequent kinds of reasons with their counts: `  5 × The reply is empty.`; no line without reasons."""
    kinds = count_reasons(reasons)
    if not kinds:
        return []
    lines = [
        f"  {kind.failures:,} × {'' if kind.is_uniform else 'for example: '}{escape_invisible(kind.example)}"
        for kind in kinds[:MAX_REASONS]
    ]
    rest = sum(kind.failures for kind in kinds[MAX_REASONS:])
    others = [f"  {rest:,} × other reasons"] if rest else []
    return ["Why it failed, the most frequent reason first:", *lines, *others]
