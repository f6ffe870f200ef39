"""Shares of judgments: the paper's headline numbers, and the same on controls, which is their chance level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from annotation.form import PRECISION, PRESENCE, Question
from annotation.statistics.bootstrap import Rate, rate
from annotation.types import CONTROL_KINDS

TRUE = "true"


@dataclass(frozen=True)
class Definition:
    """The share of answers `accepted` among the answers `among` to one question; `missing` says that there are none."""

    question: Question
    accepted: tuple[str, ...]
    among: tuple[str, ...]
    missing: str


FAILED = ("absent_described", "present_missed")
VISIBLE = ("present_missed", "present_described")
DESCRIBED = ("absent_described", "present_described")
RIGHT = ("absent_none", "present_described")
ALL, JUDGED = "there are no judgments", "there are no judgments of precision"
HEADLINE = {  # the paper's, in its order
    "correct": Definition(PRESENCE, RIGHT, PRESENCE.codes, ALL),
    "false_patterns_among_failures": Definition(PRESENCE, ("absent_described",), FAILED, "there are no failures"),
    "visible_patterns_described": Definition(
        PRESENCE, ("present_described",), VISIBLE, "there are no judgments that see one"
    ),
    "poor": Definition(PRECISION, ("poor",), PRECISION.codes, JUDGED),
}
RATES = HEADLINE | {
    "recognised": Definition(PRESENCE, ("present_described",), PRESENCE.codes, ALL),
    "described_recognised": Definition(
        PRESENCE, ("present_described",), DESCRIBED, "there are no judgments that find a pattern described"
    ),
    "accurate": Definition(PRECISION, ("accurate",), PRECISION.codes, JUDGED),
}


@dataclass(frozen=True)
class Acceptance:
    """The rates on items of one kind."""

    items: int
    judgments: int
    rates: dict[str, Rate]


def acceptance(rows: pd.DataFrame, seed: int) -> Acceptance:
    """Every one of `RATES` over these rows, with intervals over their items."""
    item, items = pd.factorize(rows["key"])
    numbers = item.astype(np.int64)
    found = {}
    for name, each in RATES.items():
        given = rows[each.question.field]
        accepted, asked = (given.isin(codes).to_numpy(dtype=bool) for codes in (each.accepted, each.among))
        found[name] = rate(accepted, asked, numbers, seed, each.missing)
    return Acceptance(len(items), len(rows), found)


def controls(rows: pd.DataFrame, controls: pd.DataFrame, seed: int) -> dict[str, Acceptance]:
    """The rates on the true items, and on each kind of control: what annotators accept where nothing fits."""
    kinds = {kind: controls[controls["item_kind"] == kind] if len(controls) else controls for kind in CONTROL_KINDS}
    return {name: acceptance(each, seed) for name, each in {TRUE: rows, **kinds}.items()}
