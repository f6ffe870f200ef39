"""The tables of an atlas as files: Parquet as they lie on disk, CSV written as it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import pyarrow.parquet as pq
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.files.csv_export import rows_to_csv, spreadsheet_safe_cell
from space.components.markup import escape_html
from space.services import Services

FORMATS = {"parquet": "application/vnd.apache.parquet", "csv": "text/csv; charset=utf-8"}
BATCH_ROWS = 4096  # written at a time


def table_response(services: Services, request: Request) -> Response:
    """A table of an atlas in the format that the address asks for."""
    query = request.query_params
    try:
        atlas = services.atlas(query.get("model", ""))
        name, fmt = query.get("name", ""), query.get("format", "")
        if name not in atlas.table_names:
            raise MapsError(f"The atlas has no such table; it has {', '.join(atlas.table_names)}.")
        if fmt not in FORMATS:
            raise MapsError(f"There is no such format; there are {' and '.join(FORMATS)}.")
    except MapsError as error:
        return Response(str(error), status_code=404, media_type="text/plain; charset=utf-8")
    file = f"{name}.{fmt}"
    if fmt == "parquet":
        return FileResponse(atlas.folder / file, media_type=FORMATS[fmt], filename=file)
    headers = {"content-disposition": f'attachment; filename="{file}"'}
    return StreamingResponse(csv_chunks(atlas, name), media_type=FORMATS[fmt], headers=headers)


def csv_chunks(atlas: Atlas, name: str) -> Iterator[str]:
    """A table as CSV, some rows at a time: null is empty, no cell is a formula to a spreadsheet."""
    with pq.ParquetFile(atlas.folder / f"{name}.parquet") as stored:
        yield rows_to_csv([stored.schema_arrow.names])
        for batch in stored.iter_batches(BATCH_ROWS):
            yield rows_to_csv(map(spreadsheet_safe_cell, row.values()) for row in batch.to_pylist())


def download_links(atlas: Atlas) -> str:
    """Links to every table of an atlas in each format."""

    def link(name: str, fmt: str) -> str:
        address = "look/table?" + urlencode({"model": atlas.model, "name": name, "format": fmt})
        return f'<a href="{escape_html(address)}" download>{fmt}</a>'

    items = "".join(
        f"<li>{escape_html(name)}: {', '.join(link(name, fmt) for fmt in FORMATS)}</li>" for name in atlas.table_names
    )
    return f'<ul class="downloads">{items}</ul>'
