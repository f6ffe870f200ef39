"""What relation scores say of heads: the relations each implements or suppresses, its categories, and the counts.

A head implements a relation where φ ≥ τ and suppresses it where suppression ≥ τ, if the relation has at least
`min_pairs` usable pairs. It belongs to a category where it implements or suppresses one of its relations; a user's
own relation has no category (paper, section 5.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from maps.types import HeadId

CATEGORIES = ("algorithmic", "knowledge", "linguistic", "translation")
SCORE, SUPPRESSION = "score", "suppression"
CATEGORIES_SCHEMA = pa.schema(
    [
        ("layer", pa.int32()),
        ("head", pa.int32()),
        ("categories", pa.list_(pa.string())),
        ("relations", pa.list_(pa.string())),
        ("suppressed", pa.list_(pa.string())),
    ]
)
HEADS_PER_RELATION_SCHEMA = pa.schema(
    [
        ("relation", pa.string()),
        ("category", pa.string()),
        ("k", pa.int32()),
        ("pairs", pa.int32()),
        ("counted", pa.bool_()),
        ("heads", pa.int32()),
        ("suppression_heads", pa.int32()),
        ("either", pa.int32()),
        ("best_head", pa.string()),
        ("best_score", pa.float64()),
        ("best_suppression_head", pa.string()),
        ("best_suppression", pa.float64()),
    ]
)
SUMMARY_SCHEMA = pa.schema(
    [
        ("measure", pa.string()),
        ("count", pa.int32()),
        ("of", pa.int32()),
        ("share", pa.float64()),
        ("note", pa.string()),
    ]
)


@dataclass(frozen=True)
class HeadRelation:
    """A relation that a head implements (`side` is `score`) or suppresses; `category` is empty for an own one."""

    relation: str
    category: str
    side: str
    value: float


RelationsByHead = dict[HeadId, list[HeadRelation]]


def classify(relations: pa.Table, tau: float, min_pairs: int) -> RelationsByHead:
    """The heads that implement or suppress a relation, each with what it does, strongest first.

    `relations` is the atlas's table; heads that do nothing at τ are not among the keys.
    """
    reaches = [pc.greater_equal(relations[side], pa.scalar(tau, pa.float64())) for side in (SCORE, SUPPRESSION)]
    enough = pc.greater_equal(relations["pairs"], pa.scalar(min_pairs, pa.int64()))
    kept = relations.filter(pc.and_kleene(enough, pc.or_kleene(*reaches)))
    found: RelationsByHead = {}
    for row in kept.to_pylist():
        for side in (SCORE, SUPPRESSION):
            if row[side] is not None and row[side] >= tau:
                each = HeadRelation(row["relation"], row["category"] or "", side, row[side])
                found.setdefault(HeadId(row["layer"], row["head"]), []).append(each)
    return {head: sorted(does, key=lambda x: -x.value) for head, does in sorted(found.items())}


def categories_of(head_relations: Sequence[HeadRelation]) -> list[str]:
    """The categories among what a head does: the paper's four in their order, then others."""
    named = dict.fromkeys(each.category for each in head_relations if each.category)
    return [name for name in CATEGORIES if name in named] + sorted(named.keys() - set(CATEGORIES))


def categories_table(heads: Sequence[HeadId], classified: RelationsByHead) -> pa.Table:
    """Every head with its categories, the relations it implements and those it suppresses; empty lists are null."""
    rows = []
    for head in heads:
        does = classified.get(head, [])
        rows.append(
            {
                "layer": head.layer,
                "head": head.head,
                "categories": categories_of(does) or None,
                "relations": [each.relation for each in does if each.side == SCORE] or None,
                "suppressed": [each.relation for each in does if each.side == SUPPRESSION] or None,
            }
        )
    return pa.Table.from_pylist(rows, schema=CATEGORIES_SCHEMA)


def heads_per_relation(relations: pa.Table, tau: float, min_pairs: int) -> pa.Table:
    """Each relation with how many heads implement it, suppress it, do either, and its best heads.

    Counts are null where the relation has too few pairs. The best of equal heads is the first; where no head scores
    above 0, there is none.
    """
    frame = relations.to_pandas(categories=["relation", "category"])
    rows = []
    for name, scored in frame.groupby("relation", sort=False, observed=True):
        pairs, counted = int(scored["pairs"].iloc[0]), bool(scored["pairs"].iloc[0] >= min_pairs)
        up, down = scored[SCORE] >= tau, scored[SUPPRESSION] >= tau
        best_head, best = highest_scoring_head(scored, SCORE)
        lowest_head, lowest = highest_scoring_head(scored, SUPPRESSION)
        category = scored["category"].iloc[0]
        rows.append(
            {
                "relation": str(name),
                "category": category if isinstance(category, str) and category else None,
                "k": int(scored["k"].iloc[0]),
                "pairs": pairs,
                "counted": counted,
                "heads": int(up.sum()) if counted else None,
                "suppression_heads": int(down.sum()) if counted else None,
                "either": int((up | down).sum()) if counted else None,
                "best_head": best_head,
                "best_score": best,
                "best_suppression_head": lowest_head,
                "best_suppression": lowest,
            }
        )
    return pa.Table.from_pylist(rows, schema=HEADS_PER_RELATION_SCHEMA)


def highest_scoring_head(scored: pd.DataFrame, side: str) -> tuple[str | None, float | None]:
    """The head with the highest value on one relation, and the value."""
    known = scored.dropna(subset=[side]).sort_values([side, "layer", "head"], ascending=[False, True, True])
    if known.empty:
        return None, None
    first = known.iloc[0]
    value = float(first[side])
    return (str(HeadId(int(first["layer"]), int(first["head"]))) if value > 0 else None), value


def classification_summary(heads: Sequence[HeadId], classified: RelationsByHead, per_relation: pa.Table) -> pa.Table:
    """The counts: classified heads, each category, several categories and suppression among the classified ones.

    `share` is count / of, null with a `note` where `of` is 0. The last row names the relations left out.
    """
    doing = [classified[head] for head in heads if head in classified]
    per_head = [categories_of(does) for does in doing]
    present = dict.fromkeys(per_relation["category"].drop_null().to_pylist())
    named = [*CATEGORIES, *sorted(present.keys() - set(CATEGORIES))]
    left_out = [row["relation"] for row in per_relation.to_pylist() if not row["counted"]]
    several = sum(len(found) > 1 for found in per_head)
    suppressing = sum(any(each.side == SUPPRESSION for each in does) for does in doing)
    none = "no head is classified" if heads else "no head was mapped"
    rows = [
        summary_row("heads", len(heads), None),
        summary_row("classified", len(doing), len(heads), none),
        *(summary_row(name, sum(name in found for found in per_head), len(heads), none) for name in named),
        summary_row("own_relations_only", sum(not found for found in per_head), len(heads), none),
        summary_row("several_categories", several, len(doing), none),
        summary_row("suppression", suppressing, len(doing), none),
        summary_row("relations_left_out", len(left_out), len(per_relation), "no relation was scored")
        | ({"note": f"too few pairs: {', '.join(left_out)}"} if left_out else {}),
    ]
    return pa.Table.from_pylist(rows, schema=SUMMARY_SCHEMA)


def summary_row(measure: str, count: int, of: int | None, undefined_reason: str = "") -> dict[str, object]:
    """A row of the summary."""
    share, note = (count / of, None) if of else (None, undefined_reason if of == 0 else None)
    return {"measure": measure, "count": count, "of": of, "share": share, "note": note}
