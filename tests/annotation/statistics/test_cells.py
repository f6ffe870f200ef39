"""What cells mean, however a program wrote them."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from annotation.statistics import cells


@pytest.mark.parametrize("cell", [None, "", " \u00a0", float("nan"), np.float32("nan"), pd.NA, pd.NaT])
def test_empty_cells_have_no_text(cell: object) -> None:
    assert cells.cell_text(cell) is None
    assert cells.cell_value(cell) is None


@pytest.mark.parametrize("word", ["NA", "nan", "N/A", "#N/A", "NULL", "None", "<NA>", " NaN ", b"NA"])
def test_words_for_a_missing_value_are_blank(word: object) -> None:
    assert cells.cell_value(word) is None
    assert cells.cell_text(word) is not None


@pytest.mark.parametrize("word", ["Nan Li", "nana", "nonesuch", "-", "0"])
def test_other_words_are_not(word: str) -> None:
    assert cells.cell_value(word) == word


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        *(("105", "105"), ("105.0", "105"), ("105,00", "105"), ("007", "007"), ("1e+05", "100000"), ("1.5E+01", "15")),
        *(("1.5", None), ("1e5", None), ("1.55e+01", None), ("a-1", None), ("٣", None)),
    ],
)
def test_whole_numbers_are_recognised(cell: str, expected: str | None) -> None:
    assert cells.whole_number_text(cell) == expected


def test_cells_of_parquet_and_json_are_text_too() -> None:
    assert [cells.cell_text(cell) for cell in (b"ana", 105.0, Decimal("105.00"), True)] == [
        *("ana", "105.0", "105.00", "True")
    ]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ([["101", "105"], [None, "105.0"]], [["101", "105"], [None, "105"]]),
        ([["1", "1.0", "ana"]], [["1", "1", "ana"]]),
        ([["1.0", "2.0"]], [["1", "2"]]),
        ([["1.0", "1.1"]], [["1.0", "1.1"]]),  # versions, not whole numbers
        ([["v1", "2.0"]], [["v1", "2.0"]]),
        ([[]], [[]]),
    ],
)
def test_ids_are_whole_numbers_where_they_are_the_same_id(
    columns: list[list[str | None]], expected: list[list[str | None]]
) -> None:
    assert cells.unify_whole_numbers(columns) == expected


def test_yes_and_no_are_read_in_every_way_programs_write_them() -> None:
    assert {word: cells.parse_boolean(word) for word in ("TRUE", "true", "1", "1.0", "yes", "Y", "t")} == dict.fromkeys(
        ("TRUE", "true", "1", "1.0", "yes", "Y", "t"), True
    )
    assert not any(cells.parse_boolean(word) for word in ("FALSE", "False", "0", "0.0", "no", "N", "f", None))
    for word in ("perhaps", "2", "0.5"):
        with pytest.raises(ValueError, match=word):
            cells.parse_boolean(word)


def test_layers_and_heads_are_whole_numbers_from_0() -> None:
    assert [cells.parse_index(cell) for cell in ("0", "26.0", "3,0", None)] == [0, 26, 3, None]
    for cell in ("-1", "1.5", "x", "9" * 10):
        with pytest.raises(ValueError, match=cell):
            cells.parse_index(cell)
