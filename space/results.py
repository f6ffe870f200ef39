"""The study's judgments as numbers: computed anew only when the journal has grown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from annotation.counting import counted, frame
from annotation.summary import Report, by_layer_quarter, report
from annotation.types import Judgment
from space.openness import closed
from space.services import Services
from space.sessions import Annotator


@dataclass(frozen=True)
class Results:
    """The report, the answers by layer quarter (None without judgments), and how many judgments are stale."""

    report: Report
    quarters: pd.DataFrame | None
    stale: int


def results(services: Services) -> Results:
    """The present state of the study. Judgments of items whose mappings or description changed are stale."""
    rows = services.journal.rows(services.study.name)
    settings = services.study.settings
    return computed(services.study.order, tuple(rows), settings.model, settings.layers)


@lru_cache(maxsize=2)
def computed(order: tuple[object, ...], rows: tuple[Judgment, ...], model: str, layers: int) -> Results:
    """The same for rows already read."""
    items = set(order)
    present = [row for row in rows if row.item in items]
    table = counted(frame(present))
    quarters = by_layer_quarter(table, {model: layers}) if present else None
    return Results(report(table), quarters, len(rows) - len(present))


def open_to(services: Services, who: Annotator | None) -> list[Judgment]:
    """The judgments that a visitor may see one by one: everybody's, of the items they have judged themselves.

    None while the study's answers are closed; organisers have a page of their own.
    """
    if closed(services, services.study) is not None:
        return []
    rows = services.journal.rows(services.study.name)
    mine = {row.item for row in rows if who is not None and row.annotator == who.pseudonym}
    return [row for row in rows if row.item in mine]
