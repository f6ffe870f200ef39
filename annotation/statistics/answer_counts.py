"""How often each answer was given, in all and by layer quarter."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from annotation.errors import SummaryError
from annotation.form import QUESTIONS
from annotation.statistics.bootstrap import Counts
from annotation.study.study import layer_quarter
from maps.text import escape_invisible

QUARTER_NAMES = ("first", "second", "third", "last")
PART_NAMES = ("all", *QUARTER_NAMES)
ANSWER_COUNT_COLUMNS = ("part", "question", "answer", "label", "count", "n")
NO_LAYERS = "There are no results by layer quarter, because the table has no column model or no column layer."


def layer_quarters(rows: pd.DataFrame, layers: Mapping[str, int]) -> tuple[Counts, str | None]:
    """The layer quarter of each row, ⌊4 · layer / layers⌋ from 0 to 3, and a sentence about the rows without one (−1).

    `layers` is the number of layers of each model. Raises SummaryError if a model does not have a row's layer.
    """
    quarters = np.full(len(rows), -1)
    if not {"model", "layer"} <= set(rows.columns):
        return quarters, NO_LAYERS
    unknown_models = set()
    is_incomplete = False
    for number, (model, layer) in enumerate(zip(rows["model"], rows["layer"], strict=True)):
        if model is None or layer is None:
            is_incomplete = True
        elif model not in layers:
            unknown_models.add(model)
        elif layer >= layers[model]:
            name = escape_invisible(model)
            raise SummaryError(
                f"The table has layer {layer}, but {name} has {layers[model]} layers, counted from 0 (row "
                f"{rows['row'].iloc[number]})."
            )
        else:
            quarters[number] = layer_quarter(layer, layers[model])
    names = ", ".join(escape_invisible(name) for name in sorted(unknown_models))
    sentences = [f"Not in the results by layer quarter: {names} (number of layers unknown)."] if names else []
    if is_incomplete:
        sentences.append("Not in the results by layer quarter: judgments without a model or layer.")
    return quarters, " ".join(sentences) or None


def count_answers(rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    """How often each answer was given, by question and code."""
    return {q.field: {code: int((rows[q.field] == code).sum()) for code in q.codes} for q in QUESTIONS}


def tabulate_answer_counts(part: str, counts: Mapping[str, Mapping[str, int]]) -> pd.DataFrame:
    """The counts of one part as a table of `ANSWER_COUNT_COLUMNS`; `n` is the number of answers to the question."""
    rows = []
    for question in QUESTIONS:
        n = sum(counts[question.field].values())
        for choice in question.choices:
            rows.append((part, question.field, choice.code, choice.label, counts[question.field][choice.code], n))
    return pd.DataFrame(rows, columns=list(ANSWER_COUNT_COLUMNS))


def answer_counts_by_quarter(rows: pd.DataFrame, layers: Mapping[str, int]) -> pd.DataFrame:
    """The counts of all rows (part `all`), then of each layer quarter that has rows; all models together."""
    quarters, _ = layer_quarters(rows, layers)
    tables = [tabulate_answer_counts("all", count_answers(rows))]
    for quarter, name in enumerate(QUARTER_NAMES):
        if quarter in quarters:
            tables.append(tabulate_answer_counts(name, count_answers(rows[quarters == quarter])))
    return pd.concat(tables, ignore_index=True)
