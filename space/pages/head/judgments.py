"""Human judgments of a head, for those who may see them."""

from __future__ import annotations

from typing import NamedTuple

from maps.atlas.reader import Atlas
from maps.types import HeadId
from space.atlases.hidden import hidden_heads
from space.components.markup import Html, anchor, notice
from space.components.tally import answer_counts_html
from space.services import Services
from space.studies.current import visible_default_study
from space.studies.participant import Participant, current_judgments
from space.studies.results import published_judgments
from space.web.sessions import Annotator

HIDDEN_JUDGMENTS_MESSAGE = "Judgments of this head are hidden too, and nobody can judge it here."


class HeadJudgments(NamedTuple):
    """Judgments as HTML, and whether a visitor who signs in may see more."""

    html: Html
    is_personal: bool


def judgments_section(services: Services, atlas: Atlas, head: HeadId, annotator: Annotator | None) -> HeadJudgments:
    """Judgments of a study that is open to everybody, and of the default study for those who judged this head.

    None are shown while a study hides the head's description.
    """
    if head in hidden_heads(atlas):
        return HeadJudgments(notice(HIDDEN_JUDGMENTS_MESSAGE), is_personal=False)
    own = default_study_judgments(services, atlas, head, annotator)
    return HeadJudgments(published_judgments_html(services, atlas, head) + own.html, own.is_personal)


def published_judgments_html(services: Services, atlas: Atlas, head: HeadId) -> Html:
    """The judgments of a study whose answers everybody may see."""
    study, rows = published_judgments(services, atlas, head)
    if study is None:
        return Html("")
    return Html("<h3>Study {}</h3>{}").format(study.name, answer_counts_html(rows))


def default_study_judgments(
    services: Services, atlas: Atlas, head: HeadId, annotator: Annotator | None
) -> HeadJudgments:
    """The judgments in the default study, to those who have judged the head; to others only how many there are."""
    study = visible_default_study(services)
    items = study.items_by_head.get(head, []) if atlas.model == study.settings.model else []
    if not items:
        return HeadJudgments(notice("This head is not part of the study."), is_personal=False)
    [item] = items  # the default study has one for each head
    rows = services.journal.current_judgments(study.name, item=item)
    address = f"annotate?study={study.name}&layer={head.layer}&head={head.head}"
    link = Html("<p>{}</p>").format(anchor(address, "Judge this description yourself"))
    if not rows:
        return HeadJudgments(notice("Nobody has judged this description yet.") + link, is_personal=False)
    if annotator is not None:
        own = current_judgments(Participant(services, study, annotator))
        if any(row.item == item for row in own):
            return HeadJudgments(answer_counts_html(rows), is_personal=False)
    count = "One person has" if len(rows) == 1 else f"{len(rows)} people have"
    hidden = notice(f"{count} judged this description. You will see their answers once you have given yours.")
    return HeadJudgments(hidden + link, is_personal=annotator is None)
