"""The results of a study, computed again only when the journal has new rows, and the answers that everybody may see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pandas as pd

from annotation.judges.store import judge_answers, judges_file, judges_of, read_rows
from annotation.statistics.alt_test import ASSUMED_PEOPLE, EPSILONS
from annotation.statistics.evidence import EvidenceTables, correlate_measures
from annotation.statistics.judgments_table import CountedJudgments
from annotation.statistics.model_judges import JudgeReport, judge_report
from annotation.study.study import DEFAULT_STUDY, Study, stale_judgment_ids
from annotation.types import Judgment
from maps.atlas.reader import Atlas
from maps.types import HeadId
from space.atlases.hidden import hidden_heads
from space.child import run_in_child
from space.services import Services
from space.studies.computation import (
    NewestCount,
    ResultsKey,
    StudyResults,
    compute_results,
    count_judgments,
    label_presence,
)
from space.studies.current import all_studies, answers_hidden_reason, find_stale_item_keys
from space.studies.slow_results import SlowResults
from space.web.sessions import Annotator


def study_results(services: Services, study: Study) -> StudyResults:
    """The current results of a study, with the correlation of people's precision and the atlas's evidence."""
    results = results_without_evidence(services, study)
    atlas = services.whole_atlases.get(study.settings.model)
    if not results.report.judgments or atlas is None:
        return results
    evidence = correlate_measures(results.judgments, EvidenceTables.read(atlas.table))
    return replace(results, report=replace(results.report, evidence=evidence))


def results_without_evidence(services: Services, study: Study) -> StudyResults:
    """The same without the evidence, which may change although the journal does not.

    Of a study with very many answers they may lack the newest ones, but never hold those of somebody who withdrew.
    """
    return _latest_results(results_key(services, study))


def _latest_results(key: ResultsKey) -> StudyResults:
    _, withdrawn = key.journal_extent
    results, is_current = _RESULTS.get((key.journal, key.settings, key.fresh_items, withdrawn), key)
    return results if is_current else replace(results, is_current=False)


def counted_judgments(services: Services, study: Study) -> CountedJudgments:
    """The judgments that count; of a large study perhaps without the newest, as in its results."""
    return newest_count(services, study).judgments


def newest_count(services: Services, study: Study) -> NewestCount:
    """The same and what they were counted from."""
    key = results_key(services, study)
    if not key.is_large:
        return NewestCount(key, count_judgments(key))
    results = _latest_results(key)
    return NewestCount(replace(key, journal_extent=results.journal_extent), results.judgments)


def find_stale_judgment_ids(atlases: Mapping[str, Atlas], study: Study, rows: Sequence[Judgment]) -> frozenset[str]:
    """The ids of the judgments whose item's mappings or description changed. They are kept, but do not count."""
    return stale_judgment_ids(study.fresh_items(find_stale_item_keys(atlases, study)), study.settings.model, rows)


def presence_labels(services: Services, study: Study) -> pd.DataFrame:
    """The rows of `compute_labels` on question one: is the description right about whether there is a pattern?"""
    key = results_key(services, study)
    return _latest_results(key).presence_labels if key.is_large else label_presence(key)


def results_key(services: Services, study: Study) -> ResultsKey:
    fresh = tuple(study.fresh_items(find_stale_item_keys(services.whole_atlases, study)))
    return ResultsKey(services.journal, services.journal.last_positions(), study.settings, fresh)


def _compute(key: ResultsKey) -> StudyResults:
    return run_in_child(compute_results, key) if key.is_large else compute_results(key)


_RESULTS: SlowResults[ResultsKey, StudyResults] = SlowResults(_compute)


def judge_reports(services: Services, study: Study) -> list[JudgeReport]:
    """What the answers of language models to a study's questions are worth beside people's; see `annotation judge`."""
    path = judges_file(services.data_folder, study.name)
    try:
        changed = path.stat().st_mtime_ns
    except FileNotFoundError:
        return []
    return _compare_judges(newest_count(services, study), path, changed)


@lru_cache(maxsize=8)
def _compare_judges(people: NewestCount, path: Path, _changed: int) -> list[JudgeReport]:
    rows = read_rows(path)
    return [
        judge_report(people.judgments, each, judge_answers(rows, each), EPSILONS[ASSUMED_PEOPLE])
        for each in judges_of(rows)
    ]


def visible_judgments(services: Services, study: Study, annotator: Annotator | None) -> list[Judgment]:
    """The single judgments that a visitor may see: everybody's, of the items that the visitor judged too.

    Empty while the study's answers are closed. Judgments of heads that another study hides are left out. Organisers
    have a page of their own.
    """
    if answers_hidden_reason(services, study) is not None:
        return []
    rows = services.journal.all_judgments(study.name)
    mine = {row.item for row in rows if annotator is not None and row.annotator == annotator.pseudonym}
    hidden = heads_hidden_by_others(services, study)
    return [row for row in rows if row.item in mine and HeadId(row.layer, row.head) not in hidden]


def heads_hidden_by_others(services: Services, study: Study) -> frozenset[HeadId]:
    """The heads of a study's model whose descriptions another running study hides."""
    return services.hidden_heads(study.settings.model, except_study=study.name)


def published_judgments(services: Services, atlas: Atlas, head: HeadId) -> tuple[Study | None, list[Judgment]]:
    """The study whose answers everybody may see and its judgments of a head; (None, []) if there are none.

    A head whose description is hidden has none.
    """
    if head in hidden_heads(atlas):
        return None, []
    study = study_with_open_answers(services, atlas)
    if study is None:
        return None, []
    items = study.items_by_head.get(head, [])
    judgments = [row for item in items for row in services.journal.current_judgments(study.name, item=item)]
    return (study, judgments) if judgments else (None, [])


def study_with_open_answers(services: Services, atlas: Atlas) -> Study | None:
    """The newest created study of the atlas's heads that has answers and shows them to everybody; None without one.

    Studies of single operations say nothing of a head as a whole, and are left out.
    """
    created = [study for name, study in all_studies(services).items() if name != DEFAULT_STUDY]
    own = [study for study in created if study.settings.model == atlas.model and not study.settings.per_operation]
    shown = [study for study in own if answers_hidden_reason(services, study) is None]
    answered = [study for study in shown if len(counted_judgments(services, study).rows)]
    return max(answered, key=lambda study: study.settings.created_at, default=None)
