"""Reads `random.csv`: how many of a model's heads, and how many random heads, pass each τ."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from maps.atlas.info import MAX_MAPPED_HEADS
from maps.atlas.schema import Row
from maps.errors import MapsError

RANDOM_CSV = "random.csv"
MAX_BYTES = 1_000_000
RANDOM_CSV_SCHEMA = pa.schema([("tau", pa.float64()), ("trained_heads", pa.int32()), ("random_heads", pa.int32())])


def read_random_csv(folder: Path, heads: int = MAX_MAPPED_HEADS) -> list[Row]:
    """The rows by τ; an empty list where there is no such file. Raises MapsError where it is damaged.

    `heads`: the mapped heads of the model, of which no row may count more.
    """
    path = folder / RANDOM_CSV
    if not path.exists():
        return []
    options = csv.ConvertOptions(
        column_types=RANDOM_CSV_SCHEMA, include_columns=RANDOM_CSV_SCHEMA.names, null_values=[]
    )
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
        rows: list[Row] = csv.read_csv(path, convert_options=options).to_pylist()
        if not all(0 <= row["tau"] <= 1 and is_count(row, heads) for row in rows):
            raise ValueError("a number is outside its range")
    except (pa.ArrowException, ValueError, OSError) as error:
        raise MapsError(f"{path} is damaged ({error}); delete it and run evaluate random again.") from error
    return rows


def is_count(row: Row, heads: int) -> bool:
    return all(0 <= row[name] <= heads for name in ("trained_heads", "random_heads"))
