"""The study's judgments as numbers: computed anew only when the journal has grown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import pandas as pd

from annotation.journal.journal import Journal
from annotation.statistics.answer_counts import answer_counts_by_quarter
from annotation.statistics.evidence import correlate_measures
from annotation.statistics.judgments_table import CountedJudgments, judgments_to_frame, select_counted_judgments
from annotation.statistics.summary import AgreementReport, summarise_judgments
from annotation.study.study import Study, StudySettings, layers_by_model, stale_judgment_ids
from annotation.types import Judgment, StudyItem
from space.services import Services
from space.studies.access import answers_hidden_reason
from space.studies.current import find_stale_item_keys
from space.web.sessions import Annotator


@dataclass(frozen=True)
class StudyResults:
    """What counts, its report, and its answers of all layers and by layer quarter."""

    judgments: CountedJudgments
    report: AgreementReport
    answer_counts: pd.DataFrame


def study_results(services: Services, study: Study) -> StudyResults:
    """The present state of a study, with the evidence of its atlas beside people's precision."""
    found = results_without_evidence(services, study)
    atlas = services.atlases.get(study.settings.model)
    if not found.report.judgments or atlas is None:
        return found
    tables = (atlas.table(name).to_pandas() for name in ("descriptions", "scores"))
    return replace(found, report=replace(found.report, evidence=correlate_measures(found.judgments, *tables)))


def results_without_evidence(services: Services, study: Study) -> StudyResults:
    """The same without that evidence, which may grow meanwhile."""
    return _compute_results(_results_key(services, study))


def counted_judgments(services: Services, study: Study) -> CountedJudgments:
    """The judgments that count, before anything is computed of them."""
    return _count_judgments(_results_key(services, study))


def find_stale_judgment_ids(services: Services, study: Study, rows: Sequence[Judgment]) -> frozenset[str]:
    """The ids of the judgments whose item's mappings or description changed: kept, but counted in no figure."""
    return stale_judgment_ids(study.fresh_items(find_stale_item_keys(services, study)), study.settings.model, rows)


@dataclass(frozen=True)
class _ResultsKey:
    """All that the numbers depend on: how far the journal reaches, the study, and its items that are not stale."""

    journal: Journal
    journal_extent: tuple[int, int]
    settings: StudySettings
    fresh_items: tuple[StudyItem, ...]


def _results_key(services: Services, study: Study) -> _ResultsKey:
    fresh = tuple(study.fresh_items(find_stale_item_keys(services, study)))
    return _ResultsKey(services.journal, services.journal.last_positions(), study.settings, fresh)


@lru_cache(maxsize=8)
def _count_judgments(key: _ResultsKey) -> CountedJudgments:
    rows = key.journal.all_judgments(key.settings.name)
    return select_counted_judgments(
        judgments_to_frame(rows, stale_judgment_ids(key.fresh_items, key.settings.model, rows))
    )


@lru_cache(maxsize=8)
def _compute_results(key: _ResultsKey) -> StudyResults:
    table, known = _count_judgments(key), layers_by_model(key.settings)
    return StudyResults(table, summarise_judgments(table, layers=known), answer_counts_by_quarter(table.rows, known))


def visible_judgments(services: Services, study: Study, annotator: Annotator | None) -> list[Judgment]:
    """The judgments that a visitor may see one by one: everybody's, of the items they have judged themselves.

    None while the study's answers are closed; organisers have a page of their own.
    """
    if answers_hidden_reason(services, study) is not None:
        return []
    rows = services.journal.all_judgments(study.name)
    mine = {row.item for row in rows if annotator is not None and row.annotator == annotator.pseudonym}
    return [row for row in rows if row.item in mine]
