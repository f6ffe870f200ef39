"""Judgments stored without a page."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from annotation import form
from annotation.form import Answers
from annotation.study.study import Study
from annotation.types import StudyItem
from space.services import Services
from space.web.sessions import Annotator


def record_judgment(served: Services, study: Study, item: StudyItem, who: Annotator, answers: Answers) -> None:
    now = datetime.now(UTC)
    row = form.build_judgment(
        item,
        answers,
        judgment_id=uuid.uuid4().hex,
        annotator=who.pseudonym,
        started_at=now,
        submitted_at=now,
        supersedes=None,
        app_version=served.app_version,
    )
    served.journal.record_judgment(row, study)
