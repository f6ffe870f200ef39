"""Whether MAPS classifies heads as earlier work does (paper, section 4.5).

A head of a known group, such as the name movers of GPT-2 small, is classified alike when its score on the group's
relation reaches τ, or its suppression for a group that suppresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from maps.atlas.schema import INTEGER, NUMBER, TEXT, Row, columns
from maps.data import known_heads as known
from maps.data.known_heads import KnownGroup
from maps.errors import MapsError
from maps.experiments.layer_runs import ExperimentTables, TableRows, run_layers
from maps.experiments.results import TEXTS, pick_settings
from maps.mapping.mapper import LayerMapper, open_model
from maps.mapping.rows import score_rows
from maps.mapping.settings import MappingSettings
from maps.types import HeadId, Progress, no_progress_bar

SCHEMAS = {
    "known_heads": pa.schema(
        [
            *[("group", TEXT), *columns(INTEGER, "layer", "head"), *columns(TEXT, "relation", "side")],
            *[*columns(INTEGER, "k", "pairs"), *columns(NUMBER, "score", "suppression"), ("likewise", pa.bool_())],
            *[("implements", TEXTS), ("suppresses", TEXTS), ("source", TEXT)],
        ]
    ),
    "known_groups": pa.schema(
        [
            *[("group", TEXT), ("relation", TEXT), ("side", TEXT), ("heads", INTEGER), ("likewise", INTEGER)],
            *[("published", INTEGER), ("further", INTEGER), ("further_heads", TEXTS)],
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
    progress: Progress[int] = no_progress_bar,
) -> ExperimentTables:
    """Compares known heads with their relation scores and writes `known_heads.csv` and `known_groups.csv`.

    `groups_file`: your own groups instead of those that ship. Raises MapsError for a model without known heads.
    """
    opened = open_model(model, settings, device)
    if groups_file is None:
        shape = opened.shape
        _, groups = known.shipped_groups(opened.name, shape.architecture, shape.layers, shape.heads)
    else:
        groups = known.read_own_groups(groups_file)
    for group in groups:
        for head in group.heads:
            opened.head(head)  # raises MapsError for a head that the model lacks
    lacking = ", ".join(sorted({group.relation for group in groups} - {each.name for each in settings.relations}))
    if lacking:
        raise MapsError(f"Known heads are compared by {lacking}, which is not among the relations; name it too.")
    asked = pick_settings(settings, USED_SETTINGS)
    asked["groups"] = [{**group._asdict(), "heads": [str(head) for head in group.heads]} for group in groups]
    layers = range(opened.shape.layers)
    opened.checkpoint.check_files(layers, settings.first_mlp)
    work = LayerMapper.prepare(opened, settings)

    def compute_layer(layer: int) -> TableRows:
        return {"relations": score_rows(work.compute_head_hits(layer), work.pairs.relations)}

    def build_tables(rows: TableRows) -> TableRows:
        return compare_known_heads(groups, rows["relations"], settings)

    return run_layers("known_heads", opened, asked, layers, SCHEMAS, out, compute_layer, progress, build_tables)


ScoresByHead = dict[HeadId, dict[str, Row]]  # rows of `relations` by head and relation


def compare_known_heads(groups: Sequence[KnownGroup], scores: Sequence[Row], settings: MappingSettings) -> TableRows:
    """Both tables, from the relation scores of all heads. A relation with too few usable pairs decides nothing."""
    by_head: ScoresByHead = {}
    for row in scores:
        by_head.setdefault(HeadId(row["layer"], row["head"]), {})[row["relation"]] = row
    head_rows = [known_head_row(group, head, by_head[head], settings) for group in groups for head in group.heads]
    group_rows = [known_group_row(group, groups, by_head, settings) for group in groups]
    return {"known_heads": head_rows, "known_groups": group_rows}


def passes(row: Row, side: str, settings: MappingSettings) -> bool | None:
    """Whether a head's score, or its suppression, reaches τ; None when the relation has too few usable pairs."""
    return None if row["pairs"] < settings.min_pairs else row[side] >= settings.tau


def known_head_row(group: KnownGroup, head: HeadId, scores: dict[str, Row], settings: MappingSettings) -> Row:
    own = scores[group.relation]
    return {
        "group": group.name,
        **head._asdict(),
        **{name: own[name] for name in ("relation", "k", "pairs", "score", "suppression")},
        "side": group.side,
        "likewise": passes(own, group.side, settings),
        "implements": [name for name, row in scores.items() if passes(row, "score", settings)],
        "suppresses": [name for name, row in scores.items() if passes(row, "suppression", settings)],
        "source": group.source,
    }


def known_group_row(
    group: KnownGroup, groups: Sequence[KnownGroup], by_head: ScoresByHead, settings: MappingSettings
) -> Row:
    """How many heads of a group reach τ, and which other heads do that no group of the same relation and side names."""
    alike = [other for other in groups if (other.relation, other.side) == (group.relation, group.side)]
    named = {head for other in alike for head in other.heads}
    passing = {head: passes(rows[group.relation], group.side, settings) for head, rows in by_head.items()}
    decided = None not in passing.values()
    further = [str(head) for head in sorted(passing) if passing[head] and head not in named]
    return {
        "group": group.name,
        "relation": group.relation,
        "side": group.side,
        "heads": len(group.heads),
        "likewise": sum(bool(passing[head]) for head in group.heads) if decided else None,
        "published": group.published,
        "further": len(further),
        "further_heads": further,
    }
