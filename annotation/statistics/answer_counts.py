"""How often each answer was given: altogether, and by layer quarter."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from annotation.errors import SummaryError
from annotation.form import QUESTIONS
from annotation.statistics.bootstrap import Counts
from annotation.study.study import layer_quarter
from maps.text import escape_unprintable

QUARTER_NAMES = ("first", "second", "third", "last")
PART_NAMES = ("all", *QUARTER_NAMES)
ANSWER_COUNT_COLUMNS = ("part", "question", "answer", "label", "count", "n")


def layer_quarters(rows: pd.DataFrame, layers: Mapping[str, int]) -> tuple[Counts, str | None]:
    """The layer quarter ⌊4 · layer / layers⌋ of each row, and in a sentence what has none (−1).

    `layers` holds the number of layers of each model. Raises SummaryError for a layer that its model does not have.
    """
    if not {"model", "layer"} <= set(rows.columns):
        return np.full(len(rows), -1), "The table has no model or no layer, so nothing is told by layer quarter."
    found = np.full(len(rows), -1)
    unknown = set()
    for number, (model, layer) in enumerate(zip(rows["model"], rows["layer"], strict=True)):
        if model is None or layer is None or model not in layers:
            unknown.add(model if layer is not None and model is not None else None)
            continue
        if layer >= layers[model]:
            known = f"{escape_unprintable(model)} has {layers[model]} layers"
            raise SummaryError(f"Layer {layer} belongs to no layer quarter, since {known}, counted from 0.")
        found[number] = layer_quarter(layer, layers[model])
    names = [escape_unprintable(name) for name in sorted(filter(None, unknown))]
    sentences = [f"The number of layers of {', '.join(names)} is not known"] if names else []
    sentences += ["Some judgments have no model or no layer"] if None in unknown else []
    return found, ", and ".join(sentences) + ": left out by layer quarter." if sentences else None


def count_answers(rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    """How often each answer was given, by question and code."""
    return {q.field: {code: int((rows[q.field] == code).sum()) for code in q.codes} for q in QUESTIONS}


def tabulate_answer_counts(part: str, counts: Mapping[str, Mapping[str, int]]) -> pd.DataFrame:
    """A tally as a table of `ANSWER_COUNT_COLUMNS`: a row an answer, with how many answers its question has."""
    rows = [
        (part, question.field, choice.code, choice.label, counts[question.field][choice.code], n)
        for question in QUESTIONS
        for n in [sum(counts[question.field].values())]
        for choice in question.choices
    ]
    return pd.DataFrame(rows, columns=list(ANSWER_COUNT_COLUMNS))


def answer_counts_by_quarter(rows: pd.DataFrame, layers: Mapping[str, int]) -> pd.DataFrame:
    """The tallies of all rows (part `all`) and of each layer quarter that has any, all models together."""
    numbers, _ = layer_quarters(rows, layers)
    parts = [tabulate_answer_counts("all", count_answers(rows))]
    parts += [
        tabulate_answer_counts(QUARTER_NAMES[quarter], count_answers(rows[numbers == quarter]))
        for quarter in range(4)
        if quarter in numbers
    ]
    return pd.concat(parts, ignore_index=True)
