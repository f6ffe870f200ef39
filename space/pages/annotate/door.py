"""What somebody reads who can begin nothing on the annotator's page, before they are asked for a name or a consent."""

from __future__ import annotations

import gradio as gr

from annotation.study.study import Study
from space.components.markup import Html, notice
from space.pages.annotate.ends import exit_html
from space.pages.annotate.view import AnnotatePage
from space.studies.current import NOT_INVITED, may_be_invited, study_words
from space.web.sessions import Annotator
from space.web.updates import Updates

UNOPENED_STUDY, WITHDRAWN, OVER = "This study cannot be opened", "Your answers are withdrawn", "This study is over"
WITHDRAWN_MESSAGE = (
    "They will not be in the next release, and you can no longer take part. If you did not withdraw them yourself, ask "
    "the person who runs the study."
)
SHUT_DOOR = Html(
    '<h1>{}</h1>{}<p><a href="annotate?study=default">Judge descriptions of all heads</a> · '
    '<a href="./">Explore the heads</a></p>'
)


def shut_door(page: AnnotatePage, study: Study, annotator: Annotator | None, invitation: object) -> Updates:
    """The page for a newcomer who can begin nothing: the study is over, or for others; empty if they can."""
    services = page.services
    if (reason := services.journal.over_reason(study)) is not None:
        thanks = f"{study_words(study)} is over: {reason}. Thank you for coming!"
        way_out = exit_html(study, "screened_out", annotator) if annotator is not None else Html("")
        return shut_door_updates(page, OVER, notice(thanks) + way_out)
    if not may_be_invited(services, study, annotator, invitation):
        return shut_door_updates(page, UNOPENED_STUDY, notice(NOT_INVITED, "problem"))
    return {}


def shut_door_updates(page: AnnotatePage, heading: str, reason: Html) -> Updates:
    """The page for somebody who can begin nothing in a study: why, and two ways on."""
    return {
        page.welcome_column: gr.update(visible=False),
        page.form_column: gr.update(visible=False),
        page.notices: SHUT_DOOR.format(heading, reason),
    }
