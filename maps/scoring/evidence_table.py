"""One table of descriptions with their evidence: supported check, concentration of targets, detection scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

import pyarrow as pa

from maps.atlas.schema import INTEGER, NUMBER, TEXT, Row, columns, table_by_head
from maps.scoring.comparison import BELOW_COLUMNS
from maps.types import HeadId

DETECTION_COLUMNS = ("detection", "detection_low", "detection_high", "detection_swapped")
EVIDENCE_SCHEMA = table_by_head(
    *columns(TEXT, "describer", "observed_pattern"),
    ("pattern", pa.bool_()),
    ("check", TEXT),
    ("support", INTEGER),
    *columns(NUMBER, "by_chance", "target_entropy", "entropy_below", "target_kurtosis", "kurtosis_below"),
    ("scorer", TEXT),
    ("seed", INTEGER),
    *columns(NUMBER, *DETECTION_COLUMNS),
    ("stale", pa.bool_()),
)


def evidence_rows(
    descriptions: Iterable[Row],
    stale: Collection[str],
    checks: Iterable[Row],
    measures: dict[HeadId, Row],
    scores: Iterable[Row],
) -> list[Row]:
    """Rows of `EVIDENCE_SCHEMA`: each description with its evidence, one row per scorer and seed.

    `check` is the check with the highest support by the head's mappings, whatever the description says. `stale`: the
    ids of descriptions whose mappings have changed since.
    """
    best_checks: dict[HeadId, Row] = {}
    for row in checks:
        head = HeadId(row["layer"], row["head"])
        if head not in best_checks or row["support"] > best_checks[head]["support"]:
            best_checks[head] = row
    scores_of: dict[str, list[Row | None]] = defaultdict(list)
    for row in scores:
        scores_of[row["description_id"]].append(row)
    rows = []
    for row in descriptions:
        head = HeadId(row["layer"], row["head"])
        known = {
            **_select_columns(row, ("layer", "head", "describer", "observed_pattern", "pattern")),
            **_select_columns(best_checks.get(head), ("check", "support", "by_chance")),
            **_select_columns(measures.get(head), (*BELOW_COLUMNS, *BELOW_COLUMNS.values())),
            "stale": row["description_id"] in stale,
        }
        for score in scores_of[row["description_id"]] or [None]:
            rows.append({**known, **_select_columns(score, ("scorer", "seed", *DETECTION_COLUMNS))})
    return rows


def _select_columns(row: Row | None, names: Sequence[str]) -> Row:
    """Some columns of a row; all null without a row."""
    return {name: row[name] if row else None for name in names}
