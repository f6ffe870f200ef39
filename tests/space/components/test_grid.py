"""The grid's cells against the tables that they are drawn from."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import pytest

from maps.analysis.classification import SCORE, SUPPRESSION
from maps.atlas.reader import Atlas
from maps.report.copying_control import classified_value
from space.atlases.names import PREBUILT_FOLDER
from space.components import grid
from space.components.grid import Grid
from tests.space.copied_atlas import EXHAUSTED, EXPLAINED, make_copied_atlas

ATLAS = Atlas.open(PREBUILT_FOLDER / "smollm2")
ROWS = {(r["layer"], r["head"], r["relation"]): r for r in ATLAS.table("relations").to_pylist()}


def data_of(element: str) -> dict[str, object]:
    match = re.search(r'data-grid="([^"]*)"', element)
    assert match is not None
    return dict(json.loads(unescape(match[1])))


@pytest.mark.parametrize("name", ["country_to_capital", "year_to_following"])
@pytest.mark.parametrize("side", [SCORE, SUPPRESSION])
def test_a_relations_shares_are_its_scores_and_null_where_undefined(name: str, side: str) -> None:
    shown = grid.relation_grid(ATLAS, name, side, 0.15).shares
    stored = [ROWS[(*head, name)][side] for head in ATLAS.head_ids]
    assert shown == [None if value is None else round(value, 3) for value in stored]


@pytest.mark.parametrize("tau", [0.15, 0.4])
def test_a_head_has_a_band_for_every_category_it_reaches_the_threshold_in(tau: float) -> None:
    bands = grid.category_grid(ATLAS, tau).bands
    assert bands is not None
    for head, shown in zip(ATLAS.head_ids, bands, strict=True):
        scores = ATLAS.relation_scores(head)
        reached = {s.category for s in scores if s.pairs >= 30 and classified_value(s) >= tau}
        assert set(grid.band_names(shown)) == reached


def test_heads_that_only_copy_are_not_counted_and_the_title_says_the_rule(tmp_path: Path) -> None:
    atlas = make_copied_atlas(tmp_path / "copied")
    shown = grid.relation_grid(atlas, EXPLAINED, SCORE, 0.15)
    assert shown.title == ("1 of 270 heads implement noun to pronoun (score beyond copying 0.15 or more, 373 pairs).")
    assert shown.shares == grid.relation_grid(ATLAS, EXPLAINED, SCORE, 0.15).shares
    assert grid.relation_grid(ATLAS, EXPLAINED, SCORE, 0.15).title.startswith("4 of 270 heads implement")
    exhausted = grid.relation_grid(atlas, EXHAUSTED, SCORE, 0.15).title
    assert exhausted.startswith("0 of 270 heads implement country to capital")
    assert exhausted.endswith("Copying alone hits almost all of its pairs, so no head is classified by it.")
    assert "(score 0.15 or more, 276 pairs)" in grid.relation_grid(atlas, "name_copying", SCORE, 0.15).title
    assert "capital" not in " ".join(grid.category_grid(atlas, 0.15).cell_texts.values())


def test_own_pairs_are_counted_without_a_control_and_say_so() -> None:
    shown = grid.own_pairs_grid([0.5, None, 0.1], SUPPRESSION, 0.15, 2, " Few.")
    assert shown.title == (
        "1 of 3 heads reach a suppression of 0.15 or more on your pairs (2 pairs). Heads that only copy count too. Few."
    )


def test_a_measure_runs_from_the_models_lowest_to_its_highest() -> None:
    shown = grid.measure_grid(ATLAS, "output_space")
    assert shown.shares is not None
    known = [share for share in shown.shares if share is not None]
    assert (min(known), max(known)) == (0, 1)
    assert shown.title.endswith("Colours follow its logarithm.")


def test_numbers_that_are_all_alike_or_missing_have_a_place_on_the_scale() -> None:
    assert grid.scaled_grid([2.0, None, 2.0], "number").shares == [0, None, 0]
    assert grid.scaled_grid([None], "number").shares == [None]


def test_the_strongest_heads_come_first_and_ties_by_place() -> None:
    shown = grid.relation_grid(ATLAS, "country_to_capital", SCORE, 0.15)
    assert shown.shares is not None
    values = [shown.shares[place] or 0 for place in shown.strongest_indices()]
    assert values == sorted(shown.shares, key=lambda share: -(share or 0))[:10]
    assert Grid("", shares=[None, 0.0, None]).strongest_indices(2) == [0, 1]
    assert Grid("", bands=[1, 3, 0]).strongest_indices(2) == [1, 0]


def test_of_categories_the_strongest_heads_are_those_of_the_highest_score_or_suppression() -> None:
    shown = grid.category_grid(ATLAS, 0.15)
    values = [
        max(float(each.rsplit(" ", 1)[1]) for each in shown.cell_text(p).split("; "))
        for p in shown.strongest_indices(5)
    ]
    assert values == sorted(values, reverse=True)
    assert str(ATLAS.head_ids[shown.strongest_indices(1)[0]]) == "L23H3"  # suppresses name copying, 0.88


def test_the_element_carries_what_the_script_draws() -> None:
    given = data_of(grid.grid_html(grid.category_grid(ATLAS, 0.15), ATLAS))
    assert (given["layers"], given["heads"]) == (30, 9)
    assert [*zip(given["layer"], given["head"], strict=True)] == list(ATLAS.head_ids)  # type: ignore[call-overload]
    assert given["words"]["236"] == "noun to pronoun 0.52"  # type: ignore[index] # L26H2


def test_what_an_atlas_lacks_is_no_colouring() -> None:
    keys = [key for _, key in grid.colouring_choices(ATLAS, has_verdicts=False)]
    assert keys[:5] == ["known", "category", "saliency_mean", "input_skewness", "output_space"]
    assert not {"detection", "verdict"} & set(keys)
