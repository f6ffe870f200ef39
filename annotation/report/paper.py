"""The paper's human study as tables of the same form as one's own. Knows no file: `annotation.report.paper_file` reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from annotation.form import PRECISION
from annotation.statistics.answer_counts import ANSWER_COUNT_COLUMNS, QUARTER_NAMES, tabulate_answer_counts

ACCURATE, NOT_ACCURATE = "accurate", "not_accurate"
INACCURATE_OR_PARTIAL = "inaccurate_or_partial"
PAPER_ONLY_LABELS = {
    NOT_ACCURATE: "Not accurate (the paper tells no more)",
    INACCURATE_OR_PARTIAL: "Too general, too specific or partly incorrect",
}


@dataclass(frozen=True)
class PublishedShare:
    """`count` of `n` judgments in the paper."""

    value: float
    count: int
    n: int


@dataclass(frozen=True)
class Paper:
    """What the paper reports: rates by the names of `annotation.statistics.rates.RATE_DEFINITIONS`, the answers altogether and by quarter.

    `answers` holds counts by question and code; of precision the paper tells `inaccurate_or_partial` as one. `quarters`
    is a list, one entry a model and layer quarter, of precision only `accurate` and `not_accurate`.
    """

    source: str
    items: int
    annotators: int
    rates: dict[str, PublishedShare]
    answers: dict[str, dict[str, int]]
    quarters: list[dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers."""
        return asdict(self)


def _paper_rates(presence: Mapping[str, int], precision: Mapping[str, int]) -> dict[str, PublishedShare]:
    failures = presence["absent_described"] + presence["present_missed"]
    visible = presence["present_missed"] + presence["present_described"]
    described = presence["absent_described"] + presence["present_described"]
    whole, right = sum(presence.values()), presence["present_described"]
    shares = {
        "correct": (presence["absent_none"] + right, whole),
        "false_patterns_among_failures": (presence["absent_described"], failures),
        "visible_patterns_described": (right, visible),
        "poor": (precision["poor"], precision["judged"]),
        "recognised": (right, whole),
        "described_recognised": (right, described),
        "accurate": (precision["accurate"], precision["judged"]),
    }
    return {name: PublishedShare(count / n, count, n) for name, (count, n) in shares.items()}


def parse_paper(data: Mapping[str, Any]) -> Paper:
    """The paper's study from the content of annotation/data/published.json."""
    presence, precision = data["presence"], data["precision"]
    quarters = [
        {
            "model": model,
            "quarter": quarter,
            "presence": study["presence"][quarter],
            "precision": {ACCURATE: accurate, NOT_ACCURATE: judged - accurate},
            "category": study["category"][quarter],
        }
        for model, study in data["models"].items()
        for quarter, (accurate, judged) in enumerate(study["accurate_of_judged"])
    ]
    told = {
        ACCURATE: precision["accurate"],
        INACCURATE_OR_PARTIAL: precision[INACCURATE_OR_PARTIAL],
        "poor": precision["poor"],
    }
    answers = {"presence": presence, "precision": told, "category": data["category"]}
    return Paper(
        data["source"], data["items"], data["annotators"], _paper_rates(presence, precision), answers, quarters
    )


def tabulate_paper_answers(paper: Paper) -> pd.DataFrame:
    """The paper's counts as `annotation.statistics.answer_counts.answer_counts_by_quarter` has one's own, both models together."""
    tables = [_part_table("all", paper.answers)]
    for number, part in enumerate(QUARTER_NAMES):
        both = [entry for entry in paper.quarters if entry["quarter"] == number]
        summed = {
            field: dict(sum((Counter(entry[field]) for entry in both), Counter()))
            for field in ("presence", "precision", "category")
        }
        tables.append(_part_table(part, summed))
    return pd.concat(tables, ignore_index=True)


def _part_table(part: str, counts: Mapping[str, Mapping[str, int]]) -> pd.DataFrame:
    known = {field: Counter(given) for field, given in counts.items() if field != PRECISION.field}
    table = tabulate_answer_counts(part, known | {PRECISION.field: Counter()})
    precision = counts[PRECISION.field]
    own = {choice.code: choice.label for choice in PRECISION.choices} | PAPER_ONLY_LABELS
    rows = [(part, PRECISION.field, code, own[code], n, sum(precision.values())) for code, n in precision.items()]
    rest = table[table["question"] != PRECISION.field]
    return pd.concat([rest, pd.DataFrame(rows, columns=list(ANSWER_COUNT_COLUMNS))], ignore_index=True)
