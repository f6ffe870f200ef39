"""Decides whether a study's single answers, and results computed from them, may be shown.

Answers must not influence other annotators. So in a study with a fixed number of judgments per item they are shown
only when the study is complete or over, or after an organiser opened them.
"""

from __future__ import annotations

from datetime import UTC, datetime

from annotation.statistics.progress import is_complete
from annotation.study.study import Study
from space.services import Services
from space.studies.current import find_stale_item_keys


def answers_hidden_reason(services: Services, study: Study) -> str | None:
    """Why a study's answers are not shown yet, in one sentence; None if they are shown."""
    if (
        study.settings.per_item is None
        or study.is_over(datetime.now(UTC))
        or services.journal.answers_opened_at(study.name)
    ):
        return None
    if is_complete(
        study, services.journal.slot_holders(study).judged_by, find_stale_item_keys(services.atlases, study)
    ):
        return None
    return (
        f"The study {study.name} is still running. Answers are shown when every item has enough judgments, after the "
        "deadline, or when an organiser opens them."
    )
