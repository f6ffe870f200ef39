"""Whether a study's single answers, and what is computed of them, may be seen by those who take part in it.

In a study with a number of judgments an item, nobody's answers may sway another's: they are shown when it is over, or
once an organiser has opened them.
"""

from __future__ import annotations

from datetime import UTC, datetime

from annotation.statistics.progress import is_complete
from annotation.study.study import Study
from space.services import Services
from space.studies.current import find_stale_item_keys


def answers_hidden_reason(services: Services, study: Study) -> str | None:
    """Why a study's answers are not shown yet, in one sentence; None where they are."""
    if (
        study.settings.per_item is None
        or study.is_over(datetime.now(UTC))
        or services.journal.answers_opened_at(study.name)
    ):
        return None
    if is_complete(study, services.journal.slot_holders(study).judged_by, find_stale_item_keys(services, study)):
        return None
    return (
        f"The study {study.name} is going on: what annotators answered is shown when every place is filled or its "
        "deadline has passed, or when an organiser opens it."
    )
