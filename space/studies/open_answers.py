"""Which answers everybody may see."""

from __future__ import annotations

from annotation.study.study import DEFAULT, Study
from annotation.types import Judgment
from maps.atlas.reader import Atlas
from maps.types import HeadId
from space.services import Services
from space.studies.access import closed
from space.studies.current import studies
from space.studies.results import counting


def published(services: Services, atlas: Atlas, head: HeadId) -> tuple[Study | None, list[Judgment]]:
    """The study whose answers everybody may see, with its judgments of a head; None where there are none."""
    study = open_study(services, atlas)
    item = study.by_head.get(head) if study is not None else None
    rows = services.journal.current(study.name, item=item) if study is not None and item is not None else []
    return (study, rows) if rows else (None, [])


def open_study(services: Services, atlas: Atlas) -> Study | None:
    """The newest study of a model that was created, has answers, and shows them to everybody; None where none does."""
    found = [
        study
        for study in studies(services).values()
        if study.name != DEFAULT and study.settings.model == atlas.model and closed(services, study) is None
    ]
    judged = [study for study in found if len(counting(services, study).rows)]
    return max(judged, key=lambda study: study.settings.created_at, default=None)
