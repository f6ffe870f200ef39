"""The grid's cells against the tables that they are drawn from."""

from __future__ import annotations

from typing import Any

from maps.atlas import Atlas
from maps.classification import SCORE, SUPPRESSION
from maps.types import HeadId
from space import grid
from space.services import SEED

ATLAS = Atlas.open(SEED / "smollm2")


def value(colour: str, side: str = SCORE) -> dict[str, Any]:
    """The grid of the prebuilt atlas."""
    return grid.cells(ATLAS, colour, side, str)


def test_every_head_has_a_cell_in_every_colouring() -> None:
    for _, colour in grid.colourings(ATLAS):
        shown = value(colour)
        assert [(cell["layer"], cell["head"]) for cell in shown["cells"]] == list(ATLAS.ids)
        assert all(cell["words"] for cell in shown["cells"])


def test_a_relations_cells_are_its_scores_and_null_where_undefined() -> None:
    rows = {(r["layer"], r["head"], r["relation"]): r for r in ATLAS.table("relations").to_pylist()}
    for name in ("country_to_capital", "year_to_following"):
        for side in (SCORE, SUPPRESSION):
            cells = value(f"relation:{name}", side)["cells"]
            assert [cell["share"] for cell in cells] == [rows[(*head, name)][side] for head in ATLAS.ids]


def test_a_head_has_a_band_for_every_category_it_reaches_the_threshold_in() -> None:
    for cell in value(grid.BY_CATEGORY)["cells"]:
        scores = ATLAS.relation_scores(HeadId(cell["layer"], cell["head"]))
        reached = {s.category for s in scores if s.pairs >= 30 and max(s.score or 0, s.suppression or 0) >= 0.15}
        assert set(cell["bands"]) == reached


def test_the_strongest_heads_come_first_and_ties_by_place() -> None:
    shares = [cell["share"] for cell in grid.strongest(value("relation:country_to_capital"))]
    assert shares == sorted(shares, reverse=True)
    assert [(c["layer"], c["head"]) for c in grid.strongest(value("relation:year_to_following"), 2)] == [(0, 0), (0, 1)]
