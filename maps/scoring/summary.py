"""Mean detection scores over heads, by describer and scorer, as a table and as sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import pyarrow as pa

from maps.atlas.schema import INTEGER, NUMBER, TEXT, Row, columns
from maps.scoring.accuracy import mean_over_heads
from maps.text import escape_invisible, pluralize

DETECTION_SUMMARY_SCHEMA = pa.schema(
    [
        *columns(TEXT, "describer", "scorer"),
        ("seed", INTEGER),
        ("shown", TEXT),
        ("heads", INTEGER),
        *columns(NUMBER, "mean", "low", "high"),
    ]
)
OWN_LABEL, EXCHANGED_LABEL = "own description", "another head's description"
SCORE_COLUMNS = {OWN_LABEL: "detection", EXCHANGED_LABEL: "detection_swapped"}


def detection_rows(scores: Iterable[Row]) -> list[Row]:
    """Rows of `DETECTION_SUMMARY_SCHEMA`: mean detection over heads, with own and with exchanged descriptions."""
    groups: dict[tuple[str, str, int], list[Row]] = defaultdict(list)
    for row in scores:
        groups[row["describer"], row["scorer"], row["seed"]].append(row)
    return [
        {"describer": describer, "scorer": scorer, "seed": seed, "shown": shown, **_mean_columns(rows, column)}
        for (describer, scorer, seed), rows in sorted(groups.items())
        for shown, column in SCORE_COLUMNS.items()
    ]


def _mean_columns(rows: Iterable[Row], column: str) -> Row:
    mean = mean_over_heads([row[column] for row in rows if row[column] is not None])
    if mean is None:
        return {"heads": 0, "mean": None, "low": None, "high": None}
    return {"heads": mean.heads, "mean": mean.value, "low": mean.low, "high": mean.high}


def detection_sentences(scores: Iterable[Row]) -> list[str]:
    """The means as sentences, one for each describer and scorer."""
    rows = detection_rows(scores)  # each row with own descriptions is followed by its control
    sentences = []
    for own, control in zip(rows[::2], rows[1::2], strict=True):
        scorer, describer = escape_invisible(own["scorer"]), escape_invisible(own["describer"])
        sentences.append(
            f"{scorer} picks out a head's mappings from descriptions by {describer}: {_mean_text(own)}; "
            f"from another head's descriptions (control): {_mean_text(control)}. Chance is 0.5."
        )
    return sentences


def _mean_text(row: Row) -> str:
    if row["mean"] is None:
        return "undefined, since no head has a score"
    interval = "" if row["low"] is None else f", 95 % interval {row['low']:.2f} to {row['high']:.2f}"
    return f"balanced accuracy {row['mean']:.2f} (mean of {pluralize(row['heads'], 'head')}{interval})"
