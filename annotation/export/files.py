"""Writes judgments as CSV, Parquet and a folder for `datasets.load_dataset`; reads them from tables of any source."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from annotation.errors import DatasetError
from annotation.export.csv_table import FIRST_ROWS, read_csv
from annotation.export.headings import check_headings, check_program, check_unique, column_name, is_ignored
from annotation.export.json_table import read_json, read_json_lines
from annotation.report.card import dataset_card
from annotation.report.paper_file import load_paper
from annotation.statistics.cells import cell_value
from annotation.statistics.judgments_table import (
    ROW_INDEX,
    CountedJudgments,
    judgments_to_frame,
    select_counted_judgments,
)
from annotation.statistics.summary import summarise_judgments
from annotation.study.study import StudySettings, layers_by_model
from annotation.types import JUDGMENT_COLUMNS, Judgment
from maps.files.atomic import write_file
from maps.files.csv_export import escape_formula, rows_to_csv

UTC_TIMESTAMP = pa.timestamp("us", tz="UTC")
COLUMN_TYPES = {
    "layer": pa.int32(),
    "head": pa.int32(),
    "seconds": pa.float64(),
    "started_at": UTC_TIMESTAMP,
    "submitted_at": UTC_TIMESTAMP,
}
JUDGMENTS_SCHEMA = pa.schema(
    [*((name, COLUMN_TYPES.get(name, pa.string())) for name in JUDGMENT_COLUMNS), ("stale", pa.bool_())]
)
EXPORT_FORMATS = ("csv", "parquet", "datasets")


def _csv_cell(value: object) -> object:
    """A time ends in Z; text that a spreadsheet would run as a formula gets an apostrophe (`read_csv` removes it)."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return escape_formula(value) if isinstance(value, str) else value


def arrow_table(judgments: pd.DataFrame) -> pa.Table:
    """The table of `judgments_to_frame` with `JUDGMENTS_SCHEMA`; empty strings become null."""
    columns = {name: [None if cell == "" else cell for cell in judgments[name]] for name in JUDGMENTS_SCHEMA.names}
    return pa.table(columns, schema=JUDGMENTS_SCHEMA)


def _write_csv(rows: pa.Table, path: Path) -> Path:
    text = rows_to_csv([rows.column_names, *(map(_csv_cell, row.values()) for row in rows.to_pylist())])
    write_file(path, text.encode())
    return path


def parquet_bytes(rows: pa.Table) -> bytes:
    """A table as a Parquet file."""
    sink = BytesIO()
    with pq.ParquetWriter(sink, rows.schema) as writer:
        if rows.num_rows:  # datasets fails on an empty row group and streams a file without any
            writer.write_table(rows)
    return sink.getvalue()


def _write_parquet(rows: pa.Table, path: Path) -> Path:
    write_file(path, parquet_bytes(rows))
    return path


WRITERS = {".csv": _write_csv, ".parquet": _write_parquet}


def check_suffix(path: Path) -> None:
    """Raises DatasetError if `write_table` cannot write a file of this name."""
    if path.suffix.lower() not in WRITERS:
        raise DatasetError(f"{path} is neither a .csv nor a .parquet file.")


def write_table(rows: pd.DataFrame, path: Path) -> None:
    """Writes a table as CSV or Parquet, by the ending of the name; CSV cells are escaped as in an export.

    Raises DatasetError for another ending, or if the file cannot be written.
    """
    check_suffix(path)
    try:
        WRITERS[path.suffix.lower()](frame_to_arrow(rows), path)
    except OSError as error:
        raise DatasetError(f"{path} cannot be written: {error.strerror or error}.") from error


def frame_to_arrow(rows: pd.DataFrame) -> pa.Table:
    """A data frame without its index, its columns typed by `_column_type`."""
    schema = pa.schema([pa.field(name, _column_type(rows[name])) for name in rows.columns])
    return pa.Table.from_pandas(rows, schema=schema, preserve_index=False).replace_schema_metadata()


def _column_type(column: pd.Series[Any]) -> pa.DataType:
    """int32 for whole numbers; a column that is neither a number nor a boolean is text, even if all cells are null."""
    if column.name in ("layer", "head", "n", "draws"):
        return pa.int32()
    return {"b": pa.bool_(), "f": pa.float64()}.get(column.dtype.kind, pa.string())


def _write_datasets_folder(
    rows: Sequence[Judgment],
    judgments: pd.DataFrame,
    folder: Path,
    layers: Mapping[str, int] | None,
    settings: StudySettings | None,
) -> list[Path]:
    data = _write_parquet(arrow_table(judgments), folder / "data" / "judgments.parquet")
    write_file(
        folder / "README.md", judgments_card(rows, select_counted_judgments(judgments), settings, layers).encode()
    )
    return [data, folder / "README.md"]


def judgments_card(
    rows: Sequence[Judgment],
    counted: CountedJudgments,
    settings: StudySettings | None,
    layers: Mapping[str, int] | None = None,
    release: str | None = None,
    judges: Sequence[str] = (),
) -> str:
    """The card of a dataset of judgments; for `release` and `judges` see `dataset_card`."""
    features = [(field.name, str(field.type).replace("double", "float64")) for field in JUDGMENTS_SCHEMA]
    report = summarise_judgments(counted, layers=layers_by_model(settings) | dict(layers or {}))
    return dataset_card(rows, report, features, load_paper(), settings, release, judges)


def export_judgments(
    rows: Sequence[Judgment],
    folder: Path,
    export_format: str,
    layers: Mapping[str, int] | None = None,
    settings: StudySettings | None = None,
    stale: Collection[str] | None = None,
) -> list[Path]:
    """Writes all rows into `folder`, superseded and stale ones too, and returns the files.

    `csv` writes judgments.csv, `parquet` judgments.parquet, and `datasets` data/judgments.parquet with the card
    README.md, so that `datasets.load_dataset(folder)` works (with `streaming=True` if there are no rows). Each file is
    replaced as a whole or not at all. `layers`, the number of layers of each model, adds results by layer quarter to
    the card; `settings` add the study's design and its model's layers. `stale` holds the ids of stale judgments, which
    are marked and left out of the card's results; None if nobody checked. Raises DatasetError if the folder cannot be
    written.
    """
    judgments = judgments_to_frame(rows, stale)
    try:
        if export_format == "csv":
            return [_write_csv(arrow_table(judgments), folder / "judgments.csv")]
        if export_format == "parquet":
            return [_write_parquet(arrow_table(judgments), folder / "judgments.parquet")]
        if export_format == "datasets":
            return _write_datasets_folder(rows, judgments, folder, layers, settings)
    except OSError as error:
        raise DatasetError(f"The export cannot be written to {folder}: {error.strerror or error}.") from error
    raise DatasetError(f"{export_format!r} is not an export format; choose one of {', '.join(EXPORT_FORMATS)}.")


def _read_parquet(path: Path) -> pd.DataFrame:
    """The table with the columns of a data frame's index; rows are numbered as a spreadsheet would show them."""
    with path.open("rb") as file:
        frame: pd.DataFrame = pq.read_table(file).to_pandas(ignore_metadata=True, integer_object_nulls=True)
    frame.index = pd.RangeIndex(2, len(frame) + 2, name=ROW_INDEX)  # the headings are row 1
    start = frame.head(FIRST_ROWS)
    check_headings(path, (1, list(frame.columns)), zip(start.index, start.to_numpy(dtype=object), strict=True))
    return frame.loc[:, [not is_ignored(name) for name in frame.columns]]


READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".txt": read_csv,
    ".parquet": _read_parquet,
    ".json": read_json,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
}


def _leave_out_blank_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Spreadsheets leave rows behind in which every cell is blank, data frames rows in which every value is missing."""
    columns = [table.iloc[:, place].tolist() for place in range(table.shape[1])]
    is_filled = [any(cell_value(cell) is not None for cell in row) for row in zip(*columns, strict=True)]
    return table if all(is_filled) else table[is_filled]


def read_judgments_table(path: Path) -> pd.DataFrame:
    """The table of judgments in a CSV, TSV, JSON or Parquet file, unchecked; the index `row` numbers its rows.

    Known columns have their names, whatever the headings' case, spaces and hyphens. Blank rows are left out. Raises
    DatasetError if the file is missing, unreadable, of another kind, has its headings below the first row, or has a
    known column twice.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DatasetError(f"{path} is not a table that can be read; save it as .csv, .tsv, .jsonl or .parquet.")
    try:
        table = reader(path)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}.") from error
    except pa.ArrowException as error:
        raise DatasetError(f"{path} cannot be read: {str(error).splitlines()[0]}.") from error
    columns = [column_name(heading) for heading in table.columns]
    check_unique(path, columns)
    check_program(path, columns)
    return _leave_out_blank_rows(table.set_axis(columns, axis=1))
