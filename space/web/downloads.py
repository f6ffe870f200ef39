"""Downloads: an atlas's tables (Parquet as stored, CSV written while it is sent), and files made for one visitor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route

from maps.atlas.reader import Atlas
from maps.atlas.schema import SCHEMAS
from maps.errors import MapsError
from maps.files.csv_export import rows_to_csv, spreadsheet_safe_cell
from space.components.markup import Html, anchor, join_html
from space.services import Services

FILE_IS_GONE = "This file was fetched already, or ten minutes have passed; go back and press the button again."
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


def one_time_link(services: Services, write: Callable[[Path], Path]) -> Html:
    """A link to the file that `write` makes in a folder; it works once."""
    token, name = services.one_time_files.make(write)
    link = anchor(f"download/{token}", name, download=name)
    return Html('<p class="notice" role="status">Your download: {} (works once, for ten minutes)</p>').format(link)


def one_time_route(services: Services) -> Route:
    """Sends a file that was made for one visitor, and removes it."""

    def respond(request: Request) -> Response:
        file = services.one_time_files.take(request.path_params["token"]) if request.method == "GET" else None
        if file is None:
            return Response(FILE_IS_GONE, status_code=404, media_type="text/plain")
        headers = {"cache-control": "no-store"}
        return FileResponse(file.path, filename=file.path.name, headers=headers, background=BackgroundTask(file.remove))

    return Route("/download/{token}", respond)
