"""The annotator's page: evidence on the left, the questions on the right, one item after the other."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from space.components.markup import Html, anchor
from space.pages.annotate import handlers
from space.pages.annotate.handlers import for_annotator, for_visitor
from space.pages.annotate.submit_route import output_names
from space.pages.annotate.view import AnnotatePage, dependent_questions
from space.services import Services
from space.web.updates import inputs_of

WITHDRAWAL_WARNING = (
    "After a withdrawal all your answers, in all studies here, are excluded from the figures, from every later "
    "download and release, and from the ledger with its history. Files that were downloaded "
    "before cannot be recalled. You cannot take part again under the same name, and this cannot be undone."
)
QUIET_EVENT: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}


def build(services: Services, page: gr.Blocks) -> None:
    here = AnnotatePage(services)
    connect_form(here, page)
    connect_own_answers(here)
    build_withdrawal(here)
    if not services.is_on_space:
        build_sign_out(here)


def connect_form(here: AnnotatePage, page: gr.Blocks) -> None:
    """Events of the page's load, of signing in and of the form. The draft is kept by the browser alone."""
    outputs, task_inputs = here.outputs(), inputs_of(here.token, here.task)
    load_inputs = inputs_of(here.token, here.task, here.draft, here.copies)
    load = for_visitor(here, handlers.load_annotate_page)
    loaded = page.load(load, load_inputs, outputs, js="studyForm.sendIdsOnLoad", api_visibility="private")
    loaded.then(None, js="studyForm.removeQuery")  # a reload must not open the requested item again
    enter = for_visitor(here, handlers.sign_in)
    entered = [
        trigger(enter, inputs_of(here.token, here.task, here.name), outputs, queue=False, api_visibility="private")
        for trigger in (here.agree_button.click, here.name.submit)
    ]
    form_values = [here.task, *here.questions.values(), here.comment]
    form_outputs = [here.draft, *dependent_questions(here.questions), here.message]
    decline = for_visitor(here, handlers.decline)
    here.decline_button.click(decline, task_inputs, outputs, **QUIET_EVENT)
    for event in entered:
        event.then(None, js="studyForm.showTop")
    for event in (loaded, *entered):  # showing the column has also shown the hidden questions in it
        event.then(None, form_values, form_outputs, js="studyForm.updateDraft")
    for typed in (*(question.input for question in here.questions.values()), here.comment.input):
        typed(None, form_values, form_outputs, js="studyForm.updateDraft", api_visibility="private")

    answer_inputs = [here.token, here.task, *here.questions.values(), here.comment]
    submit = f"(...values) => studyForm.submit({json.dumps(output_names(here))}, ...values)"
    submitted = here.submit_button.click(None, answer_inputs, outputs, js=submit, **QUIET_EVENT)
    skipped = here.skip_button.click(for_annotator(here, handlers.skip), task_inputs, outputs, **QUIET_EVENT)
    went_back = here.back_button.click(for_annotator(here, handlers.go_back), task_inputs, outputs, **QUIET_EVENT)
    for event in (
        loaded,
        *entered,
        submitted,
        skipped,
        went_back,
    ):  # until then keys.js ignores keys: the new item is not on screen yet
        event.then(None, here.task, None, js="studyForm.announceTask")

    copy_inputs = inputs_of(here.token, here.task, here.copies)
    heartbeat = gr.Button("Still here", visible="hidden", elem_id="still-here")  # keys.js presses it
    keep = for_annotator(here, handlers.keep_reserved)
    stayed = heartbeat.click(keep, copy_inputs, outputs, js="studyForm.sendIds", **QUIET_EVENT)
    restore = for_visitor(here, handlers.restore_copies)
    for event in (loaded, stayed, *entered):
        compared = event.then(None, here.copies, here.notices, js="studyForm.updateCopies")
        restored = compared.then(restore, copy_inputs, outputs, js="studyForm.sendMissingCopies", **QUIET_EVENT)
        restored.then(None, here.copies, here.notices, js="studyForm.updateCopies")
    submitted.then(None, here.copies, here.notices, js="studyForm.updateCopies")


def connect_own_answers(here: AnnotatePage) -> None:
    """The annotator's own answers as a file."""
    download = for_annotator(here, handlers.download_own_answers)
    here.own_answers_button.click(download, inputs_of(here.token, here.task), here.outputs(), **QUIET_EVENT)


def build_withdrawal(here: AnnotatePage) -> None:
    """The annotator's own withdrawal, which must be confirmed."""
    with here.form_column, gr.Accordion("Withdraw my answers", open=False, elem_id="withdrawal"):
        more = anchor("privacy", "More about what is stored")
        gr.HTML(Html("<p>{} {}.</p>").format(WITHDRAWAL_WARNING, more))
        ask_button = gr.Button("Withdraw my answers", elem_id="withdraw")
        with gr.Row(visible=False) as confirmation:
            keep_button = gr.Button("No, keep them", elem_id="withdraw-not")
            confirm_button = gr.Button("Yes, withdraw all of them", variant="stop", elem_id="withdraw-yes")
    ask_button.click(lambda: gr.update(visible=True), outputs=confirmation, **QUIET_EVENT)
    keep_button.click(lambda: gr.update(visible=False), outputs=confirmation, **QUIET_EVENT)
    withdraw = for_annotator(here, handlers.withdraw_own_answers)
    withdrawn = confirm_button.click(withdraw, inputs_of(here.token, here.task), here.outputs(), **QUIET_EVENT)
    withdrawn.then(None, here.copies, here.notices, js="studyForm.updateCopies")


def build_sign_out(here: AnnotatePage) -> None:
    """Signing out, where no login button does it."""
    with here.form_column:
        button = gr.Button("Sign out", elem_id="sign-out", size="sm")
    leave = for_visitor(here, handlers.sign_out)
    button.click(leave, inputs_of(here.token, here.task), here.outputs(), **QUIET_EVENT)
