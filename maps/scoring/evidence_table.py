"""One table of descriptions with their evidence: supported check, concentration of targets, detection scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

import pyarrow as pa

from maps.atlas.schema import Row
from maps.scoring.comparison import BELOW_COLUMNS
from maps.types import HeadId

EVIDENCE_SCHEMA = pa.schema(
    [
        ("layer", pa.int32()),
        ("head", pa.int32()),
        ("describer", pa.string()),
        ("observed_pattern", pa.string()),
        ("pattern", pa.bool_()),
        ("check", pa.string()),
        ("support", pa.int32()),
        ("by_chance", pa.float64()),
        ("target_entropy", pa.float64()),
        ("entropy_below", pa.float64()),
        ("target_kurtosis", pa.float64()),
        ("kurtosis_below", pa.float64()),
        ("scorer", pa.string()),
        ("seed", pa.int32()),
        ("detection", pa.float64()),
        ("detection_low", pa.float64()),
        ("detection_high", pa.float64()),
        ("detection_swapped", pa.float64()),
        ("stale", pa.bool_()),
    ]
)
DETECTION_COLUMNS = ("detection", "detection_low", "detection_high", "detection_swapped")


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
