"""The paper's human study, in the same form as the results of one's own study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from annotation.form import PRECISION, QUESTIONS
from annotation.statistics.answer_counts import ANSWER_COUNT_COLUMNS, QUARTER_NAMES, tabulate_answer_counts

ACCURATE, NOT_ACCURATE = "accurate", "not_accurate"
INACCURATE_OR_PARTIAL = "inaccurate_or_partial"
PAPER_ONLY_LABELS = {
    NOT_ACCURATE: "Not accurate (the paper says no more)",
    INACCURATE_OR_PARTIAL: "Too general, too specific or partly incorrect",
}


@dataclass(frozen=True)
class PublishedShare:
    """A share of the paper's judgments, `count` of `n`."""

    value: float
    count: int
    n: int


@dataclass(frozen=True)
class Paper:
    """What the paper reports: the rates by the names of `RATE_DEFINITIONS`, and how often each answer was given.

    `answers` counts by question and code; for precision the paper joins two answers in `inaccurate_or_partial`.
    `quarters` has an entry for each model and layer quarter; its precision is only `accurate` or `not_accurate`.
    """

    source: str
    items: int
    annotators: int
    rates: dict[str, PublishedShare]
    answers: dict[str, dict[str, int]]
    quarters: list[dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """The object `paper` of `agreement --json`: dicts, lists and numbers."""
        return asdict(self)


def _paper_rates(presence: Mapping[str, int], precision: Mapping[str, int]) -> dict[str, PublishedShare]:
    failures = presence["absent_described"] + presence["present_missed"]
    visible = presence["present_missed"] + presence["present_described"]
    described = presence["absent_described"] + presence["present_described"]
    total, both = sum(presence.values()), presence["present_described"]
    shares = {
        "correct": (presence["absent_none"] + both, total),
        "false_patterns_among_failures": (presence["absent_described"], failures),
        "visible_patterns_described": (both, visible),
        "poor": (precision["poor"], precision["judged"]),
        "recognised": (both, total),
        "described_recognised": (both, described),
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
    precision_counts = {
        ACCURATE: precision["accurate"],
        INACCURATE_OR_PARTIAL: precision[INACCURATE_OR_PARTIAL],
        "poor": precision["poor"],
    }
    answers = {"presence": presence, "precision": precision_counts, "category": data["category"]}
    rates = _paper_rates(presence, precision)
    return Paper(data["source"], data["items"], data["annotators"], rates, answers, quarters)


def tabulate_paper_answers(paper: Paper) -> pd.DataFrame:
    """The paper's counts as a table like that of `answer_counts_by_quarter`, both models together."""
    tables = [_part_table("all", paper.answers)]
    for number, part in enumerate(QUARTER_NAMES):
        counts: dict[str, Counter[str]] = {question.field: Counter() for question in QUESTIONS}
        for entry in (entry for entry in paper.quarters if entry["quarter"] == number):
            for field, counter in counts.items():
                counter.update(entry[field])
        tables.append(_part_table(part, counts))
    return pd.concat(tables, ignore_index=True)


def _part_table(part: str, counts: Mapping[str, Mapping[str, int]]) -> pd.DataFrame:
    """The counts of one part; precision has rows of its own, because its answers differ from the form's."""
    form_answers = {field: Counter(answers) for field, answers in counts.items()}
    table = tabulate_answer_counts(part, form_answers)
    precision = counts[PRECISION.field]
    labels = PRECISION.labels | PAPER_ONLY_LABELS
    n = sum(precision.values())
    rows = [(part, PRECISION.field, code, labels[code], count, n) for code, count in precision.items()]
    others = table[table["question"] != PRECISION.field]
    return pd.concat([others, pd.DataFrame(rows, columns=list(ANSWER_COUNT_COLUMNS))], ignore_index=True)
