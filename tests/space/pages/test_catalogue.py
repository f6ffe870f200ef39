"""The catalogue: its rows, their order and filter, and that it reads tables only when they have changed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from maps.atlas.reader import Atlas, write_table
from maps.atlas.schema import make_table
from maps.errors import MapsError
from space.atlases.listing import AtlasListing, list_atlas, sort_listings
from space.atlases.names import PREBUILT_FOLDER
from space.components.model_choice import catalogue_link
from space.pages import catalogue
from space.services import Services, open_services
from space.web.page import open_page

PAPER, CALIBRATED, HOSTILE = "SmolLM2-135M-Instruct", "SmolLM2-135M-Instruct (calibrated)", '<b onclick="x">Other</b>'


@pytest.fixture
def several(tmp_path: Path) -> Iterator[Services]:
    """Services with both prebuilt readings and a model with a hostile name, which came from the Hub."""
    used = open_services({"MAPS_DATA": str(tmp_path / "data")})
    folder = tmp_path / "other"
    shutil.copytree(PREBUILT_FOLDER / "smollm2", folder)
    info = json.loads((folder / "atlas.json").read_text(encoding="utf-8"))
    (folder / "atlas.json").write_text(json.dumps({**info, "model": HOSTILE}), encoding="utf-8")
    write_table(folder, "descriptions", make_table("descriptions", []))
    atlases = {CALIBRATED: used.atlas(CALIBRATED), PAPER: used.atlas(PAPER), HOSTILE: Atlas.open(folder)}
    yield replace(used, whole_atlases=atlases, hub_datasets={HOSTILE: "someone/atlas"})
    used.journal.close()


def rows(services: Services, **query: str) -> list[tuple[str, bool]]:
    """The names in the first column, and whether each row is hidden."""
    html = catalogue.build_content(services, query).html
    found = re.findall(r'<tr data-words="[^"]*"( hidden)?><td><a href="[^"]*">(.*?)</a>', html)
    return [(unescape(name), bool(hidden)) for hidden, name in found]


def test_every_model_is_listed_with_what_its_files_hold(several: Services) -> None:
    listing = list_atlas(several.atlas(PAPER))
    size = sum(path.stat().st_size for path in (PREBUILT_FOLDER / "smollm2").iterdir() if path.suffix != ".md")
    described = several.atlas(PAPER).table("descriptions", ["pattern"])["pattern"].to_pylist()
    assert listing == AtlasListing(PAPER, "mlp", 30, 9, 7, 20, sum(described) / 270, size, "2026-11-24", "")
    assert list_atlas(several.atlas(HOSTILE), "someone/atlas").described is None
    html = catalogue.build_content(several, {}).html
    assert "<b onclick" not in html
    assert "/datasets/someone/atlas" in html
    assert "none described" in html


def test_rows_are_filtered_and_sorted_by_the_address(several: Services) -> None:
    assert rows(several) == [(CALIBRATED, False), (PAPER, False), (HOSTILE, False)]
    assert rows(several, q="smollm2 CALIB") == [(CALIBRATED, False), (PAPER, True), (HOSTILE, True)]
    assert rows(several, sort="day") == [(PAPER, False), (HOSTILE, False), (CALIBRATED, False)]
    assert rows(several, sort="-described")[-1] == (HOSTILE, False)  # without a value: last, either way
    assert rows(several, sort="described")[-1] == (HOSTILE, False)
    assert (
        "No model has these words. Clear the filter to see all." in catalogue.build_content(several, {"q": "zzz"}).html
    )
    assert (
        'aria-sort="descending"><a href="catalogue?q=a&amp;sort=size">'
        in catalogue.build_content(several, {"q": "a", "sort": "-size"}).html
    )


def test_an_unknown_order_says_which_there_are(several: Services) -> None:
    page = open_page(several, catalogue, {"sort": "mood"})
    assert not page.exists
    assert "must be one of name, reading, layers" in page.html
    with pytest.raises(MapsError, match="must be one of"):
        sort_listings([], "--size")


def test_tables_are_read_again_only_after_they_changed(several: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue.build_content(several, {})
    read: list[str] = []
    reader = Atlas.table

    def counted(self: Atlas, name: str, *arguments: object, **options: object) -> object:
        read.append(name)
        return reader(self, name, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Atlas, "table", counted)
    catalogue.build_content(several, {"sort": "-relations"})
    assert read == []
    folder = several.atlas(HOSTILE).folder
    prebuilt = Atlas.open(PREBUILT_FOLDER / "smollm2")
    write_table(folder, "descriptions", reader(prebuilt, "descriptions"))
    catalogue.build_content(several, {})
    assert sorted(set(read)) == ["descriptions", "relations"]
    assert list_atlas(several.atlas(HOSTILE)).described == list_atlas(several.atlas(PAPER)).described


def test_the_catalogue_is_linked_where_there_are_more_models_than_a_few() -> None:
    assert catalogue_link(3) == ""
    assert "All 4 models in a catalogue" in catalogue_link(4)
