"""The study's judgments as numbers: computed anew only when the journal has grown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import pandas as pd

from annotation.counting import Counted, counted, frame
from annotation.evidence import correlations
from annotation.study import Settings, Study, layers_of, stale_judgments
from annotation.summary import Report, report
from annotation.tallies import answers
from annotation.types import Judgment
from space.openness import closed
from space.services import Services
from space.sessions import Annotator
from space.studies import stale_keys


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
    """The same without that evidence."""
    rows = tuple(services.journal.rows(study.name))
    return computed(rows, stale_rows(services, study, rows), study.settings)


def stale_rows(services: Services, study: Study, rows: Sequence[Judgment]) -> frozenset[str]:
    """The ids of the judgments whose item's mappings or description changed: kept, but counted in no figure."""
    gone = stale_keys(services, study)
    return stale_judgments([item for item in study.order if item.key not in gone], study.settings.model, rows)


@lru_cache(maxsize=2)
def computed(rows: tuple[Judgment, ...], stale: frozenset[str], settings: Settings) -> Results:
    """The same for rows already read, without the evidence of the atlas, which may grow meanwhile."""
    table = counted(frame(rows, stale))
    known = layers_of(settings)
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
