"""The organiser's tab that invites people to a study: a link for each, and a text to send."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Protocol

import gradio as gr

from annotation.export.payments import list_payments, parse_panel_ids, payments_csv
from annotation.identity.invitations import (
    Invitation,
    invitation_links,
    invitations_csv,
    panel_link,
    parse_people,
    shared_link,
)
from annotation.study.study import DEFAULT_STUDY, Study
from maps.errors import MapsError
from maps.text import pluralize
from space.components.markup import Html, copy_button, notice, table
from space.pages.annotate import outbox
from space.pages.annotate.welcome import TITLE, work_words
from space.pages.organise import adjudication
from space.pages.organise.view import hours_text, of_text
from space.services import Services
from space.web.downloads import one_time_link
from space.web.organisers import for_organisers, for_organisers_at_address, with_problems_in
from space.web.sessions import Annotator
from space.web.updates import PRIVATE_EVENT, Inputs, Updates, inputs_of

MAX_PEOPLE = 2000
TEXT_ID = "invite-text"
MAX_LIST_LENGTH = 200_000  # characters
HINT = (
    "<p>A personal link signs one person in and lets them into this study. Whoever has a link can answer in that name, "
    "so send each person their own.</p>"
)
PANEL_HINT = (
    "<h2>People from the panel</h2><p>The list shows, by their ids at the panel, what people did: for payment. The ids "
    "are not stored. Answers of people who returned the study or took too long can be excluded, which gives their "
    "places to others while the study is running.</p>"
)
LOGIN_HINT = "<p>Write the logins of the people at Hugging Face. Their link lets them into this study.</p>"


class InviteTab:
    """Who is invited, and the links."""

    def __init__(self, services: Services) -> None:
        self.study_links = gr.HTML(elem_id="study-links")
        gr.HTML(LOGIN_HINT if services.is_on_space else HINT)
        label = "Logins, one a line" if services.is_on_space else "Names, one a line"
        self.people = gr.Textbox(label=label, lines=4, max_length=MAX_LIST_LENGTH, elem_id="invite-people")
        self.button = gr.Button("Make the links", elem_id="invite")
        self.text = gr.Textbox(
            label="A text to send; LINK becomes each person's link where you copy it below",
            lines=8,
            buttons=["copy"],
            visible=False,
            elem_id=TEXT_ID,
        )
        self.links = gr.HTML(elem_id="invite-links")
        with gr.Column(visible=False, elem_id="panel") as self.panel_column:
            gr.HTML(PANEL_HINT)
            label = "Participant ids, one a line, or the table that the panel exports (CSV)"
            self.panel_ids = gr.Textbox(label=label, lines=4, max_length=MAX_LIST_LENGTH, elem_id="panel-ids")
            with gr.Row():
                self.payments_button = gr.Button("List what they did", min_width=160, elem_id="list-payments")
                self.returned_button = gr.Button("They returned it …", min_width=160, elem_id="withdraw-returned")
            self.returned_confirm_button = gr.Button(
                "Yes, exclude all their answers", variant="stop", visible=False, elem_id="withdraw-returned-confirm"
            )
            self.payments = gr.HTML(elem_id="payments")


class HasInviteTab(Protocol):
    """The part of the organiser's page that this module uses."""

    services: Services
    organiser_token: gr.BrowserState
    selection: gr.Textbox
    invite: InviteTab
    copies: gr.JSON
    copies_notice: gr.HTML


def connect_invite_tab(here: HasInviteTab) -> None:
    tab = here.invite
    inputs = inputs_of(here.organiser_token, here.selection, tab.people)
    guarded = for_organisers_at_address(here, with_problems_in(tab.links, invite_people))
    tab.button.click(guarded, inputs, [tab.links, tab.text], **PRIVATE_EVENT)
    inputs = inputs_of(here.organiser_token, here.selection, tab.panel_ids)
    shown = [tab.payments, tab.returned_confirm_button]
    for button, handler in (
        (tab.payments_button, show_payments),
        (tab.returned_button, ask_to_withdraw_returned),
        (tab.returned_confirm_button, withdraw_returned),
    ):
        guarded = for_organisers(here, with_problems_in(tab.payments, handler))
        answered = button.click(guarded, inputs, [*shown, here.copies], **PRIVATE_EVENT)
        answered.then(None, here.copies, here.copies_notice, js="studyForm.updateCopies")


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
    rows = [
        (name, pseudonym, link, copy_button("Link", link), copy_button("Text", link, TEXT_ID))
        for name, pseudonym, link in links
    ]
    shown = table(("Name", "Pseudonym", "Link", "Copy", "Copy"), rows, f"Invitations to {study.name}")
    return {
        tab.links: Html("{}{}").format(file, shown),
        tab.text: gr.update(visible=True, value=invitation_text(study)),
    }


def write_links(study: Study, links: list[Invitation], folder: Path) -> Path:
    path = folder / f"invitations-{study.name}.csv"
    path.write_text(invitations_csv(links), encoding="utf-8", newline="")
    return path


def study_links(services: Services, study: Study, address: str) -> Html:
    """The links that are the same for everybody: of a study that is open, or for invited people, and of its panel."""
    settings, key = study.settings, services.pseudonym_key
    if study.name == DEFAULT_STUDY:
        return Html("")
    everybody = f"{address}/annotate?study={study.name}"
    if settings.invited_only:
        everybody = shared_link(study.name, address, key)
    rows = [("For everybody whom you send it", everybody)]
    if settings.panel.parameter:
        link = panel_link(study.name, address, key, settings.panel.parameter, settings.panel.placeholder)
        rows.append((f"For {settings.panel.name or 'the panel'}", link))
    lines = [(name, link, copy_button("Link", link)) for name, link in rows]
    return table(("Link", "Address", "Copy"), lines, f"Links to {study.name}")


def read_panel_ids(page: HasInviteTab, inputs: Inputs) -> tuple[Study, list[str]]:
    """The study and the ids that an organiser pasted; MapsError for a study without a panel."""
    study = adjudication.selected_study(page.services, inputs[page.selection])
    parameter = study.settings.panel.parameter
    if not parameter:
        raise MapsError("This study has no panel.")
    ids = parse_panel_ids((inputs[page.invite.panel_ids] or "").splitlines(), parameter)
    if len(ids) > MAX_PEOPLE:
        raise MapsError(f"The list has {len(ids):,} ids; paste at most {MAX_PEOPLE:,} at once.")
    return study, ids


def payments_html(page: HasInviteTab, study: Study, ids: list[str]) -> Html:
    """What these people did, as a table and a file."""
    services = page.services
    payments = list_payments(services.journal, study, ids, services.pseudonym_key)

    def write(folder: Path) -> Path:
        path = folder / f"payments-{study.name}.csv"
        path.write_text(payments_csv(payments), encoding="utf-8", newline="")
        return path

    header = ("Id", "Pseudonym", "State", "Items", "Time (h:min)", "Practice right", "Controls refused")
    rows = [
        (
            each.panel_id,
            each.pseudonym,
            each.state,
            f"{each.items:,}",
            hours_text(each.hours),
            of_text(each.practice_right, each.practice),
            of_text(each.controls_refused, each.controls),
        )
        for each in payments
    ]
    return one_time_link(services, write) + table(header, rows, f"What people of the panel did in {study.name}")


def show_payments(page: HasInviteTab, _organiser: Annotator, inputs: Inputs) -> Updates:
    study, ids = read_panel_ids(page, inputs)
    return {page.invite.payments: payments_html(page, study, ids)}


def ask_to_withdraw_returned(page: HasInviteTab, _organiser: Annotator, inputs: Inputs) -> Updates:
    """Says whose answers will be excluded, before it is done."""
    study, ids = read_panel_ids(page, inputs)
    warning = (
        f"The answers of {pluralize(len(ids), 'participant')} will be excluded for good, and they cannot answer again. "
        "Check the list:"
    )
    return {
        page.invite.payments: notice(warning, "problem") + payments_html(page, study, ids),
        page.invite.returned_confirm_button: gr.update(visible=True),
    }


def withdraw_returned(page: HasInviteTab, _organiser: Annotator, inputs: Inputs) -> Updates:
    """Excludes the answers of people who returned the study, whose places others get."""
    services, (study, ids) = page.services, read_panel_ids(page, inputs)
    payments = list_payments(services.journal, study, ids, services.pseudonym_key)
    present = [each.pseudonym for each in payments if each.state not in ("withdrawn", "not known here")]
    kept: dict[str, str] = {}
    for pseudonym in present:
        kept |= outbox.withdraw_annotator(services, pseudonym)["keep"]
    receipt = f"Excluded: the answers of {pluralize(len(present), 'participant')}."
    return {
        page.invite.payments: notice(receipt, "receipt") + payments_html(page, study, ids),
        page.invite.returned_confirm_button: gr.update(visible=False),
        page.copies: {"keep": kept} if services.publisher is not None else {},
    }


def invitation_text(study: Study) -> str:
    """What to write to people; the link is each person's own."""
    notice = study.settings.notice
    lines = [
        f"You are invited to take part in our study: {notice.title or TITLE}",
        f"What it is for: {notice.purpose}" if notice.purpose else "",
        work_words(study),
        f"For taking part: {notice.payment}" if notice.payment else "",
        "Your personal link (please do not pass it on): LINK",
        f"Questions: {notice.contact}" if notice.contact else "",
        notice.organiser,
    ]
    return "\n\n".join(line for line in lines if line)
