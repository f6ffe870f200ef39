"""The organiser's tab that invites people to a study: a link for each, and a text to send."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Protocol

import gradio as gr

from annotation.identity.invitations import Invitation, invitation_links, invitations_csv, parse_people
from annotation.study.study import DEFAULT_STUDY, Study
from maps.errors import MapsError
from space.components.markup import Html, table
from space.pages.annotate.welcome import TITLE, work_words
from space.pages.organise import adjudication
from space.services import Services
from space.web.downloads import one_time_link
from space.web.organisers import for_organisers_at_address, with_problems_in
from space.web.sessions import Annotator
from space.web.updates import PRIVATE_EVENT, Inputs, Updates, inputs_of

MAX_PEOPLE = 2000
MAX_LIST_LENGTH = 200_000  # characters
HINT = (
    "<p>A personal link signs one person in and lets them into this study. Whoever has a link can answer in that name, "
    "so send each person their own.</p>"
)
LOGIN_HINT = "<p>Write the logins of the people at Hugging Face. Their link lets them into this study.</p>"


class InviteTab:
    """Who is invited, and the links."""

    def __init__(self, services: Services) -> None:
        gr.HTML(LOGIN_HINT if services.is_on_space else HINT)
        label = "Logins, one a line" if services.is_on_space else "Names, one a line"
        self.people = gr.Textbox(label=label, lines=4, max_length=MAX_LIST_LENGTH, elem_id="invite-people")
        self.button = gr.Button("Make the links", elem_id="invite")
        self.text = gr.Textbox(label="A text to send", lines=8, buttons=["copy"], visible=False, elem_id="invite-text")
        self.links = gr.HTML(elem_id="invite-links")


class HasInviteTab(Protocol):
    """The part of the organiser's page that this module uses."""

    services: Services
    organiser_token: gr.BrowserState
    selection: gr.Textbox
    invite: InviteTab


def connect_invite_tab(here: HasInviteTab) -> None:
    tab = here.invite
    inputs = inputs_of(here.organiser_token, here.selection, tab.people)
    guarded = for_organisers_at_address(here, with_problems_in(tab.links, invite_people))
    tab.button.click(guarded, inputs, [tab.links, tab.text], **PRIVATE_EVENT)


def invite_people(page: HasInviteTab, _organiser: Annotator, inputs: Inputs, address: str) -> Updates:
    """A table with the links, the same as a file, and a text to send with one of them."""
    services, tab = page.services, page.invite
    study = adjudication.selected_study(services, inputs[page.selection])
    if study.name == DEFAULT_STUDY:
        raise MapsError("The open mode needs no invitation: everybody may judge in it. Choose a study.")
    people = parse_people((inputs[tab.people] or "").splitlines())
    if len(people) > MAX_PEOPLE:
        raise MapsError(f"The list has {len(people):,} people; invite at most {MAX_PEOPLE:,} at once.")
    number = None if services.is_on_space else services.journal.personal_link_number
    links = invitation_links(people, study.name, address, services.pseudonym_key, number)
    file = one_time_link(services, partial(write_links, study, links))
    shown = table(("Name", "Pseudonym", "Link"), links, f"Invitations to {study.name}")
    return {
        tab.links: Html("{}{}").format(file, shown),
        tab.text: gr.update(visible=True, value=invitation_text(study)),
    }


def write_links(study: Study, links: list[Invitation], folder: Path) -> Path:
    path = folder / f"invitations-{study.name}.csv"
    path.write_text(invitations_csv(links), encoding="utf-8", newline="")
    return path


def invitation_text(study: Study) -> str:
    """What to write to people; the link is each person's own."""
    notice = study.settings.notice
    lines = [
        f"Would you take part in our study “{notice.title or TITLE}”?",
        notice.purpose,
        work_words(study),
        f"For taking part: {notice.payment}" if notice.payment else "",
        "Your personal link (please do not pass it on): LINK",
        f"Questions: {notice.contact}" if notice.contact else "",
        notice.organiser,
    ]
    return "\n\n".join(line for line in lines if line)
