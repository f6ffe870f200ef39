"""Figures of an atlas: what they show is what the tables say, and it is valid Vega-Lite."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest

from maps import figures
from maps.analysis.breadth import OutputSpaceReferences, layer_breadth
from maps.analysis.classification import CATEGORIES, CATEGORIES_SCHEMA, HEADS_PER_RELATION_SCHEMA
from maps.analysis.value_groups import GROUPS_SCHEMA, value_group_similarity
from maps.atlas.reader import Atlas
from maps.atlas.schema import SCHEMAS, make_table
from maps.figures.style import CATEGORY_COLOURS
from maps.report.atlas_report import AtlasFindings, compute_findings
from maps.text import escape_invisible, relation_label, three_decimals
from space.atlases.names import PREBUILT_FOLDER


@pytest.fixture(scope="module")
def findings() -> AtlasFindings:
    """The tables of the prebuilt atlas."""
    return compute_findings(Atlas.open(PREBUILT_FOLDER / "smollm2"), 0.15, 30)


def values(chart: figures.Figure) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A figure as Vega-Lite, and all rows of its data."""
    spec = figures.vega_spec(chart)
    return spec, [row for rows in spec["datasets"].values() for row in rows]


def test_the_map_has_a_band_for_every_category_of_a_head(findings: AtlasFindings) -> None:
    spec, rows = values(figures.functionality_map(findings.tables["categories"], findings.model, 30, 9))
    bands: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for row in rows:
        bands.setdefault((row["layer"], row["head"]), []).append(row)
    for each in findings.tables["categories"].to_pylist():
        mine = bands[each["layer"], each["head"]]
        assert [row["category"] for row in mine] == (each["categories"] or ["none"])
        assert (mine[0]["start"], mine[-1]["end"]) == (0, 1)
        assert all(one["end"] == other["start"] for one, other in pairwise(mine))
    assert len(bands) == 270
    assert spec["title"]["text"] == "What the heads of SmolLM2-135M-Instruct do"
    assert spec["description"] == (
        "A grid of 270 heads, layers from left to right. 20 of 270 heads implement or suppress a relation; a head of "
        "several categories has a band for each. Heads by category: algorithmic 10, knowledge 8, linguistic 10, "
        "translation 0."
    )
    assert spec["layer"][1]["encoding"]["color"]["scale"] == {
        "domain": ["algorithmic (10)", "knowledge (8)", "linguistic (10)", "translation (0)", "none (250)"],
        "range": ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#E4E8ED"],
    }
    l23h3 = bands[23, 3][0]
    assert (l23h3["name"], l23h3["implements"]) == ("L23H3", "nothing")
    assert l23h3["words"] == "L23H3 suppresses name copying, country to language, country to capital"


def test_the_map_of_a_large_model_has_all_its_heads_and_fits_a_screen() -> None:
    rows = [{"layer": layer, "head": head} for layer in range(80) for head in range(64)]
    spec, shown_rows = values(
        figures.functionality_map(pa.Table.from_pylist(rows, schema=CATEGORIES_SCHEMA), "m", 80, 64)
    )
    assert len(shown_rows) == 5120
    assert (spec["width"], spec["height"]) == (880, 704)


def test_a_head_of_own_relations_alone_is_shown_as_such() -> None:
    rows = [{"layer": 0, "head": 0, "categories": None, "relations": ["mine"], "suppressed": None}]
    _, [row] = values(figures.functionality_map(pa.Table.from_pylist(rows, schema=CATEGORIES_SCHEMA), "m", 1, 1))
    assert (row["category"], row["label"], row["implements"]) == ("own relation", "own relation (1)", "mine")


def test_the_bars_are_the_counts_of_every_relation(findings: AtlasFindings) -> None:
    per_relation = findings.tables["heads_per_relation"]
    spec, rows = values(figures.heads_per_relation(per_relation, findings.model))
    names = per_relation.column_names
    assert [{name: row[name] for name in names} for row in rows] == per_relation.to_pylist()
    assert [row["few"] for row in rows if row["few"]] == ["too few pairs (0)"]
    assert spec["description"] == (
        "Bars of how many heads implement each relation and how many suppress it: name copying 7 and 2; word to first "
        "letter 3 and 0; country to capital 4 and 1; country to language 6 and 2; adj to comparative 3 and 1; adj to "
        "superlative 2 and 0; noun to pronoun 4 and 2. Too few pairs to classify by: year to following."
    )


def test_the_similarity_of_groups_is_shown_by_layer_and_described_for_all(findings: AtlasFindings) -> None:
    groups = findings.tables["groups"]
    spec, rows = values(figures.group_similarity(groups, findings.model))
    by_layer = [row for row in groups.to_pylist() if row["layer"] is not None]
    shown_rows = [{name: row[name] for name in groups.column_names} for row in rows]
    assert sorted(shown_rows, key=str) == sorted(by_layer, key=str)
    assert spec["description"].endswith(
        "Over all layers: salient sources 0.130 within, 0.004 between; mappings 0.006 within, under 0.001 between; "
        "relations 0.172 within, 0.065 between."
    )


def test_skewness_is_drawn_against_the_output_space_where_it_was_computed() -> None:
    row: dict[str, Any] = {"layer": 0, "kv_head": 0, "input_skewness": 1.5, "output_space": 0.25}
    heads: list[dict[str, Any]] = [
        row | {"head": 0},
        row | {"head": 1, "output_space": None},
        row | {"head": 2, "input_skewness": None},
    ]
    chart = figures.skewness_by_output_space(make_table("heads", heads), [], "m")
    assert chart is not None
    _, [point] = values(chart)
    assert (point["name"], point["input_skewness"], point["output_space"]) == ("L0H0", 1.5, 0.25)
    assert figures.skewness_by_output_space(make_table("heads", heads[1:]), [], "m") is None


def test_skewness_and_output_space_are_drawn_by_layer_with_two_reference_heads() -> None:
    row: dict[str, Any] = {"layer": 0, "kv_head": 0, "input_skewness": 1.5, "output_space": 0.25}
    heads = [row | {"head": 0}, row | {"head": 1, "input_skewness": 0.5, "output_space": 0.01}, row | {"head": 2}]
    heads += [row | {"layer": 1, "head": 0, "input_skewness": None, "output_space": 0.02}]
    spec, shown_rows = values(
        figures.breadth_by_layer(make_table("heads", heads), "m", OutputSpaceReferences(0.001, 0.2))
    )
    assert {row["name"] for row in shown_rows if "name" in row} == {"L0H0", "L0H1", "L0H2", "L1H0"}
    lines = {row["kind"]: row["share"] for row in shown_rows if "kind" in row}
    assert lines == {"specific head": 0.001, "global head": 0.2}
    assert spec["description"].endswith(
        "The median input skewness of a layer's heads is highest in layer 0 (1.50) and lowest in layer 0 (1.50). The "
        "median output space is largest in layer 0 (25 % of the vocabulary) and smallest in layer 1 (2 %). For "
        "comparison: a head that maps every token to the same one has 0.1 %, a head that capitalises every token 20 %."
    )
    assert layer_breadth(make_table("heads", heads)).to_pylist()[0] == {
        **{"layer": 0, "heads": 3, "input_skewness_low": 0.5, "input_skewness": 1.5, "input_skewness_high": 1.5},
        **{"output_space_low": 0.01, "output_space": 0.25, "output_space_high": 0.25},
    }
    plain = make_table("heads", [{**each, "output_space": None} for each in heads])
    spec, shown_rows = values(figures.breadth_by_layer(plain, "m", OutputSpaceReferences(0.001, 0.2)))
    assert spec["description"].endswith("`map --output-space` computes it.")
    assert not any("kind" in row for row in shown_rows)


def test_figures_of_nothing_are_valid() -> None:
    nothing = value_group_similarity(SCHEMAS["heads"].empty_table(), SCHEMAS["mappings"].empty_table(), {})
    assert nothing.schema == GROUPS_SCHEMA
    for chart in (
        figures.functionality_map(CATEGORIES_SCHEMA.empty_table(), "m", 1, 1),
        figures.heads_per_relation(HEADS_PER_RELATION_SCHEMA.empty_table(), "m"),
        figures.group_similarity(nothing, "m"),
        figures.breadth_by_layer(SCHEMAS["heads"].empty_table(), "m", OutputSpaceReferences(0.1, 0.2)),
    ):
        assert values(chart)[0]["description"]


def test_invisible_and_turning_characters_are_escaped() -> None:
    assert escape_invisible("a\u202eb\nc") == "a\\u202Eb\\u000Ac"
    assert relation_label("word_to\x00") == "word to\\u0000"


def test_small_numbers_are_not_shown_as_zero() -> None:
    assert [three_decimals(value) for value in (0.0, 0.0001, 0.0005, 1.0)] == ["0.000", "under 0.001", "0.001", "1.000"]


def test_no_two_categories_share_a_colour() -> None:
    assert len(set(CATEGORY_COLOURS.values())) == len(CATEGORY_COLOURS) == len(CATEGORIES) + 2
