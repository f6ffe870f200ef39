"""The results of a study from its judgments. Imports little: those of a large study are computed in a child process."""

from __future__ import annotations

from dataclasses import astuple, dataclass, field, replace
from functools import lru_cache

import pandas as pd

from annotation.form import QUESTIONS
from annotation.journal.journal import Journal
from annotation.statistics.answer_counts import answer_counts_by_quarter
from annotation.statistics.judgments_table import CountedJudgments, select_counted_judgments
from annotation.statistics.labels import compute_labels
from annotation.statistics.summary import AgreementReport, summarise_judgments
from annotation.study.study import StudySettings, layers_by_model
from annotation.types import ITEM_COLUMNS, StudyItem, adjudication_item

OTHER_COLUMNS = ("judgment_id", "annotator", *(question.field for question in QUESTIONS), "supersedes")
LARGE_JOURNAL = 5_000  # judgments; from more, computing takes long and needs memory that the server would keep


@dataclass(frozen=True)
class ResultsKey:
    """Everything that the results depend on: the journal's last positions, the study, its items that are not stale."""

    journal: Journal
    journal_extent: tuple[int, int]
    settings: StudySettings
    fresh_items: tuple[StudyItem, ...]

    @property
    def is_large(self) -> bool:
        """Whether the journal has so many judgments that a child process should compute from them."""
        judgments, _ = self.journal_extent
        return judgments > LARGE_JOURNAL


@dataclass(frozen=True)
class NewestCount:
    """The judgments that count and what they were counted from, which alone says whether two counts are equal."""

    key: ResultsKey
    judgments: CountedJudgments = field(compare=False)


@dataclass(frozen=True)
class StudyResults:
    """The judgments that count in a journal of this extent, and what follows from them.

    Their report, the answers of all layers and by layer quarter, and the labels of question one (see
    `label_presence`). `is_current`: whether the newest answers are in it; in a large study they may still be being
    counted.
    """

    journal_extent: tuple[int, int]
    judgments: CountedJudgments
    report: AgreementReport
    answer_counts: pd.DataFrame
    presence_labels: pd.DataFrame
    is_current: bool = True


@lru_cache(maxsize=1)
def count_judgments(key: ResultsKey) -> CountedJudgments:
    """From the columns that the statistics use: whole judgments would take five times the memory."""
    rows = key.journal.judgment_cells(key.settings.name, (*ITEM_COLUMNS, *OTHER_COLUMNS))
    fresh = {astuple(each) for item in key.fresh_items for each in (item, adjudication_item(item))}
    model, kind = ITEM_COLUMNS.index("model"), ITEM_COLUMNS.index("item_kind")
    stale = [
        row[model] == key.settings.model and row[kind] != "practice" and row[: len(ITEM_COLUMNS)] not in fresh
        for row in rows
    ]
    table = pd.DataFrame(rows, columns=[*ITEM_COLUMNS, *OTHER_COLUMNS], dtype=object)
    del rows
    counted = select_counted_judgments(table.assign(stale=pd.Series(stale, dtype=object)))
    adjudications, controls = compact(counted.adjudications), compact(counted.controls)
    return replace(counted, rows=compact(counted.rows), controls=controls, adjudications=adjudications)


def compact(table: pd.DataFrame) -> pd.DataFrame:
    """The same judgments without their ids, and with texts as categories: a quarter of the memory."""
    kept = table.drop(columns=[name for name in ("judgment_id", "supersedes", "stale") if name in table])
    texts = [name for name in kept if kept[name].dtype == object and name not in ("layer", "head")]
    return kept.astype(dict.fromkeys(texts, "category"))


@lru_cache(maxsize=4)
def label_presence(key: ResultsKey) -> pd.DataFrame:
    """The rows of `compute_labels` on question one: is the description right about whether there is a pattern?"""
    labels = compute_labels(count_judgments(key))
    return labels[labels["question"] == "presence"]


def compute_results(key: ResultsKey) -> StudyResults:
    table, layers = count_judgments(key), layers_by_model(key.settings)
    report, counts = summarise_judgments(table, layers=layers), answer_counts_by_quarter(table.rows, layers)
    return StudyResults(key.journal_extent, table, report, counts, label_presence(key))
