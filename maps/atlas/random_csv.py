"""Reads `random.csv`: how many of a model's heads, and how many random heads, pass each τ."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from maps.atlas.schema import Row
from maps.errors import MapsError

RANDOM_CSV = "random.csv"
RANDOM_CSV_SCHEMA = pa.schema([("tau", pa.float64()), ("trained_heads", pa.int32()), ("random_heads", pa.int32())])


def read_random_csv(folder: Path) -> list[Row]:
    """The rows by τ; an empty list where there is no such file. Raises MapsError where it is damaged."""
    path = folder / RANDOM_CSV
    if not path.exists():
        return []
    options = csv.ConvertOptions(
        column_types=RANDOM_CSV_SCHEMA, include_columns=RANDOM_CSV_SCHEMA.names, null_values=[]
    )
    try:
        rows: list[Row] = csv.read_csv(path, convert_options=options).to_pylist()
    except (pa.ArrowInvalid, KeyError) as error:
        raise MapsError(f"{path} is damaged ({error}); delete it and run evaluate random again.") from error
    return rows
