"""How concentrated the targets are of one head, of heads with a pattern, of heads called unclear, and of random heads.

If heads that a describer calls unclear are as little concentrated as random heads, "Unclear" was to be expected.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from math import log2
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from maps.atlas.schema import INTEGER, NUMBER, TEXT, Row, columns, head_of
from maps.text import escape_invisible, pluralize
from maps.types import HeadId

CONCENTRATION_SUMMARY_SCHEMA = pa.schema(
    [
        *columns(TEXT, "describer", "heads", "measure"),
        ("count", INTEGER),
        *columns(NUMBER, "low", "median", "high"),
        ("beyond_random", INTEGER),
    ]
)
PATTERN_LABEL, UNCLEAR_LABEL, RANDOM_LABEL = "with a pattern", "said to be unclear", "random"
BELOW_COLUMNS = {"target_entropy": "entropy_below", "target_kurtosis": "kurtosis_below"}
# The share of random heads below a head that is more concentrated than all of them: lower entropy, higher kurtosis.
BEYOND_RANDOM_SHARES = {"target_entropy": 0.0, "target_kurtosis": 1.0}


def entropy(targets: Iterable[int]) -> float:
    """Shannon entropy of a multiset, in bits: −Σ p log₂ p over its different members; 0 for one member or none."""
    counts = Counter(targets)
    total = counts.total()
    return sum(n / total * log2(total / n) for n in counts.values())


def share_below(value: float | None, others: Sequence[float]) -> float | None:
    """The share of `others` below a value, where equal ones count half; None without a value or without others."""
    if value is None or not others:
        return None
    return sum((other < value) + 0.5 * (other == value) for other in others) / len(others)


class ConcentrationGroup(NamedTuple):
    """Heads of one kind with their measures. `describer`: whose descriptions give the kind; empty for random heads."""

    describer: str
    kind: str
    heads: list[Row]


def group_heads(
    descriptions: Iterable[Row], measures: dict[HeadId, Row], random_heads: Sequence[Row]
) -> list[ConcentrationGroup]:
    """The heads with a pattern and the unclear heads of each describer, then the random heads if there are any."""
    members: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in descriptions:
        head = head_of(row)
        if head in measures:
            kind = PATTERN_LABEL if row["pattern"] else UNCLEAR_LABEL
            members[row["describer"], kind].append(measures[head])
    keys = sorted(members, key=lambda key: (key[0], key[1] == UNCLEAR_LABEL))
    groups = [ConcentrationGroup(*key, members[key]) for key in keys]
    return [*groups, ConcentrationGroup("", RANDOM_LABEL, list(random_heads))] if random_heads else groups


def concentration_rows(groups: Iterable[ConcentrationGroup]) -> list[Row]:
    """Rows of `CONCENTRATION_SUMMARY_SCHEMA`: the distribution of each measure over each group of heads."""
    rows = []
    for describer, kind, heads in groups:
        for measure, below in BELOW_COLUMNS.items():
            values = [row[measure] for row in heads if row[measure] is not None]
            low, median, high = np.percentile(values, (5, 50, 95)).tolist() if values else (None, None, None)
            shares = [row[below] for row in heads if row.get(below) is not None]
            rows.append(
                {
                    "describer": describer or None,
                    "heads": kind,
                    "measure": measure,
                    "count": len(values),
                    "low": low,
                    "median": median,
                    "high": high,
                    "beyond_random": shares.count(BEYOND_RANDOM_SHARES[measure]) if shares else None,
                }
            )
    return rows


def concentration_sentences(rows: Iterable[Row]) -> list[str]:
    """The entropy of each group of heads as a sentence."""
    sentences = []
    for row in rows:
        if row["measure"] != "target_entropy" or row["median"] is None:
            continue
        if row["describer"]:
            heads = f"{pluralize(row['count'], 'head')} {row['heads']} by {escape_invisible(row['describer'])}"
        else:
            heads = pluralize(row["count"], f"{row['heads']} head")
        beyond = row["beyond_random"]
        comparison = "" if beyond is None else f", {beyond:,} of them lower than every random head of their layer"
        sentences.append(
            f"{heads}: median entropy of the targets {row['median']:.2f} bits (90 % between "
            f"{row['low']:.2f} and {row['high']:.2f}){comparison}."
        )
    return sentences
