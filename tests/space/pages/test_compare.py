"""The comparison of models: two readings of one, a tuned one, one of another kind, and a scatter of its numbers."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from maps.atlas.reader import Atlas, write_table
from maps.atlas.schema import make_table
from maps.errors import MapsError
from maps.report.copying_control import classified_value
from maps.types import HeadId
from space.atlases.comparison import are_comparable, compare_atlases
from space.atlases.names import PREBUILT_FOLDER
from space.components.scatter import SPAN, Axis, Rectangle, Scatter, brush_box
from space.pages.compare import page as compare
from space.services import Services, open_services
from space.site import EXPLORER_LINKS
from space.web.header import header_html
from space.web.page import open_page

PAPER, CALIBRATED = "SmolLM2-135M-Instruct", "SmolLM2-135M-Instruct (calibrated)"
TUNED, FOREIGN = "Tuned", "Foreign"


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Services with both prebuilt readings, a tuned model of the same architecture, and one with other tokens."""
    folder = tmp_path_factory.mktemp("atlases")
    used = open_services({"MAPS_DATA": str(tmp_path_factory.mktemp("data"))})
    more = {TUNED: make_tuned_atlas(folder / "tuned"), FOREIGN: make_foreign_atlas(folder / "foreign")}
    yield replace(used, whole_atlases={**used.whole_atlases, **more})
    used.journal.close()


def copy_atlas(folder: Path, model: str) -> Atlas:
    shutil.copytree(PREBUILT_FOLDER / "smollm2", folder)
    info = json.loads((folder / "atlas.json").read_text(encoding="utf-8"))
    (folder / "atlas.json").write_text(json.dumps({**info, "model": model, "weights": model}), encoding="utf-8")
    return Atlas.open(folder)


def make_tuned_atlas(folder: Path) -> Atlas:
    """Another model: its L26H2 lost the first of its mappings and no longer implements noun to pronoun."""
    atlas = copy_atlas(folder, TUNED)
    rows = atlas.table("mappings").to_pylist()
    kept = [row for row in rows if (row["layer"], row["head"], row["rank"]) != (26, 2, 1)]
    write_table(folder, "mappings", make_table("mappings", kept))
    relations = atlas.table("relations").to_pylist()
    for row in relations:
        if (row["layer"], row["head"], row["relation"]) == (26, 2, "noun_to_pronoun"):
            row |= {"score": 0.0, "beyond_copying": 0.0}
    write_table(folder, "relations", make_table("relations", relations))
    return Atlas.open(folder)


def make_foreign_atlas(folder: Path) -> Atlas:
    """Another model of the same shape, whose tokens have other ids."""
    atlas = copy_atlas(folder, FOREIGN)
    pairs = [
        row | {"source": row["source"].upper(), "target": row["target"].upper()}
        for row in atlas.table("pairs").to_pylist()
    ]
    write_table(folder, "pairs", make_table("pairs", pairs))
    return Atlas.open(folder)


def shown(services: Services, **query: str) -> str:
    return str(compare.build_content(services, query).html)


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub("<[^>]+>", " ", html)).split())


def test_two_readings_of_one_model_are_compared_head_by_head(several: Services) -> None:
    text = text_of(shown(several, model=CALIBRATED, other=PAPER))
    assert "Both are readings of one model: the calibrated reading" in text
    assert "Of 40,500 mappings (source and target)" in text
    compared = compare_atlases(several.atlas(CALIBRATED), several.atlas(PAPER))
    assert compared.chance["targets"].pairs == 270 * 269
    alike = [each.likeness["targets"].similarity for each in compared.heads]
    assert sum(alike) / len(alike) > 5 * compared.chance["targets"].mean
    assert "L29H7 23 127 127" in text  # the most alike first


def test_a_tuned_model_shows_what_changed_first(several: Services) -> None:
    text = text_of(shown(several, model=PAPER, other=TUNED))
    assert f"{PAPER} and {TUNED} have the same 270 heads." in text
    assert "Of 40,500 mappings" in text
    assert "5 are lost and 0 gained." in text
    assert "most changed first Head Kept Lost Gained" in text
    assert re.search("L26H2 145 5 0 .* lost noun to pronoun", text)


def test_one_head_is_compared_mapping_by_mapping(several: Services) -> None:
    html = shown(several, model=PAPER, other=TUNED, view="heads", layer="26", head="2")
    text = text_of(html)
    assert "L26H2 in both" in text
    assert "Mappings: similarity 0.967, more than 100.0 % of pairs of different heads" in text
    assert "noun to pronoun 0.52 0.00" in text
    assert "29 sources in both, first" in text
    assert text.index("Kept Lost Gained") < text.rindex("sinners")  # only in the first: at the end
    with pytest.raises(MapsError, match="There is no head L99H2 with mappings in both"):
        shown(several, model=PAPER, other=TUNED, view="heads", layer="99", head="2")


def test_models_with_other_tokens_are_compared_by_relation_and_depth_only(several: Services) -> None:
    assert are_comparable(several.atlas(PAPER), several.atlas(TUNED))
    assert not are_comparable(several.atlas(PAPER), several.atlas(FOREIGN))
    html = shown(several, model=PAPER, other=FOREIGN, view="heads")  # the view that there is takes its place
    assert "Head by head" not in html
    text = text_of(html)
    assert "noun to pronoun 6 (2.2 %) L26H2 0.52 6 (2.2 %) L26H2 0.52" in text
    assert "Heads in which a pattern was described by a rule-based baseline" in text
    assert "0 to 20 %" in text


def test_a_scatter_lists_the_heads_in_the_rectangle_of_its_address(several: Services) -> None:
    query = {"model": PAPER, "view": "scatter", "x": "output_space", "x_of": "first", "y": "best", "y_of": "first"}
    assert "All 270 heads are inside the rectangle." in shown(several, **query)
    html = shown(several, **query, x_from="500", x_to="900", y_from="150")
    assert "14 of 270 heads are inside the rectangle." in html
    selected = html.split('<div class="selected">')[1].split("</div>")[0]
    assert ">L23H4</a>" in selected
    assert ">L26H2</a>" not in selected
    values = json.loads(unescape(re.search('data-scatter="([^"]*)"', html)[1]))  # type: ignore[index]
    assert len(values["x"]) == 270
    assert (min(values["x"]), max(values["x"])) == (0, SPAN)
    assert "output space (share of the vocabulary), SmolLM2-135M-Instruct (logarithmic axis)" in html


def test_the_axes_of_a_scatter_show_the_same_heads_of_two_models(several: Services) -> None:
    html = shown(several, model=PAPER, other=TUNED, view="scatter")
    assert f"highest relation score beyond copying, {TUNED}" in html
    data = json.loads(unescape(re.search('data-scatter="([^"]*)"', html)[1]))  # type: ignore[index]
    at = next(i for i, pair in enumerate(zip(data["layer"], data["head"], strict=True)) if pair == (26, 2))
    best = [
        max(
            classified_value(score)
            for score in several.atlas(model).relation_scores(HeadId(26, 2))
            if score.pairs >= 30
        )
        for model in (TUNED, PAPER)
    ]
    assert [values[at] for values in data["values"]] == [f"{value:.3g}" for value in best] == ["0.0302", "0.523"]
    other = shown(several, model=PAPER, other=FOREIGN, view="scatter")
    assert 'name="x_of"' not in other
    assert FOREIGN not in other.split("<svg")[1]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"view": "mood"}, "must be one of heads, relations, scatter, describers"),
        ({"view": "scatter", "x": "mood"}, "The number of an axis in the address is not known here"),
        ({"view": "scatter", "x_of": "third"}, "The model of an axis in the address is not known here"),
        ({"sort": "mood"}, "must be one of alike, changed, place"),
        ({"page": "7"}, "must be a number from 1 to 6"),
        ({"other": "nope"}, "There is no model 'nope' here"),
    ],
)
def test_an_address_that_leads_nowhere_says_why(several: Services, query: dict[str, str], sentence: str) -> None:
    page = open_page(several, compare, query)
    assert not page.exists
    assert sentence in text_of(page.html)


def test_edges_that_are_no_places_select_all(several: Services) -> None:
    html = shown(several, view="scatter", x_from="-5", x_to="9999999", y_from="abc", y_to="²")
    assert "All 270 heads are inside the rectangle." in html


def test_one_model_has_no_comparison_and_no_entry_in_the_navigation(several: Services) -> None:
    alone = replace(several, whole_atlases={PAPER: several.whole_atlases[PAPER]})
    text = text_of(compare.build_content(alone, {}).html)
    assert text.startswith("Compare There is only one model here, so there is no other to compare it with.")
    assert "python" not in text
    assert "Compare" not in header_html(alone, EXPLORER_LINKS, "", "")
    assert '<a href="compare">Compare</a>' in header_html(several, EXPLORER_LINKS, "", "")


def test_an_axis_places_its_lowest_value_at_0_and_its_highest_at_the_end() -> None:
    assert [Axis("a", [2.0, None, 4.0, 3.0]).place(value) for value in (2.0, 3.0, 4.0)] == [0, 500, 1000]
    assert [Axis("a", [0.01, 1.0, 0.1], True).place(value) for value in (0.01, 0.1, 1.0)] == [0, 500, 1000]
    assert not Axis("a", [0.0, 1.0], True).uses_logarithm
    assert Axis("a", [5.0, 5.0]).place(5.0) == 500
    assert Axis("a", [2.0, 4.0]).value_at(250) == 2.5


def test_the_rectangle_is_drawn_where_the_places_are() -> None:
    assert brush_box(Rectangle()) == 'x="72" y="12" width="540" height="340"'
    assert brush_box(Rectangle(500, 1000, 0, 250)) == 'x="342" y="267" width="270" height="85"'


def test_heads_without_one_of_the_numbers_are_not_drawn(several: Services) -> None:
    heads = several.atlas(PAPER).head_ids[:3]
    some: Any = Scatter("m", heads, Axis("a", [1.0, None, 2.0]), Axis("b", [5.0, 6.0, None]), ["none"] * 3, Rectangle())
    assert some.places() == {0: (0, 0)}
