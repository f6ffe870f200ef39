"""Checks the tables of an atlas: first what a file promises, before any data is read, then every value that is read.

An atlas may come from anybody. What passes has the types of the contract, the numbers that `atlas.json` allows, no
missing or infinite values where none may be, valid UTF-8 and texts of a sane length.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from maps.atlas.info import AtlasSizes
from maps.atlas.schema import NULLABLE_COLUMNS, SCHEMAS

MAX_TABLE_BYTES = 4 << 30  # of a table in memory
MAX_TEXT_BYTES = 1 << 16  # of one text
MAX_ROWS_PER_HEAD = {
    **dict.fromkeys(
        ("descriptions", "patterns", "failures", "scores", "checks", "attention", "attention_scores"), 1_000
    ),
    **dict.fromkeys(("detections", "predictions"), 10_000),
}
MAX_KEYS = 100  # of a query
MAX_PAIRS = 1_000_000  # of a relation
MAX_RANDOM_HEADS = 100_000  # of a layer
MAX_MICROSECONDS = 253_402_300_799_999_999  # the end of the year 9999
SHARES = (
    *("output_space", "top_scoring_jaccard", "score", "suppression", "identity", "entropy_below", "kurtosis_below"),
    *("beyond_copying", "suppression_beyond_copying"),
    *("detection", "detection_low", "detection_high", "detection_swapped"),
    *("lookalike", "lookalike_low", "lookalike_high", "generation", "generation_swapped", "generation_p"),
    *("stability", "value"),
)
TOKEN_IDS = ("source_id", "source_ids", "target_id", "target_ids", "query_id", "key_ids")
MEASURES = ("input_skewness", "target_kurtosis", "scores", "key_scores")  # they may be negative
TARGET_LISTS, KEY_LISTS = ("target_ids", "targets", "scores"), ("key_ids", "keys", "key_scores")
KEYS = {  # columns that no two rows of a table share
    **{"heads": ("layer", "head"), "concentration": ("layer", "head")},
    **dict.fromkeys(("mappings", "heldout", "suppressive"), ("layer", "head", "rank")),
    **dict.fromkeys(("relations", "hits"), ("layer", "head", "relation")),
    "pairs": ("relation", "pair"),
    "attention": ("layer", "head", "rank"),
    "attention_scores": ("layer", "head", "measure"),
}


class Range(NamedTuple):
    """The lowest and highest value of a column, both included."""

    low: float
    high: float


def most_rows(table: str, sizes: AtlasSizes) -> int:
    """How many rows a table may have."""
    of_mappings, of_relations = sizes.mapped_heads * sizes.salient, sizes.mapped_heads * sizes.relations
    known = {
        **{"heads": sizes.mapped_heads, "concentration": sizes.mapped_heads},
        **{"mappings": of_mappings, "suppressive": of_mappings, "heldout": sizes.mapped_heads * sizes.heldout},
        **{"relations": of_relations, "hits": of_relations, "pairs": sizes.relations * MAX_PAIRS},
        "random_heads": len(sizes.layers) * MAX_RANDOM_HEADS,
    }
    return known[table] if table in known else sizes.mapped_heads * MAX_ROWS_PER_HEAD[table]


def value_range(table: str, column: str, sizes: AtlasSizes) -> Range:
    """The values that a column of numbers may have. Times are in microseconds since 1970."""
    first_rank = sizes.salient + 1 if table == "heldout" else 1
    last_rank = sizes.salient + (sizes.heldout if table == "heldout" else 0)
    ranges = {
        "layer": Range(sizes.layers[0], sizes.layers[-1]),
        "head": Range(0, MAX_RANDOM_HEADS - 1 if table == "random_heads" else sizes.heads - 1),
        "kv_head": Range(0, sizes.kv_heads - 1),
        "rank": Range(1, MAX_ROWS_PER_HEAD[table]) if table == "attention" else Range(first_rank, last_rank),
        "created_at": Range(0, MAX_MICROSECONDS),
        **dict.fromkeys(SHARES, Range(0, 1)),
        **dict.fromkeys(TOKEN_IDS, Range(0, sizes.vocabulary - 1)),
        **dict.fromkeys(MEASURES, Range(-inf, inf)),
    }
    return ranges.get(column, Range(0, inf))


def check_footer(file: pq.ParquetFile, table: str, sizes: AtlasSizes) -> None:
    """Compares what a file promises with the contract; reads no data. Raises ValueError if they differ."""
    metadata, schema = file.metadata, SCHEMAS[table]
    if not file.schema_arrow.equals(schema):
        raise ValueError(f"its columns are not those of the table {table}")
    most, groups = most_rows(table, sizes), [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    if not 0 <= metadata.num_rows <= most or (table == "heads" and metadata.num_rows != most):
        raise ValueError(f"it has {metadata.num_rows:,} rows, but atlas.json allows {most:,}")
    if sum(group.num_rows for group in groups) != metadata.num_rows or any(group.num_rows < 0 for group in groups):
        raise ValueError("its parts have another number of rows than the whole")
    if not 0 <= sum(group.total_byte_size for group in groups) <= MAX_TABLE_BYTES:
        raise ValueError(f"its content has more than {MAX_TABLE_BYTES >> 20:,} MiB")


def check_rows(content: pa.Table, table: str, sizes: AtlasSizes) -> None:
    """Checks rows that were read of a table, all of its columns or some; raises ValueError at the first bad value."""
    if content.nbytes > MAX_TABLE_BYTES:
        raise ValueError(f"its content has more than {MAX_TABLE_BYTES >> 20:,} MiB")
    content.validate(full=True)  # that offsets lead somewhere, and that texts are UTF-8
    for name in content.column_names:
        check_column(content[name], name, table, sizes)
    check_equal_lengths(content)
    key = KEYS.get(table, ())
    if key and set(key) <= set(content.column_names) and len(content) > 1:
        check_unique(content.select(key))


def check_column(column: pa.ChunkedArray, name: str, table: str, sizes: AtlasSizes) -> None:
    if column.null_count and name not in NULLABLE_COLUMNS:
        raise ValueError(f"a row lacks {name}")
    if pa.types.is_list(column.type):
        longest = sizes.targets if name in TARGET_LISTS else MAX_KEYS
        if name in (*TARGET_LISTS, *KEY_LISTS) and highest(pc.list_value_length(column)) > longest:
            raise ValueError(f"a row has more than {longest} {name}")
        column = pc.list_flatten(column)
        if column.null_count:
            raise ValueError(f"a list of {name} has a gap")
    if pa.types.is_string(column.type):
        if highest(pc.binary_length(column)) > MAX_TEXT_BYTES:
            raise ValueError(f"a {name} has more than {MAX_TEXT_BYTES:,} bytes")
    elif not pa.types.is_boolean(column.type):
        check_numbers(column, name, value_range(table, name, sizes))


def check_numbers(column: pa.ChunkedArray, name: str, allowed: Range) -> None:
    numbers = column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
    if pa.types.is_floating(numbers.type) and not pc.all(pc.is_finite(numbers), min_count=0).as_py():
        raise ValueError(f"a {name} is not a finite number")
    ends = pc.min_max(numbers).as_py()
    if ends["min"] is not None and not allowed.low <= ends["min"] <= ends["max"] <= allowed.high:
        raise ValueError(f"a {name} is outside {allowed.low:g} to {allowed.high:g}")


def check_equal_lengths(content: pa.Table) -> None:
    """Every mapping has as many target ids as targets and scores, every query as many key ids as keys and scores."""
    check_lengths_of(content, TARGET_LISTS, "a mapping has not as many targets as scores")
    check_lengths_of(content, KEY_LISTS, "a query has not as many keys as scores")


def check_lengths_of(content: pa.Table, lists: Sequence[str], problem: str) -> None:
    names = [name for name in lists if name in content.column_names]
    names = [name for name in names if pa.types.is_list(content.schema.field(name).type)]
    lengths = [pc.list_value_length(content[name]).combine_chunks() for name in names]
    if any(not each.equals(lengths[0]) for each in lengths[1:]):
        raise ValueError(problem)


def check_unique(keys: pa.Table) -> None:
    """No two rows have the same key. Each column becomes numbers from 0, and all columns one number."""
    combined = None
    for column in keys.columns:
        codes = column.combine_chunks().dictionary_encode()
        numbers = codes.indices.cast(pa.int64())
        size = len(codes.dictionary)
        combined = numbers if combined is None else pc.add(pc.multiply(combined, size), numbers)
    if pc.count_distinct(combined).as_py() < len(keys):
        raise ValueError(f"two rows have the same {', '.join(keys.column_names)}")


def highest(numbers: pa.ChunkedArray) -> int:
    """The highest number; 0 where there is none."""
    return int(pc.max(numbers).as_py() or 0)
