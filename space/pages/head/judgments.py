"""What people said of a head, to whom it is open."""

from __future__ import annotations

from typing import NamedTuple

from annotation.types import Judgment
from maps.atlas.reader import Atlas
from maps.types import HeadId
from space.components.markup import anchor, escape_html, notice
from space.components.tally import answer_counts_html
from space.services import Services
from space.studies.open_answers import published_judgments
from space.studies.participant import Participant, current_judgments
from space.web.sessions import Annotator


class HeadJudgments(NamedTuple):
    """What people said as HTML, and whether there is more to see for somebody who signed in."""

    html: str
    is_personal: bool


def judgments_section(services: Services, atlas: Atlas, head: HeadId, annotator: Annotator | None) -> HeadJudgments:
    """The judgments of a head: of a study that is open to everybody, and of the open one to those who judged it."""
    published, own = (
        published_judgments_html(services, atlas, head),
        default_study_judgments(services, atlas, head, annotator),
    )
    return HeadJudgments(published + own.html, own.is_personal)


def published_judgments_html(services: Services, atlas: Atlas, head: HeadId) -> str:
    """The judgments of a study whose answers everybody may see."""
    study, rows = published_judgments(services, atlas, head)
    return "" if study is None else f"<h3>Study {escape_html(study.name)}</h3>{answer_counts_html(rows)}"


def default_study_judgments(
    services: Services, atlas: Atlas, head: HeadId, annotator: Annotator | None
) -> HeadJudgments:
    """The judgments of the study of all described heads, to those who have judged the head; else how many there are."""
    study = services.default_study
    item = study.item_by_head.get(head) if atlas.model == study.settings.model else None
    if item is None:
        return HeadJudgments(notice("This head is not in the study."), is_personal=False)
    rows: list[Judgment] = services.journal.current_judgments(study.name, item=item)
    link = f"<p>{anchor(f'annotate?layer={head.layer}&head={head.head}', 'Judge this description')}</p>"
    if not rows:
        return HeadJudgments(notice("Nobody has judged it yet.") + link, is_personal=False)
    if annotator is None or item not in {
        row.item for row in current_judgments(Participant(services, study, annotator))
    }:
        count = "One person has" if len(rows) == 1 else f"{len(rows)} people have"
        hidden = notice(f"{count} judged it. You see the answers once you have given yours.")
        return HeadJudgments(hidden + link, is_personal=annotator is None)
    return HeadJudgments(answer_counts_html(rows), is_personal=False)
