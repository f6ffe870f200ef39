"""The atlas's tables (docs/contract.md): one schema for each, and the conversions between values and rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from maps.types import Answer, HeadId, Mapping, RelationScore

HEAD_COLUMNS = [("layer", pa.int32()), ("head", pa.int32())]
CREATED_AT_COLUMN = ("created_at", pa.timestamp("us", tz="UTC"))
MAPPINGS_SCHEMA = pa.schema(
    [
        *HEAD_COLUMNS,
        ("rank", pa.int32()),
        ("source_id", pa.int32()),
        ("source", pa.string()),
        ("saliency", pa.float32()),
        ("target_ids", pa.list_(pa.int32())),
        ("targets", pa.list_(pa.string())),
        ("scores", pa.list_(pa.float32())),
    ]
)
SCHEMAS = {
    "heads": pa.schema(
        [
            *HEAD_COLUMNS,
            ("kv_head", pa.int32()),
            ("saliency_mean", pa.float64()),
            ("saliency_max", pa.float64()),
            ("input_skewness", pa.float64()),
            ("target_kurtosis", pa.float64()),
            ("output_space", pa.float64()),
            ("top_scoring_jaccard", pa.float64()),
        ]
    ),
    "mappings": MAPPINGS_SCHEMA,
    "heldout": MAPPINGS_SCHEMA,
    "suppressive": MAPPINGS_SCHEMA,
    "relations": pa.schema(
        [
            *HEAD_COLUMNS,
            ("relation", pa.string()),
            ("category", pa.string()),
            ("k", pa.int32()),
            ("pairs", pa.int32()),
            ("score", pa.float64()),
            ("suppression", pa.float64()),
        ]
    ),
    "hits": pa.schema(
        [*HEAD_COLUMNS, ("relation", pa.string()), ("hits", pa.list_(pa.int32())), ("suppressed", pa.list_(pa.int32()))]
    ),
    "pairs": pa.schema(
        [
            ("relation", pa.string()),
            ("category", pa.string()),
            ("pair", pa.int32()),
            ("source_id", pa.int32()),
            ("source", pa.string()),
            ("target_id", pa.int32()),
            ("target", pa.string()),
        ]
    ),
    "descriptions": pa.schema(
        [
            *HEAD_COLUMNS,
            ("describer", pa.string()),
            ("description_id", pa.string()),
            ("input_strings", pa.string()),
            ("observed_pattern", pa.string()),
            ("reasoning", pa.string()),
            ("pattern", pa.bool_()),
            ("pattern_paper", pa.bool_()),
            ("model", pa.string()),
            ("support", pa.int32()),
            ("mapping_hash", pa.string()),
            ("prompt_hash", pa.string()),
            ("seed", pa.int32()),
            ("prompt_tokens", pa.int32()),
            ("completion_tokens", pa.int32()),
            ("cost_usd", pa.float64()),
            CREATED_AT_COLUMN,
        ]
    ),
    "failures": pa.schema(
        [
            *HEAD_COLUMNS,
            ("describer", pa.string()),
            ("reason", pa.string()),
            ("attempts", pa.int32()),
            CREATED_AT_COLUMN,
        ]
    ),
    "scores": pa.schema(
        [
            *HEAD_COLUMNS,
            ("description_id", pa.string()),
            ("scorer", pa.string()),
            ("detection", pa.float64()),
            ("detection_low", pa.float64()),
            ("detection_high", pa.float64()),
            ("detection_swapped", pa.float64()),
            ("n", pa.int32()),
            ("describer", pa.string()),
            ("seed", pa.int32()),
            ("reason", pa.string()),
        ]
    ),
    "detections": pa.schema(
        [
            *HEAD_COLUMNS,
            ("describer", pa.string()),
            ("description_id", pa.string()),
            ("shown_id", pa.string()),
            ("scorer", pa.string()),
            ("seed", pa.int32()),
            ("own", pa.int32()),
            ("own_named", pa.int32()),
            ("other", pa.int32()),
            ("other_left", pa.int32()),
            ("reason", pa.string()),
            ("attempts", pa.int32()),
            ("model", pa.string()),
            ("prompt_hash", pa.string()),
            ("prompt_tokens", pa.int32()),
            ("completion_tokens", pa.int32()),
            ("cost_usd", pa.float64()),
            CREATED_AT_COLUMN,
        ]
    ),
    "concentration": pa.schema(
        [
            *HEAD_COLUMNS,
            ("target_entropy", pa.float64()),
            ("random_heads", pa.int32()),
            ("seed", pa.int32()),
            ("entropy_below", pa.float64()),
            ("kurtosis_below", pa.float64()),
            ("mapping_hash", pa.string()),
        ]
    ),
    "random_heads": pa.schema(
        [*HEAD_COLUMNS, ("seed", pa.int32()), ("target_entropy", pa.float64()), ("target_kurtosis", pa.float64())]
    ),
    "checks": pa.schema(
        [
            *HEAD_COLUMNS,
            ("check", pa.string()),
            ("support", pa.int32()),
            ("by_chance", pa.float64()),
            ("mapping_hash", pa.string()),
        ]
    ),
}
LAYER_TABLES = ("heads", "mappings", "heldout", "relations", "hits")  # made by `map`, layer by layer
OPTIONAL_LAYER_TABLES = ("suppressive",)
NULLABLE_COLUMNS = frozenset(  # of the tables that have an append-only log
    [
        *("model", "support", "prompt_hash", "seed", "prompt_tokens", "completion_tokens", "cost_usd"),
        *("own", "own_named", "other", "other_left", "reason", "attempts", "target_kurtosis"),
    ]
)

Row = dict[str, Any]


def make_table(name: str, rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=SCHEMAS[name])


def mapping_row(head: HeadId, mapping: Mapping) -> Row:
    """A row of `mappings`, `heldout` or `suppressive`; its columns have the names of the fields."""
    lists = {name: list(getattr(mapping, name)) for name in ("target_ids", "targets", "scores")}
    return {**head._asdict(), **vars(mapping), **lists}


def mapping_from_row(row: Row) -> Mapping:
    return Mapping(
        row["rank"],
        row["source_id"],
        row["source"],
        row["saliency"],
        tuple(row["target_ids"]),
        tuple(row["targets"]),
        tuple(row["scores"]),
    )


def relation_row(head: HeadId, score: RelationScore) -> Row:
    """A row of `relations`; a user's own relation has no category."""
    return {**head._asdict(), **vars(score), "category": score.category or None}


def relation_score_from_row(row: Row) -> RelationScore:
    return RelationScore(
        row["relation"], row["category"] or "", row["k"], row["pairs"], row["score"], row["suppression"]
    )


def add_hit_columns(pairs: pa.Table, hits: pa.Table) -> pa.Table:
    """One relation's rows of `pairs` with the columns `hit` and `suppressed`, from a head's row of `hits` (or none)."""
    for name, numbers in (("hit", hits["hits"]), ("suppressed", hits["suppressed"])):
        pairs = pairs.append_column(name, pc.is_in(pairs["pair"], pc.list_flatten(numbers.combine_chunks())))
    return pairs


def description_row(head: HeadId, describer: str, answer: Answer, identity: Row) -> Row:
    """A row of `descriptions`. `identity`: description_id, mapping_hash and created_at."""
    description = answer.description
    return {
        **head._asdict(),
        "describer": describer,
        **vars(description),
        "pattern": description.pattern,
        "pattern_paper": description.pattern_paper,
        **{name: value for name, value in vars(answer).items() if name != "description"},
        **identity,
    }
