"""The atlas's tables (docs/contract.md): one schema for each, and the conversions between values and rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from maps.types import Answer, HeadId, Mapping, RelationScore

INTEGER, NUMBER, TEXT = pa.int32(), pa.float64(), pa.string()
Column = tuple[str, pa.DataType]


def columns(kind: pa.DataType, *names: str) -> list[Column]:
    return [(name, kind) for name in names]


HEAD_COLUMNS = columns(INTEGER, "layer", "head")


def table_by_head(*further: Column) -> pa.Schema:
    """The schema of a table with rows of heads: `layer`, `head`, then its own columns."""
    return pa.schema([*HEAD_COLUMNS, *further])


CREATED_AT_COLUMN = ("created_at", pa.timestamp("us", tz="UTC"))
MAPPINGS_SCHEMA = table_by_head(
    *columns(INTEGER, "rank", "source_id"),
    ("source", TEXT),
    ("saliency", pa.float32()),
    ("target_ids", pa.list_(INTEGER)),
    ("targets", pa.list_(TEXT)),
    ("scores", pa.list_(pa.float32())),
)
SCHEMAS = {
    "heads": table_by_head(
        ("kv_head", INTEGER),
        *columns(NUMBER, "saliency_mean", "saliency_max", "input_skewness", "target_kurtosis"),
        *columns(NUMBER, "output_space", "top_scoring_jaccard"),
    ),
    "mappings": MAPPINGS_SCHEMA,
    "heldout": MAPPINGS_SCHEMA,
    "suppressive": MAPPINGS_SCHEMA,
    "relations": table_by_head(
        *columns(TEXT, "relation", "category"),
        *columns(INTEGER, "k", "pairs"),
        *columns(NUMBER, "score", "suppression"),
        ("reading", TEXT),
        *columns(NUMBER, "identity", "beyond_copying", "suppression_beyond_copying"),
        ("beyond_copying_pairs", INTEGER),
    ),
    "hits": table_by_head(("relation", TEXT), *columns(pa.list_(INTEGER), "hits", "suppressed")),
    "pairs": pa.schema(
        [
            *columns(TEXT, "relation", "category"),
            *columns(INTEGER, "pair", "source_id"),
            ("source", TEXT),
            ("target_id", INTEGER),
            ("target", TEXT),
        ]
    ),
    "descriptions": table_by_head(
        *columns(TEXT, "describer", "description_id", "input_strings", "observed_pattern", "reasoning"),
        *columns(pa.bool_(), "pattern", "pattern_paper"),
        ("model", TEXT),
        ("support", INTEGER),
        *columns(TEXT, "mapping_hash", "prompt_hash"),
        *columns(INTEGER, "seed", "prompt_tokens", "completion_tokens"),
        ("cost_usd", NUMBER),
        CREATED_AT_COLUMN,
    ),
    "patterns": table_by_head(
        *columns(TEXT, "describer", "description_id"),
        ("operation", INTEGER),
        *columns(TEXT, "input_strings", "observed_pattern"),
        ("support", INTEGER),
        ("source_ids", pa.list_(INTEGER)),
        ("reasoning", TEXT),
        ("pattern", pa.bool_()),
        ("stability", NUMBER),
        *columns(TEXT, "model", "mapping_hash", "prompt_hash"),
        *columns(INTEGER, "seed", "prompt_tokens", "completion_tokens"),
        ("cost_usd", NUMBER),
        CREATED_AT_COLUMN,
    ),
    "failures": table_by_head(*columns(TEXT, "describer", "reason"), ("attempts", INTEGER), CREATED_AT_COLUMN),
    "scores": table_by_head(
        *columns(TEXT, "description_id", "scorer"),
        *columns(NUMBER, "detection", "detection_low", "detection_high", "detection_swapped"),
        *columns(NUMBER, "lookalike", "lookalike_low", "lookalike_high"),
        ("n", INTEGER),
        ("describer", TEXT),
        ("seed", INTEGER),
        ("reason", TEXT),
        *columns(NUMBER, "generation", "generation_swapped", "generation_p"),
        *columns(INTEGER, "generation_n", "generation_others"),
        ("generation_reason", TEXT),
    ),
    "detections": table_by_head(
        *columns(TEXT, "describer", "description_id", "shown_id", "decoys", "scorer"),
        *columns(INTEGER, "seed", "own", "own_named", "other", "other_left"),
        ("reason", TEXT),
        ("attempts", INTEGER),
        *columns(TEXT, "model", "prompt_hash"),
        *columns(INTEGER, "prompt_tokens", "completion_tokens"),
        ("cost_usd", NUMBER),
        CREATED_AT_COLUMN,
    ),
    "predictions": table_by_head(
        *columns(TEXT, "describer", "description_id", "writer"),
        ("seed", INTEGER),
        *columns(pa.list_(TEXT), "sources", "predicted"),
        ("reason", TEXT),
        ("attempts", INTEGER),
        *columns(TEXT, "model", "prompt_hash"),
        *columns(INTEGER, "prompt_tokens", "completion_tokens"),
        ("cost_usd", NUMBER),
        CREATED_AT_COLUMN,
    ),
    "concentration": table_by_head(
        ("target_entropy", NUMBER),
        *columns(INTEGER, "random_heads", "seed"),
        *columns(NUMBER, "entropy_below", "kurtosis_below"),
        ("mapping_hash", TEXT),
    ),
    "random_heads": table_by_head(("seed", INTEGER), *columns(NUMBER, "target_entropy", "target_kurtosis")),
    "checks": table_by_head(("check", TEXT), ("support", INTEGER), ("by_chance", NUMBER), ("mapping_hash", TEXT)),
    "attention": table_by_head(
        *[*columns(INTEGER, "rank", "query_id"), ("query", TEXT), ("saliency", NUMBER)],
        *[("key_ids", pa.list_(INTEGER)), ("keys", pa.list_(TEXT)), ("key_scores", pa.list_(NUMBER))],
    ),
    "attention_scores": table_by_head(("measure", TEXT), ("value", NUMBER), ("origin", TEXT)),
}
WEIGHTS_ORIGIN, RUN_ORIGIN = "weights", "run"  # in `attention_scores`: read from the weights, or measured in a run
LAYER_TABLES = ("heads", "mappings", "heldout", "relations", "hits")  # made by `map`, layer by layer
OPTIONAL_LAYER_TABLES = ("suppressive",)
NULLABLE_COLUMNS = frozenset(
    [
        *(
            "category",
            "score",
            "suppression",
            "identity",
            "beyond_copying",
            "suppression_beyond_copying",
            "input_skewness",
            "target_kurtosis",
            "output_space",
        ),
        *("top_scoring_jaccard", "model", "support", "prompt_hash", "seed", "prompt_tokens", "completion_tokens"),
        *("cost_usd", "own", "own_named", "other", "other_left", "reason", "attempts", "by_chance"),
        *("detection", "detection_low", "detection_high", "detection_swapped", "n"),
        *("lookalike", "lookalike_low", "lookalike_high"),
        *("generation", "generation_swapped", "generation_p", "generation_n", "generation_others", "generation_reason"),
        *("entropy_below", "kurtosis_below"),
    ]
)

Row = dict[str, Any]


def head_of(row: Row) -> HeadId:
    """The head that a row is about."""
    return HeadId(row["layer"], row["head"])


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


def relation_row(head: HeadId, score: RelationScore, reading: str) -> Row:
    """A row of `relations`; a user's own relation has no category."""
    return {**head._asdict(), **vars(score), "category": score.category or None, "reading": reading}


def relation_score_from_row(row: Row) -> RelationScore:
    values = {field.name: row[field.name] for field in fields(RelationScore)}
    return RelationScore(**values | {"category": row["category"] or ""})


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
