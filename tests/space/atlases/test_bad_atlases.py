"""Damaged and hostile atlases: left out with a reason, before the start and while the app runs; others stay."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.types import HeadId
from space.atlases.catalogue import open_atlases
from space.atlases.names import PREBUILT_FOLDER
from space.atlases.shown import ShownAtlases
from space.components.markup import Html
from space.components.preview_image import PreviewText, draw_preview
from space.endpoints import heads as for_heads
from space.endpoints import models as for_models
from space.pages import catalogue, relation
from space.pages.compare import page as compare
from space.pages.explore import page as explore
from space.pages.head import page as head
from space.pages.search import page as search
from space.services import Services, open_services
from space.web.downloads import csv_chunks
from space.web.first_html import insert_content
from space.web.health import health_report
from space.web.page import open_page
from tests.bad_atlases import HOSTILE_NAME, damage_atlas, write_atlas_of_hostile_names
from tests.sampling import with_canary

PREBUILT = PREBUILT_FOLDER / "smollm2"
GOOD, BAD = "SmolLM2-135M-Instruct", "Other"
FAST_SEEDS, ALL_SEEDS = range(4), range(4, 24)


def copy_atlas(folder: Path, model: str = BAD) -> Path:
    """A copy of the prebuilt atlas under another model's name."""
    shutil.copytree(PREBUILT, folder)
    info = json.loads((folder / "atlas.json").read_text(encoding="utf-8"))
    (folder / "atlas.json").write_text(json.dumps({**info, "model": model}), encoding="utf-8")
    return folder


@pytest.fixture
def both(served: Services, tmp_path: Path) -> tuple[Services, Path]:
    """Services that show the prebuilt atlas and a valid copy, and the folder of the copy."""
    folder = copy_atlas(tmp_path / "other")
    atlases = ShownAtlases({BAD: Atlas.open(folder), GOOD: served.atlas(GOOD)})
    return replace(served, whole_atlases=atlases), folder


def use_pages_of(services: Services, model: str) -> list[bool]:
    """Builds every page of a model, its figures included; whether each page exists."""
    one = {"model": model}
    queries: list[tuple[Any, dict[str, str]]] = [
        *((explore, {**one, "colour": colour}) for colour in ("", "output_space", "saliency_mean", "relation:copying")),
        (head, {**one, "layer": "26", "head": "2"}),
        (relation, {**one, "name": "copying", "layer": "26", "head": "2"}),
        (search, {**one, "q": "word"}),
        *((compare, {**one, "other": model, "view": view}) for view in ("describers", "scatter")),
        *((compare, {**one, "other": GOOD, "view": view}) for view in ("heads", "relations", "scatter")),
    ]
    pages = [open_page(services, page, query) for page, query in queries]
    for page in pages:
        for make in page.figure_makers:
            make()
    return [page.exists for page in pages]


def use_pages_of_all(services: Services) -> list[bool]:
    """Builds the pages that read every atlas; whether each exists."""
    queries: tuple[tuple[Any, dict[str, str]], ...] = (
        (explore, {}),
        (relation, {}),
        (search, {"q": " he"}),
        (compare, {}),
        (catalogue, {}),
    )
    assert health_report(services)["status"] == "ok"
    for endpoint in for_models.endpoints(services):
        if endpoint.__name__ == "models":
            endpoint()
        if endpoint.__name__ == "search":
            endpoint("word")
    for endpoint in for_heads.endpoints(services):
        if endpoint.__name__ == "relation":
            endpoint("copying")
    return [open_page(services, page, query).exists for page, query in queries]


def use_endpoints_of(services: Services, model: str) -> None:
    """Asks every endpoint about a model; a MapsError is an answer."""
    calls: dict[str, tuple[object, ...]] = {
        **{"model": (model,), "heads": (model,), "compare": (model, model), "describers": (model,)},
        **{"search": ("word", model), "head": (model, 26, 2), "relation": ("copying", model)},
        "pairs": ("copying", model, 26, 2),
    }
    for name in ("mappings", "heads"):
        answer_or_sentence(lambda name=name: list(csv_chunks(services.atlas(model), name)))
    for endpoint in (*for_models.endpoints(services), *for_heads.endpoints(services)):
        if endpoint.__name__ in calls:
            answer_or_sentence(endpoint, *calls[endpoint.__name__])


def answer_or_sentence(function: Callable[..., Any], *arguments: object) -> object:
    try:
        return function(*arguments)
    except MapsError as error:
        return str(error)


def check_a_damage(services: Services, folder: Path, seed: int) -> None:
    """Damages the copy while the app runs: only its own pages may fail, and with a sentence."""
    use_pages_of_all(services)
    done = damage_atlas(folder, seed)
    try:
        Atlas.open(folder).check_tables()
        is_valid = True
    except MapsError:
        is_valid = False
    shown = use_pages_of(services, BAD)
    use_endpoints_of(services, BAD)
    assert all(use_pages_of(services, GOOD)), done
    assert all(use_pages_of_all(services)), done
    if is_valid:
        assert any(shown), done
    elif "atlas.json" not in done:  # the app does not read it again, unless a table changed too
        assert not any(shown), done
        assert [BAD in problem for problem in services.atlas_problems()] == [True]


@pytest.mark.slow
@pytest.mark.parametrize("seed", with_canary(FAST_SEEDS, FAST_SEEDS[0]))
def test_an_atlas_that_is_damaged_while_the_app_runs_fails_alone(both: tuple[Services, Path], seed: int) -> None:
    check_a_damage(*both, seed)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", ALL_SEEDS)
def test_no_damage_reaches_another_atlas(both: tuple[Services, Path], seed: int) -> None:
    check_a_damage(*both, seed)


@pytest.mark.slow
def test_pages_of_hostile_names_are_built(served: Services, tmp_path: Path) -> None:
    atlas = Atlas.open(write_atlas_of_hostile_names(tmp_path / "names", PREBUILT))
    services = replace(served, whole_atlases=ShownAtlases({atlas.model: atlas, GOOD: served.atlas(GOOD)}))
    assert use_pages_of(services, atlas.model) == [True] * 3 + [False] + [True] + [False] + [True] * 6  # no "copying"
    use_endpoints_of(services, atlas.model)
    assert all(use_pages_of_all(services))
    content = open_page(services, head, {"model": atlas.model, "layer": "26", "head": "2"})
    page = insert_content("<head></head><body></body>", content, "head", Html(""), "http://app", "http://app/head")
    head_of_page = page[: page.index("</head>")]
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f]", re.sub('content="http[^"]*"', "", head_of_page))
    text = PreviewText.from_head("L26H2", atlas.model, HOSTILE_NAME, atlas.mappings(HeadId(26, 2)))
    assert draw_preview(text).startswith(b"\x89PNG")
    for name in atlas.table_names:
        assert "".join(csv_chunks(atlas, name)).encode()


@pytest.mark.process
def test_the_app_starts_without_a_bad_atlas_and_says_why(tmp_path: Path) -> None:
    bad, good = copy_atlas(tmp_path / "atlases" / "bad", "Bad"), copy_atlas(tmp_path / "atlases" / "good")
    content = pq.read_table(bad / "heads.parquet")
    gaps = pa.array([None, *content["saliency_max"].to_pylist()[1:]])
    pq.write_table(content.set_column(4, "saliency_max", gaps), bad / "heads.parquet")
    opened = open_services({"MAPS_DATA": str(tmp_path), "MAPS_ATLASES": f"{PREBUILT},{bad},{good}"})
    try:
        assert list(opened.atlases) == [GOOD, BAD]
        reason = f"{bad / 'heads.parquet'} is damaged (a row lacks saliency_max); map the model again."
        assert opened.atlas_problems() == [f"The atlas {bad} is not shown: {reason}"]
        assert reason in open_page(opened, explore, {}).html
        assert all(use_pages_of_all(opened))
    finally:
        opened.journal.close()
    assert list(open_atlases("", tmp_path).atlases) == [f"{GOOD} (calibrated)", GOOD, BAD]
    with pytest.raises(MapsError, match="a row lacks saliency_max"):
        open_atlases(str(bad), tmp_path)


def test_an_atlas_that_was_repaired_is_shown_again(both: tuple[Services, Path]) -> None:
    services, folder = both
    before = (folder / "heads.parquet").read_bytes()
    (folder / "heads.parquet").write_bytes(before[:-100])
    sentence = f"The atlas of {BAD} is damaged, so it is not shown. Please tell the person who runs this site."
    assert services.atlas_problems() == [sentence]
    assert list(services.atlases) == [GOOD]
    with pytest.raises(MapsError, match=f"^{re.escape(sentence)}$"):
        services.atlas(BAD)
    (folder / "heads.parquet").write_bytes(before)
    assert list(services.atlases) == [BAD, GOOD]
    assert services.atlas_problems() == []


def test_without_any_valid_atlas_pages_say_so(served: Services, tmp_path: Path) -> None:
    folder = copy_atlas(tmp_path / "other")
    services = replace(served, whole_atlases=ShownAtlases({BAD: Atlas.open(folder)}))
    (folder / "heads.parquet").unlink()
    for page in (explore, relation, search, compare, head):
        assert not open_page(services, page, {"q": "x"}).exists or page is search
    assert health_report(services)["models"] == []
