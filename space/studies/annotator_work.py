"""The work of each annotator in a study, counted again only when the journal has new rows."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial

from annotation.statistics.progress import (
    AnnotatorSummary,
    agreement_with_majority,
    in_order_of_work,
    summarise_annotator,
)
from annotation.study.practice import is_practice_answer_right
from annotation.study.study import Study
from space.services import Services
from space.studies.computation import NewestCount, ResultsKey
from space.studies.results import newest_count, results_key
from space.studies.slow_results import SlowResults


@dataclass(frozen=True)
class _WorkKey:
    """All that the work of a study's annotators depends on."""

    study: Study
    results: ResultsKey
    counted: NewestCount


def annotator_work(services: Services, study: Study) -> tuple[list[AnnotatorSummary], bool]:
    """The work of each annotator in a study, without judgments of stale items, and whether the newest answers are in
    it; in a large study they may still be being counted."""
    key = results_key(services, study)
    return _WORK.get(_work_name(study, key), _WorkKey(study, key, newest_count(services, study)))


def is_large(services: Services, study: Study) -> bool:
    """Whether the study's answers are so many that a page is shown without what is counted from all of them."""
    return results_key(services, study).is_large


def is_work_counted(services: Services, study: Study) -> bool:
    """Whether `annotator_work` answers at once; in a large study it waits for seconds after the app was started."""
    key = results_key(services, study)
    return not key.is_large or _WORK.has(_work_name(study, key))


def _work_name(study: Study, key: ResultsKey) -> Hashable:
    _, withdrawn = key.journal_extent
    return key.journal, study, key.fresh_items, withdrawn


def _compute_work(key: _WorkKey) -> list[AnnotatorSummary]:
    """One annotator's judgments at a time: those of all would take much memory."""
    journal, study, fresh = key.results.journal, key.study, set(key.results.fresh_items)
    agreement = agreement_with_majority(key.counted.judgments)
    summaries = []
    for annotator in sorted(set().union(*journal.slot_holders(study).judged_by.values())):
        rows = journal.current_judgments(study.name, annotator)
        current = [row for row in rows if row.item_kind == "practice" or row.item in fresh]
        summaries.append(summarise_annotator(current, agreement, partial(is_practice_answer_right, study)))
    return in_order_of_work(summaries)


_WORK: SlowResults[_WorkKey, list[AnnotatorSummary]] = SlowResults(_compute_work)
