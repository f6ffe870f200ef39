"""The study's judgments as numbers: computed anew only when the journal has grown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import pandas as pd

from annotation.adjudication import adjudicated
from annotation.counting import Counted, counted, frame
from annotation.evidence import correlations
from annotation.study import Settings, Study, layers_of
from annotation.summary import Report, report
from annotation.tallies import answers
from annotation.types import Item, Judgment
from space.openness import closed
from space.services import Services
from space.sessions import Annotator
from space.studies import stale_keys


@dataclass(frozen=True)
class Results:
    """What counts, its report, its answers of all layers and by layer quarter, and how many judgments are stale."""

    counted: Counted
    report: Report
    answers: pd.DataFrame
    stale: int


def results(services: Services, study: Study) -> Results:
    """The present state of a study, with the evidence of its atlas beside people's precision."""
    found = numbers(services, study)
    atlas = services.atlases.get(study.settings.model)
    if not found.report.judgments or atlas is None:
        return found
    tables = (atlas.table(name).to_pandas() for name in ("descriptions", "scores"))
    return replace(found, report=replace(found.report, evidence=correlations(found.counted, *tables)))


def numbers(services: Services, study: Study) -> Results:
    """The same without that evidence. Judgments of items whose mappings or description changed are stale."""
    gone = stale_keys(services, study)
    order = tuple(item for item in study.order if item.key not in gone)
    return computed(order, tuple(services.journal.rows(study.name)), study.settings)


def current(order: tuple[Item, ...], rows: tuple[Judgment, ...]) -> list[Judgment]:
    """The judgments and adjudications of items as they are now, and of worked examples, which never change."""
    items = set(order) | set(map(adjudicated, order))
    return [row for row in rows if row.item_kind == "practice" or row.item in items]


@lru_cache(maxsize=2)
def computed(order: tuple[Item, ...], rows: tuple[Judgment, ...], settings: Settings) -> Results:
    """The same for rows already read, without the evidence of the atlas, which may grow meanwhile."""
    present = current(order, rows)
    table = counted(frame(present))
    known = layers_of(settings)
    return Results(table, report(table, layers=known), answers(table.rows, known), len(rows) - len(present))


def open_to(services: Services, study: Study, who: Annotator | None) -> list[Judgment]:
    """The judgments that a visitor may see one by one: everybody's, of the items they have judged themselves.

    None while the study's answers are closed; organisers have a page of their own.
    """
    if closed(services, study) is not None:
        return []
    rows = services.journal.rows(study.name)
    mine = {row.item for row in rows if who is not None and row.annotator == who.pseudonym}
    return [row for row in rows if row.item in mine]
