"""Each description beside what speaks for it: a named check, the concentration of its head's targets, its scores."""

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
    """Rows of `EVIDENCE_SCHEMA`: each current description beside what speaks for it, once for every scorer and seed.

    `check` is the named check that most mappings of the head bear out, whatever the description says. `stale`: the ids
    of descriptions, and with them of scores, that are of other mappings than the present ones.
    """
    best: dict[HeadId, Row] = {}
    for row in checks:
        head = HeadId(row["layer"], row["head"])
        if head not in best or row["support"] > best[head]["support"]:
            best[head] = row
    scored: dict[str, list[Row]] = defaultdict(list)
    for row in scores:
        scored[row["description_id"]].append(row)
    unscored: list[Row | None] = [None]
    return [
        {
            **{name: row[name] for name in ("layer", "head", "describer", "observed_pattern", "pattern")},
            **select_columns(best.get(HeadId(row["layer"], row["head"])), ("check", "support", "by_chance")),
            **select_columns(
                measures.get(HeadId(row["layer"], row["head"])), (*BELOW_COLUMNS, *BELOW_COLUMNS.values())
            ),
            **select_columns(score, ("scorer", "seed", *DETECTION_COLUMNS)),
            "stale": row["description_id"] in stale,
        }
        for row in descriptions
        for score in scored[row["description_id"]] or unscored
    ]


def select_columns(row: Row | None, names: Sequence[str]) -> Row:
    """Some columns of a row; null where there is none."""
    return {name: row[name] if row else None for name in names}
