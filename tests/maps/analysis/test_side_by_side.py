"""Best heads, highest values and rates by depth, from rows written by hand."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from maps.analysis.identification import IDENTIFICATION_SCHEMA
from maps.analysis.side_by_side import BestHead, DepthRate, best_heads, highest_values, rates_by_depth
from maps.atlas.schema import SCHEMAS
from maps.types import HeadId


def row(head: int, relation: str, score: float | None, beyond: float | None, **changes: Any) -> dict[str, Any]:
    values = {"layer": 0, "head": head, "relation": relation, "category": "knowledge", "pairs": 40, "score": score}
    values |= {"beyond_copying": beyond, "suppression": 0.0, "suppression_beyond_copying": 0.0, **changes}
    return {name: values.get(name) for name in SCHEMAS["relations"].names}


def relations(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=SCHEMAS["relations"])


def test_the_best_head_is_the_best_beyond_copying() -> None:
    table = relations(
        row(0, "country_to_capital", 0.9, 0.1),  # mostly copies
        row(1, "country_to_capital", 0.5, 0.4),
        row(2, "country_to_capital", 0.6, 0.4),  # of equals the one with the higher score
        row(0, "copying", 0.7, None, category="algorithmic"),
        row(1, "antonym", 0.3, 0.0),
        row(2, "antonym", None, None),
    )
    assert best_heads(table) == {
        "country_to_capital": BestHead(HeadId(0, 2), 0.4, 0.6),
        "copying": BestHead(HeadId(0, 0), 0.7, 0.7),
    }


def test_a_heads_highest_value_counts_suppression_and_only_relations_with_enough_pairs() -> None:
    table = relations(
        row(0, "country_to_capital", 0.9, 0.1, suppression_beyond_copying=0.3),
        row(0, "antonym", 0.2, 0.2),
        row(1, "antonym", 0.8, 0.8, pairs=29),
        row(2, "antonym", None, None, suppression_beyond_copying=None),
    )
    assert highest_values(table, 30) == {HeadId(0, 0): 0.3}
    assert highest_values(table, 100) == {}


def test_rates_are_added_up_by_relative_depth() -> None:
    rows = [
        {"describer": "a", "layer": layer, "described": 4, "patterns": layer, "heads": 4}
        for layer in (None, 0, 1, 2, 3)
    ]
    rows.append({"describer": "b", "layer": 0, "described": 9, "patterns": 9, "heads": 9})
    table = pa.Table.from_pylist(
        [{**dict.fromkeys(IDENTIFICATION_SCHEMA.names), **each, "patterns": each["patterns"] or 0} for each in rows],
        schema=IDENTIFICATION_SCHEMA,
    )
    halves = rates_by_depth(table, "a", layers=4, parts=2)
    assert halves == [DepthRate(0.0, 0.5, 8, 1), DepthRate(0.5, 1.0, 8, 5)]
    assert [part.rate for part in halves] == [1 / 8, 5 / 8]
    deeper = rates_by_depth(table, "a", layers=40, parts=2)  # only the first four of forty layers are mapped
    assert (deeper[0].described, deeper[1].described, deeper[1].rate) == (16, 0, None)
