"""Whether MAPS classifies heads as earlier work does (paper, section 4.5).

A head of a known group, such as the name movers of GPT-2 small, is classified alike when its score on the group's
relation reaches τ, or its suppression for a group that suppresses.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from maps.analysis.classification import classifying_column
from maps.atlas.schema import INTEGER, NUMBER, TEXT, Row, columns, head_of
from maps.data import is_text, read_own_json
from maps.errors import MapsError
from maps.experiments.layer_runs import ExperimentTables, TableRows, run_layers
from maps.experiments.results import TEXTS, ExperimentRun, pick_settings
from maps.mapping.mapper import LayerMapper, open_model
from maps.mapping.rows import score_rows
from maps.mapping.settings import MappingSettings
from maps.types import HeadId

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
SCORE_SIDES = ("score", "suppression")
USED_SETTINGS = ("k", "tau", "min_pairs", "reading", "calibration", "dtype", "relations")


class KnownGroup(NamedTuple):
    """Heads with one function in earlier work, and the relation by which MAPS should find them.

    `side`: whether they promote the targets ("score") or suppress them ("suppression"). `published`: how many of them
    the paper finds; None if it does not say.
    """

    name: str
    relation: str
    side: str
    heads: tuple[HeadId, ...]
    published: int | None
    source: str


def shipped_groups(model: str, architecture: str, layers: int, heads: int) -> tuple[str, tuple[KnownGroup, ...]]:
    """The usual name of the model with that shape, and its groups; raises MapsError if none ships."""
    known_models = json.loads(files("maps.data").joinpath("known_heads.json").read_text(encoding="utf-8"))
    for known in known_models:
        if (known["architecture"], known["layers"], known["heads"]) == (architecture, layers, heads):
            return known["model"], parse_groups(known["groups"])
    names = " and ".join(f"{m['model']} ({m['layers']} layers of {m['heads']} heads)" for m in known_models)
    raise MapsError(
        f"Known heads are available for {names}, but {model} is {architecture} with {layers} layers of {heads} heads. "
        "Give your own list with --known FILE.json."
    )


def read_own_groups(path: Path) -> tuple[KnownGroup, ...]:
    """A user's groups: a list of objects with group, relation and heads; side, published and source are optional."""
    data = read_own_json(path, "file of known heads")
    try:
        return parse_groups(data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MapsError(
            f'{path} must be a list such as [{{"group": "movers", "relation": "name_copying", "heads": ["L9H9"]}}].'
        ) from error


def parse_groups(data: Sequence[dict[str, Any]]) -> tuple[KnownGroup, ...]:
    """The groups in a JSON value; raises various exceptions if it has another form, MapsError for an invalid head."""
    groups = tuple(map(parse_group, data))
    if not groups:
        raise ValueError("no groups")
    return groups


def parse_group(data: dict[str, Any]) -> KnownGroup:
    side, published, source = data.get("side", "score"), data.get("published"), data.get("source", "")
    heads = tuple(dict.fromkeys(HeadId.parse(head) for head in data["heads"]))
    has_texts = is_text(data["group"]) and is_text(data["relation"]) and isinstance(source, str)
    if not has_texts or side not in SCORE_SIDES or not heads or not (published is None or type(published) is int):
        raise ValueError("not a group of heads")
    return KnownGroup(data["group"], data["relation"], side, heads, published, source)


def evaluate_known_heads(run: ExperimentRun, groups_file: Path | None = None) -> ExperimentTables:
    """Compares known heads with their relation scores and writes `known_heads.csv` and `known_groups.csv`.

    `groups_file`: your own groups instead of those that ship. Raises MapsError for a model without known heads.
    """
    settings = run.settings
    opened = open_model(run.model, settings, run.device)
    if groups_file is None:
        shape = opened.shape
        _, groups = shipped_groups(opened.name, shape.architecture, shape.layers, shape.heads)
    else:
        groups = read_own_groups(groups_file)
    for group in groups:
        for head in group.heads:
            opened.head(head)  # raises MapsError for a head that the model lacks
    lacking = ", ".join(sorted({group.relation for group in groups} - {each.name for each in settings.relations}))
    if lacking:
        raise MapsError(f"Known heads are compared by {lacking}, which is not among the relations; name it too.")
    asked = pick_settings(settings, USED_SETTINGS)
    asked["groups"] = [{**group._asdict(), "heads": [str(head) for head in group.heads]} for group in groups]
    layers = range(opened.shape.layers)
    opened.check_files(layers)
    work = LayerMapper.prepare(opened, settings)

    def compute_layer(layer: int) -> TableRows:
        return {"relations": score_rows(work.compute_head_hits(layer), work.pairs.relations, opened.reading)}

    def build_tables(rows: TableRows) -> TableRows:
        return compare_known_heads(groups, rows["relations"], settings)

    return run_layers("known_heads", run, opened, asked, layers, SCHEMAS, compute_layer, build_tables)


ScoresByHead = dict[HeadId, dict[str, Row]]  # rows of `relations` by head and relation


def compare_known_heads(groups: Sequence[KnownGroup], scores: Sequence[Row], settings: MappingSettings) -> TableRows:
    """Both tables, from the relation scores of all heads. A relation with too few usable pairs decides nothing."""
    by_head: ScoresByHead = {}
    for row in scores:
        by_head.setdefault(head_of(row), {})[row["relation"]] = row
    head_rows = [known_head_row(group, head, by_head[head], settings) for group in groups for head in group.heads]
    group_rows = [known_group_row(group, groups, by_head, settings) for group in groups]
    return {"known_heads": head_rows, "known_groups": group_rows}


def passes(row: Row, side: str, settings: MappingSettings) -> bool | None:
    """Whether a head's score, or its suppression, classifies it; None when the relation has too few usable pairs."""
    if row["pairs"] < settings.min_pairs:
        return None
    value = row[classifying_column(side, row["relation"], row["category"])]
    return value is not None and value >= settings.tau


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
