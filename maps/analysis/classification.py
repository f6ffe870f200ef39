"""Classifies heads by their relation scores: the relations that each implements or suppresses, and its categories.

A head implements a relation if φ ≥ τ on the pairs that copying does not hit, and suppresses it if its suppression is;
for copying itself all pairs count. Relations with fewer than `min_pairs` usable pairs classify no head. A head belongs
to a category if it implements or suppresses one of its relations (paper, section 5.1). A user's own relation has no
category.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from maps.atlas.schema import INTEGER, NUMBER, TEXT, columns, head_of, table_by_head
from maps.types import COPYING_RELATIONS, HeadId, is_copying_relation

CATEGORIES = ("algorithmic", "knowledge", "linguistic", "translation")
SCORE, SUPPRESSION = "score", "suppression"
BEYOND_COPYING = {SCORE: "beyond_copying", SUPPRESSION: "suppression_beyond_copying"}
CATEGORIES_SCHEMA = table_by_head(*columns(pa.list_(TEXT), "categories", "relations", "suppressed"))
HEADS_PER_RELATION_SCHEMA = pa.schema(
    [
        *columns(TEXT, "relation", "category"),
        *columns(INTEGER, "k", "pairs"),
        ("counted", pa.bool_()),
        *columns(INTEGER, "heads", "suppression_heads", "either"),
        *[("best_head", TEXT), ("best_score", NUMBER), ("best_suppression_head", TEXT), ("best_suppression", NUMBER)],
    ]
)
SUMMARY_SCHEMA = pa.schema([("measure", TEXT), *columns(INTEGER, "count", "of"), ("share", NUMBER), ("note", TEXT)])


@dataclass(frozen=True)
class HeadRelation:
    """A relation that a head implements or suppresses. `value` is the share of the `pairs` that it does so for."""

    relation: str
    category: str  # empty for a user's own relation
    side: str  # SCORE: implements; SUPPRESSION: suppresses
    value: float
    pairs: int


RelationsByHead = dict[HeadId, list[HeadRelation]]


def classify(relations: pa.Table, tau: float, min_pairs: int) -> RelationsByHead:
    """The classified heads in order, each with its relations, strongest first.

    `relations` is the atlas's table. Heads that implement and suppress nothing are left out.
    """
    reached = [pc.greater_equal(relations[side], pa.scalar(tau, pa.float64())) for side in BEYOND_COPYING.values()]
    may_pass = pc.or_kleene(pc.or_kleene(*reached), pc.is_in(relations["relation"], pa.array(COPYING_RELATIONS)))
    has_enough_pairs = pc.greater_equal(relations["pairs"], pa.scalar(min_pairs, pa.int64()))
    candidates = relations.filter(pc.and_kleene(has_enough_pairs, may_pass))
    classified: RelationsByHead = {}
    for row in candidates.to_pylist():
        for side in (SCORE, SUPPRESSION):
            value = row[classifying_column(side, row["relation"], row["category"])]
            if value is not None and value >= tau:
                relation = HeadRelation(row["relation"], row["category"] or "", side, row[side], row["pairs"])
                classified.setdefault(head_of(row), []).append(relation)
    return {head: sorted(classified[head], key=lambda relation: -relation.value) for head in sorted(classified)}


def classifying_column(side: str, relation: str, category: str | None) -> str:
    """The column of `relations` that τ is compared with: all pairs of copying relations, else those beyond copying."""
    return side if is_copying_relation(relation, category) else BEYOND_COPYING[side]


def categories_of(head_relations: Sequence[HeadRelation]) -> list[str]:
    """The categories of a head's relations: the paper's four in their order, then others by name."""
    present = {each.category for each in head_relations if each.category}
    return [name for name in CATEGORIES if name in present] + sorted(present - set(CATEGORIES))


def categories_table(heads: Sequence[HeadId], classified: RelationsByHead) -> pa.Table:
    """Every head with its categories, the relations that it implements and those that it suppresses; null if none."""
    rows = []
    for head in heads:
        head_relations = classified.get(head, [])
        relations = [each.relation for each in head_relations if each.side == SCORE] or None
        suppressed = [each.relation for each in head_relations if each.side == SUPPRESSION] or None
        categories = categories_of(head_relations) or None
        rows.append({**head._asdict(), "categories": categories, "relations": relations, "suppressed": suppressed})
    return pa.Table.from_pylist(rows, schema=CATEGORIES_SCHEMA)


def heads_per_relation(relations: pa.Table, tau: float, min_pairs: int) -> pa.Table:
    """For each relation the number of heads that implement it, suppress it, or do either, and its best heads.

    The numbers are null for a relation with too few pairs. Of equal heads the first is the best; if no head scores
    above 0, there is no best head.
    """
    frame = relations.to_pandas(categories=["relation", "category"])
    rows = []
    for name, scored in frame.groupby("relation", sort=False, observed=True):
        pairs, category = int(scored["pairs"].iloc[0]), scored["category"].iloc[0]
        row: dict[str, Any] = {
            "relation": str(name),
            "category": category if isinstance(category, str) and category else None,
            "k": int(scored["k"].iloc[0]),
            "pairs": pairs,
            "counted": pairs >= min_pairs,
        }
        if row["counted"]:  # else the numbers of heads are null
            implements, suppresses = (
                scored[classifying_column(side, str(name), row["category"])] >= tau for side in (SCORE, SUPPRESSION)
            )
            row |= {"heads": int(implements.sum()), "suppression_heads": int(suppresses.sum())}
            row |= {"either": int((implements | suppresses).sum())}
        row["best_head"], row["best_score"] = highest_scoring_head(scored, SCORE)
        row["best_suppression_head"], row["best_suppression"] = highest_scoring_head(scored, SUPPRESSION)
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=HEADS_PER_RELATION_SCHEMA)


def highest_scoring_head(scored: pd.DataFrame, side: str) -> tuple[str | None, float | None]:
    """The head with the highest score or suppression for one relation, None if that is 0, and the value."""
    known = scored.dropna(subset=[side]).sort_values([side, "layer", "head"], ascending=[False, True, True])
    if known.empty:
        return None, None
    first = known.iloc[0]
    value = float(first[side])
    return (str(HeadId(int(first["layer"]), int(first["head"]))) if value > 0 else None), value


def classification_summary(heads: Sequence[HeadId], classified: RelationsByHead, per_relation: pa.Table) -> pa.Table:
    """Counts of heads: classified ones, those of each category, of several categories, and those that suppress.

    `share` is count / of, null with a `note` if `of` is 0. The last row names the relations with too few pairs.
    """
    relations = [classified[head] for head in heads if head in classified]  # of each classified head
    categories = [categories_of(head_relations) for head_relations in relations]
    other_categories = set(per_relation["category"].drop_null().to_pylist()) - set(CATEGORIES)
    left_out = [row["relation"] for row in per_relation.to_pylist() if not row["counted"]]
    several = sum(len(names) > 1 for names in categories)
    suppressing = sum(any(each.side == SUPPRESSION for each in head_relations) for head_relations in relations)
    none = "no head is classified" if heads else "no head was mapped"
    rows = [summary_row("heads", len(heads), None), summary_row("classified", len(relations), len(heads), none)]
    for name in (*CATEGORIES, *sorted(other_categories)):
        rows.append(summary_row(name, sum(name in names for names in categories), len(heads), none))
    rows += [
        summary_row("own_relations_only", sum(not names for names in categories), len(heads), none),
        summary_row("several_categories", several, len(relations), none),
        summary_row("suppression", suppressing, len(relations), none),
        summary_row("relations_left_out", len(left_out), len(per_relation), "no relation was scored"),
    ]
    if left_out:
        rows[-1]["note"] = f"too few pairs: {', '.join(left_out)}"
    return pa.Table.from_pylist(rows, schema=SUMMARY_SCHEMA)


def summary_row(measure: str, count: int, of: int | None, undefined_reason: str = "") -> dict[str, object]:
    """A row of the summary; `undefined_reason` is the note if the share is undefined because `of` is 0."""
    note = undefined_reason if of == 0 else None
    return {"measure": measure, "count": count, "of": of, "share": count / of if of else None, "note": note}
