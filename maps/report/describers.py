"""One row for each describer of an atlas: what it sees, whether that is true, what it sees by chance, what it costs.

The measures are those of docs/contract.md, section 4; each stands beside what chance would give.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from maps.atlas.null import NULL_KINDS, null_kind, null_model
from maps.atlas.reader import Atlas
from maps.atlas.schema import INTEGER, NUMBER, TEXT, Row, columns, head_of
from maps.describers.names import REFERENCE, trust_order
from maps.describers.reference import heads_with_recurrence
from maps.distributions import wilson_interval
from maps.errors import MapsError
from maps.scoring.accuracy import mean_over_heads
from maps.scoring.prediction_summary import prediction_rows
from maps.scoring.score_table import is_generation
from maps.text import escape_invisible, pluralize
from maps.types import HeadId

NULL_COLUMNS = {kind: (f"null_{kind}", f"null_{kind}_patterns", f"false_{kind}") for kind in NULL_KINDS}
DESCRIBERS_SCHEMA = pa.schema(
    [
        ("describer", TEXT),
        *columns(INTEGER, "heads", "patterns", "compared"),
        *columns(NUMBER, "precision", "recall"),
        ("compared_specific", INTEGER),
        *columns(NUMBER, "precision_specific", "recall_specific"),
        ("scorer", TEXT),
        ("scored", INTEGER),
        *columns(NUMBER, "detection", "detection_swapped", "lookalike"),
        ("writer", TEXT),
        ("predicted", INTEGER),
        *columns(NUMBER, "generation", "generation_swapped"),
        *[
            column
            for heads, patterns, share in NULL_COLUMNS.values()
            for column in (*columns(INTEGER, heads, patterns), (share, NUMBER))
        ],
        ("cost_usd", NUMBER),
    ]
)


class Presence(NamedTuple):
    """How a describer's patterns compare with those of the reference, on the heads that both described."""

    compared: int
    precision: float | None
    recall: float | None


def describer_rows(atlas: Atlas, nulls: Sequence[Atlas] = ()) -> list[Row]:
    """Rows of `DESCRIBERS_SCHEMA`, most trusted first, from the current descriptions of present mappings.

    `nulls`: null atlases of the same model, described by the same describers. Raises MapsError for others.
    """
    stale = atlas.stale_description_ids()
    by_describer: dict[str, list[Row]] = defaultdict(list)
    for row in atlas.descriptions():
        if row["description_id"] not in stale:
            by_describer[row["describer"]].append(row)
    reference = patterns_by_head(by_describer.get(REFERENCE, ()))
    recurring = heads_with_recurrence(atlas) if reference else set()
    specific = {head: pattern for head, pattern in reference.items() if head not in recurring}
    scores, by_chance = atlas.table("scores").to_pylist(), patterns_by_chance(atlas, nulls)
    rows = []
    for name in sorted(by_describer, key=lambda name: (trust_order(name), name)):
        described, ids = by_describer[name], {row["description_id"] for row in by_describer[name]}
        patterns = sum(row["pattern"] for row in described)
        presence, presence_specific = (compare_presence(name, described, truth) for truth in (reference, specific))
        costs = [row["cost_usd"] for row in described if row["cost_usd"] is not None]
        rows.append(
            {
                **{"describer": name, "heads": len(described), "patterns": patterns},
                **presence._asdict(),
                **{f"{column}_specific": value for column, value in presence_specific._asdict().items()},
                **detection_columns([row for row in scores if row["description_id"] in ids]),
                **generation_columns([row for row in scores if row["description_id"] in ids]),
                **chance_columns(name, patterns, len(described), by_chance),
                "cost_usd": sum(costs) / len(described) if costs else None,
            }
        )
    return rows


def patterns_by_head(descriptions: Iterable[Row]) -> dict[HeadId, bool]:
    return {head_of(row): row["pattern"] for row in descriptions}


def compare_presence(name: str, described: Iterable[Row], reference: Mapping[HeadId, bool]) -> Presence:
    """Of the heads with a pattern by this describer those that have one by the reference, and the reverse."""
    if name == REFERENCE:
        return Presence(0, None, None)
    own = patterns_by_head(described)
    counts = Counter((own[head], reference[head]) for head in own.keys() & reference.keys())
    both = counts[True, True]
    seen, true = both + counts[True, False], both + counts[False, True]
    return Presence(counts.total(), both / seen if seen else None, both / true if true else None)


def detection_columns(scores: Sequence[Row]) -> Row:
    """The means of the scorer with the most heads, in its first seed."""
    groups: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in scores:
        if row["detection"] is not None:
            groups[row["scorer"], row["seed"]].append(row)
    if not groups:
        return {}
    (scorer, _), rows = max(sorted(groups.items()), key=lambda group: len(group[1]))
    names = ("detection", "detection_swapped", "lookalike")
    means = {name: mean_over_heads([row[name] for row in rows if row[name] is not None]) for name in names}
    return {"scorer": scorer, "scored": len(rows), **{name: mean and mean.value for name, mean in means.items()}}


def generation_columns(scores: Sequence[Row]) -> Row:
    """The means of the writer with the most heads."""
    best = max(prediction_rows(filter(is_generation, scores)), key=lambda row: row["heads"], default=None)
    if best is None or not best["heads"]:
        return {}
    means = {"generation": best["mean"], "generation_swapped": best["mean_swapped"]}
    return {"writer": best["writer"], "predicted": best["heads"], **means}


def patterns_by_chance(atlas: Atlas, nulls: Sequence[Atlas]) -> dict[tuple[str, str], tuple[int, int]]:
    """By kind and describer: in how many heads of the null atlases it sees a pattern, and of how many."""
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for null in nulls:
        kind = null_kind(null)
        if (null_model(null), null.reading) != (atlas.model, atlas.reading):
            raise MapsError(
                f"{null.folder} is a null atlas of {null_model(null)} in the reading {null.reading}, not of "
                f"{atlas.model} in the reading {atlas.reading}."
            )
        for row in null.descriptions():
            seen, heads = counts.get((kind, row["describer"]), (0, 0))
            counts[kind, row["describer"]] = seen + row["pattern"], heads + 1
    return counts


def chance_columns(name: str, patterns: int, heads: int, by_chance: Mapping[tuple[str, str], tuple[int, int]]) -> Row:
    """For each kind: heads, patterns, and the share of the described patterns that is expected by chance at most."""
    row: Row = {}
    for kind, columns_of_kind in NULL_COLUMNS.items():
        if (kind, name) in by_chance and patterns:
            seen, total = by_chance[kind, name]
            expected = heads * wilson_interval(seen, total)[1]
            row |= dict(zip(columns_of_kind, (total, seen, min(1.0, expected / patterns)), strict=True))
    return row


def describer_sentences(rows: Iterable[Row]) -> list[str]:
    """What the rows say, a sentence or two for each describer."""
    return [" ".join(one_describer(row)) for row in rows]


def one_describer(row: Row) -> list[str]:
    name = escape_invisible(row["describer"])
    sentences = [f"{name} sees a pattern in {row['patterns']:,} of {pluralize(row['heads'], 'head')}."]
    if row["precision"] is not None and row["recall"] is not None:
        sentences.append(
            f"The reference sees one in {100 * row['precision']:.0f} % of these, and {name} in "
            f"{100 * row['recall']:.0f} % of those with a pattern in the reference."
        )
        if row["recall_specific"] is not None and row["compared_specific"] < row["compared"]:
            sentences.append(
                f"Without the heads of which the reference says only that the same strings recur, {name} sees "
                f"{100 * row['recall_specific']:.0f} % of those with a pattern."
            )
    for kind, (heads, seen, share) in NULL_COLUMNS.items():
        if row.get(share) is not None:
            sentences.append(
                f"It sees one in {row[seen]:,} of {row[heads]:,} {kind} heads, so of the {row['patterns']:,} at most "
                f"{100 * row[share]:.1f} % are expected by chance."
            )
    return sentences
