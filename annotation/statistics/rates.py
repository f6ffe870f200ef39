"""Shares of judgments: the paper's headline numbers, and the same on controls, which is their chance level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from annotation.form import PRECISION, PRESENCE, FormQuestion
from annotation.statistics.bootstrap import RateEstimate, estimate_rate
from annotation.types import CONTROL_KINDS

TRUE_ITEMS = "true"


@dataclass(frozen=True)
class RateDefinition:
    """The share of answers `accepted_codes` among the answers `base_codes` to one question; `empty_base_reason` says that there are none."""

    question: FormQuestion
    accepted_codes: tuple[str, ...]
    base_codes: tuple[str, ...]
    empty_base_reason: str


FAILURE_CODES = ("absent_described", "present_missed")
VISIBLE_CODES = ("present_missed", "present_described")
DESCRIBED_CODES = ("absent_described", "present_described")
CORRECT_CODES = ("absent_none", "present_described")
NO_JUDGMENTS, NO_PRECISION_JUDGMENTS = "there are no judgments", "there are no judgments of precision"
HEADLINE_RATES = {  # the paper's, in its order
    "correct": RateDefinition(PRESENCE, CORRECT_CODES, PRESENCE.codes, NO_JUDGMENTS),
    "false_patterns_among_failures": RateDefinition(
        PRESENCE, ("absent_described",), FAILURE_CODES, "there are no failures"
    ),
    "visible_patterns_described": RateDefinition(
        PRESENCE, ("present_described",), VISIBLE_CODES, "there are no judgments that see one"
    ),
    "poor": RateDefinition(PRECISION, ("poor",), PRECISION.codes, NO_PRECISION_JUDGMENTS),
}
RATE_DEFINITIONS = HEADLINE_RATES | {
    "recognised": RateDefinition(PRESENCE, ("present_described",), PRESENCE.codes, NO_JUDGMENTS),
    "described_recognised": RateDefinition(
        PRESENCE, ("present_described",), DESCRIBED_CODES, "there are no judgments that find a pattern described"
    ),
    "accurate": RateDefinition(PRECISION, ("accurate",), PRECISION.codes, NO_PRECISION_JUDGMENTS),
}


@dataclass(frozen=True)
class AcceptanceRates:
    """The rates on items of one kind."""

    items: int
    judgments: int
    rates: dict[str, RateEstimate]


def compute_acceptance(rows: pd.DataFrame, seed: int) -> AcceptanceRates:
    """Every one of `RATE_DEFINITIONS` over these rows, with intervals over their items."""
    item, items = pd.factorize(rows["key"])
    numbers = item.astype(np.int64)
    found = {}
    for name, each in RATE_DEFINITIONS.items():
        given = rows[each.question.field]
        accepted, asked = (given.isin(codes).to_numpy(dtype=bool) for codes in (each.accepted_codes, each.base_codes))
        found[name] = estimate_rate(accepted, asked, numbers, seed, each.empty_base_reason)
    return AcceptanceRates(len(items), len(rows), found)


def compare_with_controls(rows: pd.DataFrame, control_rows: pd.DataFrame, seed: int) -> dict[str, AcceptanceRates]:
    """The rates on the true items, and on each kind of control: what annotators accept where nothing fits."""
    kinds = {
        kind: control_rows[control_rows["item_kind"] == kind] if len(control_rows) else control_rows
        for kind in CONTROL_KINDS
    }
    return {name: compute_acceptance(each, seed) for name, each in {TRUE_ITEMS: rows, **kinds}.items()}
