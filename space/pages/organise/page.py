"""The organiser's page: studies, new studies, disagreements, withdrawals. Which event calls what."""

from __future__ import annotations

import gradio as gr

from space.pages.annotate.view import dependent_questions
from space.pages.organise import handlers, running
from space.pages.organise.documents import connect_documents
from space.pages.organise.inviting import connect_invite_tab
from space.pages.organise.publishing import connect_publish_tab
from space.pages.organise.updates import OrganisePage
from space.services import Services
from space.web.organisers import for_organisers
from space.web.updates import PRIVATE_EVENT, inputs_of


def build(services: Services, page: gr.Blocks) -> None:
    here = OrganisePage(services)
    connect_selection(here, page)
    connect_study_tab(here)
    connect_invite_tab(here)
    connect_publish_tab(here)
    connect_documents(here)
    connect_new_study_tab(here)
    connect_withdrawal_tab(here)
    leave = for_organisers(here, handlers.sign_out_organiser)
    left = here.sign_out_button.click(leave, inputs_of(here.organiser_token), here.selection_outputs(), **PRIVATE_EVENT)
    left.then(None, js="studyForm.forgetOrganiser")


def connect_selection(here: OrganisePage, page: gr.Blocks) -> None:
    tab, outputs = here.decision, here.selection_outputs()
    load, sent = handlers.page_load_handler(here), inputs_of(here.organiser_token, here.copies)
    # The endpoint's name must not be shared with a page that anybody may load: see tests/space/test_permissions.py.
    loaded = page.load(
        load, sent, outputs, js="studyForm.sendIdsOfOrganiser", api_name="opened_for_organisers", **PRIVATE_EVENT
    )
    loaded.then(None, js="studyForm.removeKey")
    compared = loaded.then(None, here.copies, here.copies_notice, js="studyForm.updateCopies")
    restore, copies = handlers.restore_copies_handler(here), inputs_of(here.copies)
    compared.then(restore, copies, here.copies_notice, js="studyForm.sendMissingCopiesOnly", **PRIVATE_EVENT)
    questions = list(tab.questions.values())
    answers = inputs_of(here.organiser_token, here.selection, *questions, tab.comment)
    decided = tab.decide_button.click(for_organisers(here, handlers.decide), answers, outputs, **PRIVATE_EVENT)
    dependent = dependent_questions(tab.questions)
    # What a page was shown without follows: each page that an organiser is shown has a selection of its own.
    counted = for_organisers(here, handlers.show_counted)
    selection, parts = inputs_of(here.organiser_token, here.selection), here.counted_outputs()
    completed = here.selection.change(counted, selection, parts, show_progress="hidden", **PRIVATE_EVENT)
    for event in (loaded, decided, completed):  # showing the row has also shown the hidden questions in it
        event.then(None, questions, dependent, js="studyForm.showQuestions")
    for question in questions:
        question.input(None, questions, dependent, js="studyForm.showQuestions", **PRIVATE_EVENT)


def connect_study_tab(here: OrganisePage) -> None:
    """Downloads, and what an organiser does with a running study; what cannot be undone must be confirmed."""
    tab, selection = here.study, inputs_of(here.organiser_token, here.selection)
    for fmt, button in tab.export_buttons.items():
        export = for_organisers(here, handlers.export_rows, fmt)
        button.click(export, selection, [tab.files], api_name=f"rows_{fmt}", **PRIVATE_EVENT)
    all_parts = here.selection_outputs()
    with_deadline = inputs_of(here.organiser_token, here.selection, tab.deadline)
    for button, handler, inputs, outputs in (
        (tab.pause_button, running.pause_study, selection, all_parts),
        (tab.resume_button, running.resume_study, selection, all_parts),
        (tab.extend_button, running.extend_study, with_deadline, all_parts),
        (tab.delete_button, running.ask_to_delete_study, selection, [tab.change_notice, tab.delete_confirm_button]),
        (tab.delete_confirm_button, running.delete_study, selection, all_parts),
        (tab.open_button, running.ask_to_open_answers, selection, [tab.notice, tab.confirm_button]),
        (tab.confirm_button, running.open_answers, selection, [tab.notice, tab.confirm_button, tab.open_button]),
        (tab.close_button, running.ask_to_close_study, selection, [tab.close_notice, tab.close_confirm_button]),
        (tab.close_confirm_button, running.close_study, selection, all_parts),
    ):
        button.click(for_organisers(here, handler), inputs, outputs, **PRIVATE_EVENT)


def connect_new_study_tab(here: OrganisePage) -> None:
    """Preview first, then create."""
    tab = here.new_study
    settings = inputs_of(here.organiser_token, *tab.fields.values())
    shown = [tab.summary, tab.create_button]
    planned = inputs_of(here.organiser_token, *tab.fields.values(), *tab.plan_fields.values())
    preview, create = for_organisers(here, handlers.preview_study), for_organisers(here, handlers.create_study)
    tab.preview_button.click(preview, planned, [*shown, tab.fields["seed"]], **PRIVATE_EVENT)
    tab.create_button.click(create, settings, [*shown, here.overview], **PRIVATE_EVENT)


def connect_withdrawal_tab(here: OrganisePage) -> None:
    """A withdrawal must be confirmed; typing another pseudonym takes the confirmation away."""
    tab = here.withdrawal
    pseudonym, confirmation = inputs_of(here.organiser_token, tab.pseudonym), [tab.notice, tab.confirm_button]
    ask, confirm = for_organisers(here, handlers.ask_to_withdraw), for_organisers(here, handlers.withdraw)
    tab.ask_button.click(ask, pseudonym, confirmation, **PRIVATE_EVENT)
    tab.pseudonym.input(None, None, confirmation, js="studyForm.resetConfirmation", **PRIVATE_EVENT)
    outputs = [here.copies, *confirmation, tab.withdrawals]
    withdrawn = tab.confirm_button.click(confirm, pseudonym, outputs, **PRIVATE_EVENT)
    withdrawn.then(None, here.copies, here.copies_notice, js="studyForm.updateCopies")
