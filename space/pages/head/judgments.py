"""What people said of a head, to whom it is open."""

from __future__ import annotations

from typing import NamedTuple

from annotation.types import Judgment
from maps.atlas.reader import Atlas
from maps.types import HeadId
from space.components.markup import anchor, notice, text
from space.components.tally import tally
from space.services import Services
from space.studies.open_answers import published
from space.studies.participant import Seat, judged
from space.web.sessions import Annotator


class Said(NamedTuple):
    """What people said as HTML, and whether there is more to see for somebody who signed in."""

    html: str
    personal: bool


def people(services: Services, atlas: Atlas, head: HeadId, who: Annotator | None) -> Said:
    """The judgments of a head: of a study that is open to everybody, and of the open one to those who judged it."""
    published, own = of_study(services, atlas, head), of_open_study(services, atlas, head, who)
    return Said(published + own.html, own.personal)


def of_study(services: Services, atlas: Atlas, head: HeadId) -> str:
    """The judgments of a study whose answers everybody may see."""
    study, rows = published(services, atlas, head)
    return "" if study is None else f"<h3>Study {text(study.name)}</h3>{tally(rows)}"


def of_open_study(services: Services, atlas: Atlas, head: HeadId, who: Annotator | None) -> Said:
    """The judgments of the study of all described heads, to those who have judged the head; else how many there are."""
    study = services.study
    item = study.by_head.get(head) if atlas.model == study.settings.model else None
    if item is None:
        return Said(notice("This head is not in the study."), personal=False)
    rows: list[Judgment] = services.journal.current(study.name, item=item)
    link = f"<p>{anchor(f'annotate?layer={head.layer}&head={head.head}', 'Judge this description')}</p>"
    if not rows:
        return Said(notice("Nobody has judged it yet.") + link, personal=False)
    if who is None or item not in {row.item for row in judged(Seat(services, study, who))}:
        count = "One person has" if len(rows) == 1 else f"{len(rows)} people have"
        hidden = notice(f"{count} judged it. You see the answers once you have given yours.")
        return Said(hidden + link, personal=who is None)
    return Said(tally(rows), personal=False)
