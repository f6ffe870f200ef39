"""Heads whose function earlier work found, and whether MAPS classifies them likewise (paper, section 4.5)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from maps.atlas.schema import HEAD_COLUMNS, Row
from maps.data import known_heads as known
from maps.data.known_heads import KnownGroup
from maps.errors import MapsError
from maps.experiments.layer_runs import ExperimentTables, LayerExperiment, Progress, TableRows, no_progress_bar
from maps.mapping.mapper import LayerMapper, open_model, score_rows
from maps.mapping.settings import MappingSettings
from maps.types import HeadId

SCHEMAS = {
    "known_heads": pa.schema(
        [
            ("group", pa.string()),
            *HEAD_COLUMNS,
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
USED_SETTINGS = ("k", "tau", "min_pairs", "first_mlp", "final_norm", "dtype", "relations")


def evaluate_known_heads(
    model: str,
    out: Path,
    settings: MappingSettings,
    groups_file: Path | None = None,
    device: str = "cpu",
    progress: Progress = no_progress_bar,
) -> ExperimentTables:
    """Compares known heads with their relation scores and writes `known_heads.csv` and `known_groups.csv`.

    `groups_file`: a file of groups in place of those that ship. Raises MapsError for a model of which no heads are known.
    """
    loaded = open_model(model, settings, device)
    shape = loaded.shape
    if groups_file is None:
        _, groups = known.shipped_groups(loaded.name, shape.architecture, shape.layers, shape.heads)
    else:
        groups = known.read_own_groups(groups_file)
    for group in groups:
        for head in group.heads:
            loaded.head(head)
    check_groups_are_scored(groups, settings)
    asked = {name: settings.as_json()[name] for name in USED_SETTINGS}
    asked["groups"] = [{**group._asdict(), "heads": [str(head) for head in group.heads]} for group in groups]
    layers = range(shape.layers)
    loaded.checkpoint.check_files(layers, settings.first_mlp)
    work = LayerMapper.prepare(loaded, settings)

    def make(layer: int) -> TableRows:
        return {"relations": score_rows(work.compute_head_hits(layer), work.pairs.relations)}

    def finish(made: TableRows) -> TableRows:
        return compare_known_heads(groups, made["relations"], settings)

    return LayerExperiment("known_heads", loaded, asked, layers, SCHEMAS).run(out, make, progress, finish)


def check_groups_are_scored(groups: Sequence[KnownGroup], settings: MappingSettings) -> None:
    """Raises MapsError where a group is known by a relation that is not scored."""
    scored = {relation.name for relation in settings.relations}
    lacking = sorted({group.relation for group in groups} - scored)
    if lacking:
        raise MapsError(
            f"Known heads are compared by {', '.join(lacking)}, which is not among the relations; name it too."
        )


def compare_known_heads(groups: Sequence[KnownGroup], scores: Sequence[Row], settings: MappingSettings) -> TableRows:
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
