"""The study's judgments as numbers: computed anew only when the journal has grown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from annotation.counting import counted, frame
from annotation.study import Study
from annotation.summary import Report, by_layer_quarter, report
from annotation.types import Judgment
from space.openness import closed
from space.services import Services
from space.sessions import Annotator
from space.studies import stale_keys


@dataclass(frozen=True)
class Results:
    """The report, the answers by layer quarter (None without judgments), and how many judgments are stale."""

    report: Report
    quarters: pd.DataFrame | None
    stale: int


def results(services: Services, study: Study) -> Results:
    """The present state of a study. Judgments of items whose mappings or description changed are stale."""
    gone = stale_keys(services, study)
    order = tuple(item for item in study.order if item.key not in gone)
    rows = services.journal.rows(study.name)
    return computed(order, tuple(rows), study.settings.model, study.settings.layers)


@lru_cache(maxsize=2)
def computed(order: tuple[object, ...], rows: tuple[Judgment, ...], model: str, layers: int) -> Results:
    """The same for rows already read."""
    items = set(order)
    present = [row for row in rows if row.item in items]
    table = counted(frame(present))
    quarters = by_layer_quarter(table, {model: layers}) if present else None
    return Results(report(table), quarters, len(rows) - len(present))


def open_to(services: Services, study: Study, who: Annotator | None) -> list[Judgment]:
    """The judgments that a visitor may see one by one: everybody's, of the items they have judged themselves.

    None while the study's answers are closed; organisers have a page of their own.
    """
    if closed(services, study) is not None:
        return []
    rows = services.journal.rows(study.name)
    mine = {row.item for row in rows if who is not None and row.annotator == who.pseudonym}
    return [row for row in rows if row.item in mine]
