"""A model's file is uploaded with a ticket, as it arrives, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from space.jobs.uploads import TICKET_SECONDS, Uploads
from space.web.request_guard import MAX_BODY_BYTES, RequestGuard
from space.web.uploads import NOT_ADMITTED, upload_route

LARGE = b"GGUF" + bytes(MAX_BODY_BYTES + 10)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path.resolve() / "uploads", Clock())


@pytest.fixture
def client(uploads: Uploads) -> Iterator[TestClient]:
    app = Starlette(routes=[upload_route(SimpleNamespace(uploads=uploads))])  # type: ignore[arg-type]
    with TestClient(RequestGuard(app, is_on_space=False), base_url="http://127.0.0.1:7860") as opened:
        yield opened


def test_a_file_larger_than_any_other_request_is_stored_once(client: TestClient, uploads: Uploads) -> None:
    ticket = uploads.new_ticket()
    answer = client.post(f"/upload/{ticket}?name=small.gguf", content=LARGE)
    path = uploads.folder / "small.gguf"
    assert answer.json() == {"model": str(path)}
    assert path.read_bytes() == LARGE
    assert uploads.has(str(path))
    again = client.post(f"/upload/{ticket}?name=other.gguf", content=LARGE)
    assert (again.status_code, again.json()) == (403, {"error": NOT_ADMITTED})
    assert [each.name for each in uploads.folder.iterdir()] == ["small.gguf"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("model.bin", b"GGUF", "must end in .gguf"),
        ("../model.gguf", b"GGUF", "must end in .gguf"),
        ("a/b.gguf", b"GGUF", "must end in .gguf"),
        (".gguf", b"GGUF", "must end in .gguf"),
        ("model.gguf", b"<html>", "is not a .gguf file"),
    ],
)
def test_other_files_are_refused_and_not_kept(
    name: str, content: bytes, reason: str, client: TestClient, uploads: Uploads
) -> None:
    answer = client.post(f"/upload/{uploads.new_ticket()}", params={"name": name}, content=content)
    assert (answer.status_code, reason in answer.json()["error"]) == (400, True)
    assert not uploads.folder.exists() or not any(uploads.folder.iterdir())


def test_a_ticket_that_nobody_was_given_or_that_is_old_admits_nothing(client: TestClient, uploads: Uploads) -> None:
    old = uploads.new_ticket()
    uploads._clock.now = TICKET_SECONDS  # type: ignore[attr-defined]
    for ticket in (old, "guessed"):
        assert client.post(f"/upload/{ticket}?name=a.gguf", content=b"GGUF").status_code == 403
    assert not uploads.folder.exists()


def test_another_site_cannot_upload(client: TestClient, uploads: Uploads) -> None:
    headers = {"sec-fetch-site": "cross-site"}
    answer = client.post(f"/upload/{uploads.new_ticket()}?name=a.gguf", content=b"GGUF", headers=headers)
    assert answer.status_code == 403
    assert not uploads.folder.exists()


def test_other_paths_are_not_uploads(uploads: Uploads, tmp_path: Path) -> None:
    (tmp_path / "other.gguf").write_bytes(b"GGUF")
    paths = [tmp_path / "other.gguf", uploads.folder / "missing.gguf", uploads.folder / ".." / "other.gguf"]
    assert [uploads.has(str(path)) for path in paths] == [False, False, False]
