"""Heads whose function earlier work found, and whether MAPS classifies them likewise (paper, section 4.5)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from maps.atlas.schema import HEAD, Row
from maps.data import known_heads as known
from maps.data.known_heads import Group
from maps.errors import MapsError
from maps.experiments.layer_runs import Layered, Progress, Rows, Tables, plainly
from maps.mapping.mapper import Work, opened, score_rows
from maps.mapping.settings import Settings
from maps.types import HeadId

SCHEMAS = {
    "known_heads": pa.schema(
        [
            ("group", pa.string()),
            *HEAD,
            ("relation", pa.string()),
            ("side", pa.string()),
            ("k", pa.int32()),
            ("pairs", pa.int32()),
            ("score", pa.float64()),
            ("suppression", pa.float64()),
            ("likewise", pa.bool_()),
            ("implements", pa.list_(pa.string())),
            ("suppresses", pa.list_(pa.string())),
            ("source", pa.string()),
        ]
    ),
    "known_groups": pa.schema(
        [
            ("group", pa.string()),
            ("relation", pa.string()),
            ("side", pa.string()),
            ("heads", pa.int32()),
            ("likewise", pa.int32()),
            ("published", pa.int32()),
            ("further", pa.int32()),
            ("further_heads", pa.list_(pa.string())),
        ]
    ),
}
DEPENDS_ON = ("k", "tau", "min_pairs", "first_mlp", "final_norm", "dtype", "relations")


def known_heads(
    model: str,
    out: Path,
    settings: Settings,
    own: Path | None = None,
    device: str = "cpu",
    progress: Progress = plainly,
) -> Tables:
    """Compares known heads with their relation scores and writes `known_heads.csv` and `known_groups.csv`.

    `own`: a file of groups in place of those that ship. Raises MapsError for a model of which no heads are known.
    """
    loaded = opened(model, settings, device)
    shape = loaded.shape
    if own is None:
        _, groups = known.shipped(loaded.name, shape.architecture, shape.layers, shape.heads)
    else:
        groups = known.own(own)
    for group in groups:
        for head in group.heads:
            loaded.head(head)
    check_scored(groups, settings)
    asked = {name: settings.as_json()[name] for name in DEPENDS_ON}
    asked["groups"] = [{**group._asdict(), "heads": [str(head) for head in group.heads]} for group in groups]
    layers = range(shape.layers)
    loaded.checkpoint.require(layers, settings.first_mlp)
    work = Work.prepare(loaded, settings)

    def make(layer: int) -> Rows:
        return {"relations": score_rows(work.tested(layer), work.pairs.relations)}

    def finish(made: Rows) -> Rows:
        return compared(groups, made["relations"], settings)

    return Layered("known_heads", loaded, asked, layers, SCHEMAS).run(out, make, progress, finish)


def check_scored(groups: Sequence[Group], settings: Settings) -> None:
    """Raises MapsError where a group is known by a relation that is not scored."""
    scored = {relation.name for relation in settings.relations}
    lacking = sorted({group.relation for group in groups} - scored)
    if lacking:
        raise MapsError(
            f"Known heads are compared by {', '.join(lacking)}, which is not among the relations; name it too."
        )


def compared(groups: Sequence[Group], scores: Sequence[Row], settings: Settings) -> Rows:
    """Both tables, from the relation scores of all heads. A relation with too few usable pairs decides nothing."""
    by_head: dict[HeadId, dict[str, Row]] = {}
    for row in scores:
        by_head.setdefault(HeadId(row["layer"], row["head"]), {})[row["relation"]] = row

    def passes(row: Row, side: str) -> bool | None:
        return None if row["pairs"] < settings.min_pairs else row[side] >= settings.tau

    def named(head: HeadId, side: str) -> list[str]:
        return [name for name, row in by_head[head].items() if passes(row, side)]

    heads = [
        {
            "group": group.name,
            **head._asdict(),
            **{name: own[name] for name in ("relation", "k", "pairs", "score", "suppression")},
            "side": group.side,
            "likewise": passes(own, group.side),
            "implements": named(head, "score"),
            "suppresses": named(head, "suppression"),
            "source": group.source,
        }
        for group in groups
        for head in group.heads
        for own in [by_head[head][group.relation]]
    ]
    counts = []
    for group in groups:
        alike = [other for other in groups if (other.relation, other.side) == (group.relation, group.side)]
        listed = {head for other in alike for head in other.heads}
        like = {head: passes(rows[group.relation], group.side) for head, rows in by_head.items()}
        decided = None not in like.values()
        further = [str(head) for head in sorted(like) if like[head] and head not in listed]
        row = {"group": group.name, "relation": group.relation, "side": group.side, "heads": len(group.heads)}
        row |= {"likewise": sum(bool(like[head]) for head in group.heads) if decided else None}
        counts.append({**row, "published": group.published, "further": len(further), "further_heads": further})
    return {"known_heads": heads, "known_groups": counts}
