"""The generation test over all heads of an atlas: means with intervals, as rows and as sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import pyarrow as pa

from maps.atlas.schema import INTEGER, NUMBER, TEXT, Row, columns
from maps.scoring.accuracy import mean_over_heads
from maps.text import escape_invisible, pluralize

PREDICTION_SUMMARY_SCHEMA = pa.schema(
    [
        *columns(TEXT, "describer", "writer"),
        *columns(INTEGER, "seed", "heads", "without_score"),
        *columns(NUMBER, "mean", "low", "high", "mean_swapped"),
        *columns(INTEGER, "compared", "best"),
        ("best_by_chance", NUMBER),
    ]
)


def prediction_rows(scores: Iterable[Row]) -> list[Row]:
    """Rows of `PREDICTION_SUMMARY_SCHEMA` from the rows of `scores` with a generation test.

    `best`: of the `compared` heads (whose layer has another description), those whose own description predicts them
    better than every other one of the layer; `best_by_chance`: how many would be best if all were as good.
    """
    groups: dict[tuple[str, str, int], list[Row]] = defaultdict(list)
    for row in scores:
        groups[row["describer"], row["scorer"], row["seed"]].append(row)
    return [
        {"describer": describer, "writer": writer, "seed": seed, **_summary_columns(rows)}
        for (describer, writer, seed), rows in sorted(groups.items())
    ]


def _summary_columns(rows: list[Row]) -> Row:
    mean = mean_over_heads([row["generation"] for row in rows if row["generation"] is not None])
    compared = [row for row in rows if row["generation_p"] is not None]
    swapped = [row["generation_swapped"] for row in compared]
    return {
        "heads": mean.heads if mean else 0,
        "without_score": sum(row["generation"] is None for row in rows),
        "mean": mean and mean.value,
        "low": mean and mean.low,
        "high": mean and mean.high,
        "mean_swapped": sum(swapped) / len(swapped) if swapped else None,
        "compared": len(compared),
        "best": sum(row["generation_p"] <= 1 / (1 + row["generation_others"]) for row in compared),
        "best_by_chance": sum(1 / (1 + row["generation_others"]) for row in compared),
    }


def prediction_sentences(scores: Iterable[Row]) -> list[str]:
    """The means as sentences, one for each describer and writer."""
    return [_sentence(row) for row in prediction_rows(scores)]


def _sentence(row: Row) -> str:
    describer, writer = escape_invisible(row["describer"]), escape_invisible(row["writer"])
    start = f"Targets that {writer} predicted from descriptions by {describer}"
    if row["mean"] is None:
        return f"{start}: no head has three usable pairs."
    interval = "" if row["low"] is None else f", 95 % interval {row['low']:.2f} to {row['high']:.2f}"
    parts = [
        f"{start}: mean percentile {row['mean']:.2f} in M ({pluralize(row['heads'], 'head')}{interval}; 0.5 by chance)"
    ]
    if row["compared"]:
        parts.append(f"{row['mean_swapped']:.2f} from other heads' descriptions of the layer")
        parts.append(
            f"{row['best']:,} of {pluralize(row['compared'], 'head')} are predicted best from their own description "
            f"({row['best_by_chance']:.0f} by chance)"
        )
    return f"{'; '.join(parts)}."
