"""The tables of an atlas as files: Parquet as stored, CSV written while it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

from starlette.responses import FileResponse, Response, StreamingResponse

from maps.atlas.reader import Atlas
from maps.atlas.schema import SCHEMAS
from maps.errors import MapsError
from maps.files.csv_export import rows_to_csv, spreadsheet_safe_cell
from space.components.markup import Html, anchor, join_html

FORMATS = {"parquet": "application/vnd.apache.parquet", "csv": "text/csv; charset=utf-8"}
BATCH_ROWS = 4096


def table_response(atlas: Atlas, name: str, file_format: str) -> Response:
    """A table of an atlas as a file; raises MapsError for an unknown table or format."""
    if name not in atlas.table_names:
        raise MapsError(f"This atlas has no such table; its tables are {', '.join(atlas.table_names)}.")
    if file_format not in FORMATS:
        raise MapsError(f"There is no such format; choose {' or '.join(FORMATS)}.")
    file = f"{name}.{file_format}"
    if file_format == "parquet":
        return FileResponse(atlas.folder / file, media_type=FORMATS[file_format], filename=file)
    headers = {"content-disposition": f'attachment; filename="{file}"'}
    return StreamingResponse(csv_chunks(atlas, name), media_type=FORMATS[file_format], headers=headers)


def csv_chunks(atlas: Atlas, name: str) -> Iterator[str]:
    """A table as CSV, some rows at a time. Null is an empty cell; no spreadsheet takes a cell for a formula."""
    yield rows_to_csv([SCHEMAS[name].names])
    for batch in atlas.batches(name, BATCH_ROWS):
        yield rows_to_csv(map(spreadsheet_safe_cell, row.values()) for row in batch.to_pylist())


def download_links(atlas: Atlas) -> Html:
    items = []
    for name in atlas.table_names:
        links = [
            anchor("look/table?" + urlencode({"model": atlas.model, "name": name, "format": fmt}), fmt, download="")
            for fmt in FORMATS
        ]
        items.append(Html("<li>{}: {}</li>").format(name, Html(", ").join(links)))
    return Html('<ul class="downloads">{}</ul>').format(join_html(items))
