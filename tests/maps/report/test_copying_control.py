"""The copying control of a score in words."""

from __future__ import annotations

import pytest

from maps.report.copying_control import classified_value, control_phrase
from maps.types import RelationScore

ON_ALL_PAIRS = ("r", "linguistic", 10, 53, 0.63, 0.02)


@pytest.mark.parametrize(
    ("score", "phrase", "value"),
    [
        (
            RelationScore(*ON_ALL_PAIRS, 0.1, 0.6, 0.03, 43),
            "copying alone gives 0.10; score 0.60, suppression 0.03 on the 43 other pairs",
            0.6,
        ),
        (RelationScore(*ON_ALL_PAIRS, 0.0, 0.63, 0.02, 53), "copying alone gives 0.00", 0.63),
        (
            RelationScore(*ON_ALL_PAIRS, 0.98, None, None, 1),
            "copying alone gives 0.98; that leaves 1 other pair, too few to classify heads by",
            0.0,
        ),
        (
            RelationScore("own", "", 10, 5, 0.8, 0.0, 0.0, None, None, 5),
            "copying alone gives 0.00; that leaves 5 other pairs, too few to classify heads by",
            0.0,
        ),
        (RelationScore("copying", "algorithmic", 1, 50, 0.5, 0.0, 1.0, None, None, 0), "", 0.5),
        (
            RelationScore("copying", "", 10, 50, 0.5, 0.0, 1.0, None, None, 0),
            "copying alone gives 1.00; that leaves 0 other pairs, too few to classify heads by",
            0.0,
        ),
        (RelationScore("r", "linguistic", 10, 0, None, None), "", 0.0),
    ],
)
def test_a_control_says_what_copying_gives_and_what_is_left(score: RelationScore, phrase: str, value: float) -> None:
    assert control_phrase(score) == phrase
    assert classified_value(score) == value
