"""An organiser chooses whose descriptions are shown first."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from maps.atlas.reader import Atlas
from maps.types import HeadId
from space.atlases.first_describer import choose_first_describer, first_describer
from space.atlases.names import PREBUILT_FOLDER
from space.pages.head import page as head_page
from space.services import Services, open_services
from space.studies.headlines import head_headlines

MODEL = "SmolLM2-135M-Instruct (calibrated)"
HEAD = HeadId(26, 2)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Services]:
    shutil.copytree(PREBUILT_FOLDER / "smollm2-calibrated", tmp_path / "atlases" / "smollm2")
    built = open_services({"MAPS_DATA": str(tmp_path)})
    yield built
    built.journal.close()
    built.jobs.store.close()


def test_the_chosen_describer_comes_first_in_headlines_and_on_the_heads_page(served: Services) -> None:
    atlas = served.atlas(MODEL)
    patterns = {row["describer"]: row["observed_pattern"] for row in atlas.descriptions(HEAD)}
    query = {"model": MODEL, "layer": "26", "head": "2"}
    assert first_describer(atlas) == ""
    assert head_headlines(served, atlas)[HEAD].pattern == patterns["reference"]
    choose_first_describer(atlas, "offline")
    assert head_headlines(served, atlas)[HEAD].pattern == patterns["offline"]
    shown = head_page.build_content(served, query).html
    assert shown.index("<h3>offline</h3>") < shown.index("<h3>reference</h3>")
    choose_first_describer(atlas, "")
    assert head_headlines(served, atlas)[HEAD].pattern == patterns["reference"]


@pytest.mark.parametrize("content", ["{", "[]", '{"first_describer": 3}', "null"])
def test_a_damaged_choice_counts_as_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "display.json").write_text(content, encoding="utf-8")
    assert first_describer(Atlas(tmp_path, {})) == ""
