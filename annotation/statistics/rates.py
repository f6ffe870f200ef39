"""Rates: shares of judgments, on true items and on controls.

The first four are the paper's headline numbers (its appendix on human evaluation). A control shows a description that
does not belong to its mappings, so the rates on controls are the level of chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from annotation.form import DESCRIBED_CODES, PRECISION, PRESENCE, FormQuestion
from annotation.statistics.clustered_rates import RateEstimate, estimate_rate
from annotation.types import CONTROL_KINDS

TRUE_ITEMS = "true"


@dataclass(frozen=True)
class RateDefinition:
    """The share of `accepted_codes` among the answers `base_codes` to one question, in [0, 1].

    `empty_base_reason` says why the rate is undefined where no answer has a base code.
    """

    question: FormQuestion
    accepted_codes: tuple[str, ...]
    base_codes: tuple[str, ...]
    empty_base_reason: str

    def select(self, rows: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which judgments are accepted, and which are in the base; both (judgments,)."""
        answers = rows[self.question.field]
        accepted, base = (answers.isin(codes).to_numpy(dtype=bool) for codes in (self.accepted_codes, self.base_codes))
        return accepted, base


CORRECT_CODES = ("absent_none", "present_described")  # the description is right about whether a pattern is visible
FAILURE_CODES = ("absent_described", "present_missed")
VISIBLE_CODES = ("present_missed", "present_described")
BOTH_CODES = ("present_described",)
NO_JUDGMENTS, NO_PRECISION = "there are no judgments", "there are no judgments of precision"
NO_FAILURES = "no judgment finds the description wrong about whether a pattern is visible"
NO_VISIBLE, NO_DESCRIBED = "no judgment sees a pattern", "no judgment finds a pattern described"
HEADLINE_RATES = {
    "correct": RateDefinition(PRESENCE, CORRECT_CODES, PRESENCE.codes, NO_JUDGMENTS),
    "false_patterns_among_failures": RateDefinition(PRESENCE, ("absent_described",), FAILURE_CODES, NO_FAILURES),
    "visible_patterns_described": RateDefinition(PRESENCE, BOTH_CODES, VISIBLE_CODES, NO_VISIBLE),
    "poor": RateDefinition(PRECISION, ("poor",), PRECISION.codes, NO_PRECISION),
}
RATE_DEFINITIONS = HEADLINE_RATES | {
    "recognised": RateDefinition(PRESENCE, BOTH_CODES, PRESENCE.codes, NO_JUDGMENTS),
    "described_recognised": RateDefinition(PRESENCE, BOTH_CODES, DESCRIBED_CODES, NO_DESCRIBED),
    "accurate": RateDefinition(PRECISION, ("accurate",), PRECISION.codes, NO_PRECISION),
}


@dataclass(frozen=True)
class AcceptanceRates:
    """The rates on items of one kind."""

    items: int
    judgments: int
    rates: dict[str, RateEstimate]


def compute_acceptance(rows: pd.DataFrame) -> AcceptanceRates:
    """All `RATE_DEFINITIONS` over these rows, with intervals over their items."""
    numbers, items = pd.factorize(rows["key"])
    item_numbers = numbers.astype(np.int64)
    rates = {}
    for name, definition in RATE_DEFINITIONS.items():
        rates[name] = estimate_rate(*definition.select(rows), item_numbers, definition.empty_base_reason)
    return AcceptanceRates(len(items), len(rows), rates)


def compare_with_controls(rows: pd.DataFrame, control_rows: pd.DataFrame) -> dict[str, AcceptanceRates]:
    """The rates on the true items, and on each kind of control."""
    acceptance = {TRUE_ITEMS: compute_acceptance(rows)}
    for kind in CONTROL_KINDS:
        acceptance[kind] = compute_acceptance(control_rows[control_rows["item_kind"] == kind])
    return acceptance
