"""The study's judgments as numbers: computed anew only when the journal has grown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import pandas as pd

from annotation.journal.journal import Journal
from annotation.statistics.answer_counts import answers
from annotation.statistics.evidence import correlations
from annotation.statistics.judgments_table import Counted, counted, frame
from annotation.statistics.summary import Report, report
from annotation.study.study import Settings, Study, layers_of, stale_judgments
from annotation.types import Item, Judgment
from space.services import Services
from space.studies.access import closed
from space.studies.current import stale_keys
from space.web.sessions import Annotator


@dataclass(frozen=True)
class Results:
    """What counts, its report, and its answers of all layers and by layer quarter."""

    counted: Counted
    report: Report
    answers: pd.DataFrame


def results(services: Services, study: Study) -> Results:
    """The present state of a study, with the evidence of its atlas beside people's precision."""
    found = numbers(services, study)
    atlas = services.atlases.get(study.settings.model)
    if not found.report.judgments or atlas is None:
        return found
    tables = (atlas.table(name).to_pandas() for name in ("descriptions", "scores"))
    return replace(found, report=replace(found.report, evidence=correlations(found.counted, *tables)))


def numbers(services: Services, study: Study) -> Results:
    """The same without that evidence, which may grow meanwhile."""
    return _computed(_state(services, study))


def counting(services: Services, study: Study) -> Counted:
    """The judgments that count, before anything is computed of them."""
    return _counted(_state(services, study))


def stale_rows(services: Services, study: Study, rows: Sequence[Judgment]) -> frozenset[str]:
    """The ids of the judgments whose item's mappings or description changed: kept, but counted in no figure."""
    return stale_judgments(study.fresh(stale_keys(services, study)), study.settings.model, rows)


@dataclass(frozen=True)
class _State:
    """All that the numbers depend on: how far the journal reaches, the study, and its items that are not stale."""

    journal: Journal
    extent: tuple[int, int]
    settings: Settings
    fresh: tuple[Item, ...]


def _state(services: Services, study: Study) -> _State:
    fresh = tuple(study.fresh(stale_keys(services, study)))
    return _State(services.journal, services.journal.extent(), study.settings, fresh)


@lru_cache(maxsize=8)
def _counted(state: _State) -> Counted:
    rows = state.journal.rows(state.settings.name)
    return counted(frame(rows, stale_judgments(state.fresh, state.settings.model, rows)))


@lru_cache(maxsize=8)
def _computed(state: _State) -> Results:
    table, known = _counted(state), layers_of(state.settings)
    return Results(table, report(table, layers=known), answers(table.rows, known))


def open_to(services: Services, study: Study, who: Annotator | None) -> list[Judgment]:
    """The judgments that a visitor may see one by one: everybody's, of the items they have judged themselves.

    None while the study's answers are closed; organisers have a page of their own.
    """
    if closed(services, study) is not None:
        return []
    rows = services.journal.rows(study.name)
    mine = {row.item for row in rows if who is not None and row.annotator == who.pseudonym}
    return [row for row in rows if row.item in mine]
