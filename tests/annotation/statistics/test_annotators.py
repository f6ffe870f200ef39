"""Annotators beside the majority of the others, worked by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from annotation.form import PRESENCE
from annotation.statistics.annotators import NO_MAJORITY, MajorityComparison, compare_with_majority
from annotation.statistics.bootstrap import BootstrapEstimate
from annotation.statistics.judgments_table import select_counted_judgments
from annotation.statistics.ratings import collect_ratings

COLUMNS = ["item", "annotator", "presence", "precision", "category"]
CODES = dict(enumerate(PRESENCE.codes))


def found(answers: dict[str, list[int | None]]) -> dict[str, MajorityComparison]:
    rows = [
        (str(item), who, CODES[code], "", "")
        for who, codes in answers.items()
        for item, code in enumerate(codes)
        if code is not None
    ]
    table = collect_ratings(select_counted_judgments(pd.DataFrame(rows, columns=COLUMNS)).rows, PRESENCE)
    return {each.annotator: each for each in compare_with_majority(table, 0)}


def test_an_annotator_is_compared_where_the_others_have_a_majority() -> None:
    # Ada beside bob and cy: items 0 and 1 have a majority of the others, item 2 is tied, item 3 is hers alone.
    ada = found({"ada": [0, 3, 1, 2], "bob": [0, 1, 1, None], "cy": [0, 1, 3, None]})["ada"]
    assert (ada.items, ada.alone, ada.tied, ada.share.n, ada.share.value) == (4, 1, 1, 2, 0.5)
    # Observed 1/2; ada's shares 0: 1/2, 3: 1/2; the others' 0: 1/2, 1: 1/2; expected 1/4: (1/2 − 1/4) / (3/4) = 1/3.
    assert ada.kappa.value == pytest.approx(1 / 3)
    assert ada.kappa.n == 2


def test_an_own_answer_is_no_part_of_the_others_majority() -> None:
    bob = found({"ada": [0, 0], "bob": [1, 1]})["bob"]
    assert (bob.share.value, bob.share.n) == (0.0, 2)


def test_without_others_it_is_undefined_in_words() -> None:
    undefined = BootstrapEstimate(None, None, None, 0, 0, NO_MAJORITY)
    assert found({"ada": [0, 1]}) == {"ada": MajorityComparison("ada", 2, 2, 0, undefined, undefined)}
    assert found({}) == {}
