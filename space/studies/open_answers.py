"""Finds the answers that everybody may see."""

from __future__ import annotations

from annotation.study.study import DEFAULT_STUDY, Study
from annotation.types import Judgment
from maps.atlas.reader import Atlas
from maps.types import HeadId
from space.services import Services
from space.studies.access import answers_hidden_reason
from space.studies.current import all_studies
from space.studies.results import counted_judgments


def published_judgments(services: Services, atlas: Atlas, head: HeadId) -> tuple[Study | None, list[Judgment]]:
    """The study whose answers everybody may see and its judgments of a head; (None, []) if there are none."""
    study = study_with_open_answers(services, atlas)
    item = study.item_by_head.get(head) if study is not None else None
    if study is None or item is None:
        return None, []
    judgments = services.journal.current_judgments(study.name, item=item)
    return (study, judgments) if judgments else (None, [])


def study_with_open_answers(services: Services, atlas: Atlas) -> Study | None:
    """The newest created study of the atlas's model that has answers and shows them to everybody; None without one."""
    open_studies = [
        study
        for study in all_studies(services).values()
        if study.name != DEFAULT_STUDY
        and study.settings.model == atlas.model
        and answers_hidden_reason(services, study) is None
    ]
    answered = [study for study in open_studies if len(counted_judgments(services, study).rows)]
    return max(answered, key=lambda study: study.settings.created_at, default=None)
