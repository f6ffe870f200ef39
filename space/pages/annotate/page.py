"""The annotator's page: evidence on the left, the questions on the right, one item after the other."""

from __future__ import annotations

from typing import Any, Literal

import gradio as gr

from annotation import form
from annotation.form import CONSENT_SENTENCE, GUIDELINES, FormQuestion
from annotation.identity import pseudonyms
from space.components.markup import Html, anchor
from space.pages.annotate import handlers
from space.pages.annotate.handlers import for_annotator, for_visitor
from space.pages.annotate.view import AnnotateComponents, AnnotatePage
from space.services import Services
from space.web.browser_storage import draft_state, task_state, token_state
from space.web.updates import inputs_of

KEYBOARD_HELP = (
    "**Keys.** 1 to 4 answer the marked question. Enter submits (in the comment: Ctrl+Enter). S skips, Backspace goes "
    "back, ? opens this help."
)
WITHDRAWAL_WARNING = (
    "After a withdrawal all your answers, in all studies here, are excluded from the figures, from every later "
    "download and release, and from the ledger with its history. Your name is deleted. Files that were downloaded "
    "before cannot be recalled. You cannot take part again under the same name, and this cannot be undone."
)
FRAME_HINT = Html("If signing in does not work inside the frame of huggingface.co, please use the {}.")
QUIET_EVENT: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}


def build(services: Services, page: gr.Blocks) -> None:
    here = AnnotatePage(services, lay_out(services))
    connect_form(here, page)
    build_withdrawal(here)
    if not services.is_on_space:
        build_sign_out(here)


def lay_out(services: Services) -> AnnotateComponents:
    token, task, draft = token_state(), task_state(), draft_state()
    copies = gr.JSON({}, visible="hidden", elem_id="copies")
    notices = gr.HTML(elem_id="notices")
    with gr.Column(elem_id="welcome", visible=False) as welcome_column:  # the page's load shows this or the form
        name, agree_button = lay_out_welcome(services)
    with gr.Column(visible=False, elem_id="annotation-form") as form_column, gr.Row():
        with gr.Column(scale=3, elem_classes="evidence"):
            evidence = gr.HTML(elem_id="evidence")
        with gr.Column(scale=2, elem_id="questions"):
            progress = gr.HTML(elem_id="progress")
            description = gr.HTML(elem_id="description")
            questions, comment = lay_out_questions()
            message = gr.HTML(elem_id="message")
            with gr.Row():
                back_button = gr.Button("Back", elem_id="back", min_width=80)
                skip_button = gr.Button("Skip", elem_id="skip", min_width=80)
                submit_button = gr.Button("Submit", variant="primary", elem_id="submit", min_width=80)
            with gr.Accordion("Guidelines and keys", open=False, elem_id="guidelines"):
                gr.Markdown(f"{GUIDELINES}\n\n{KEYBOARD_HELP}")
    return AnnotateComponents(
        token=token,
        task=task,
        draft=draft,
        copies=copies,
        notices=notices,
        welcome_column=welcome_column,
        name=name,
        agree_button=agree_button,
        form_column=form_column,
        evidence=evidence,
        progress=progress,
        description=description,
        questions=questions,
        comment=comment,
        message=message,
        back_button=back_button,
        skip_button=skip_button,
        submit_button=submit_button,
    )


def lay_out_welcome(services: Services) -> tuple[gr.Textbox, gr.Button]:
    """Guidelines, consent and sign-in; returns the field for the name and the button to start."""
    gr.HTML("<h1>Judge descriptions of attention heads</h1>")
    gr.Markdown(GUIDELINES)
    privacy = anchor("privacy", "What is stored, where, and how to withdraw")
    gr.HTML(Html("<p>{} {}.</p>").format(CONSENT_SENTENCE, privacy))
    name = gr.Textbox(
        label="Your name",
        max_length=pseudonyms.MAX_NAME_LENGTH,
        elem_id="name",
        autofocus=True,
        visible=not services.is_on_space,
    )
    if services.has_login:
        gr.LoginButton()
    if services.public_address:
        direct = anchor(f"{services.public_address}/annotate", "direct address of this Space", target="_blank")
        gr.HTML(Html('<p class="hint">{}</p>').format(FRAME_HINT.format(direct)))
    return name, gr.Button("I agree: start", variant="primary", elem_id="agree")


def lay_out_questions() -> tuple[dict[str, gr.Radio], gr.Textbox]:
    """The questions by their fields, and the comment; an organiser's decision has the same."""
    questions = {question.field: question_radio(question) for question in form.QUESTIONS}
    comment = gr.Textbox(label="Comment (optional)", lines=2, max_length=form.MAX_COMMENT_LENGTH, elem_id="comment")
    return questions, comment


def question_radio(question: FormQuestion) -> gr.Radio:
    """One question of the form; a dependent one appears once it applies."""
    choices = [(choice.label, choice.code) for choice in question.choices]
    visible: bool | Literal["hidden"] = "hidden" if question.asked_when else True
    return gr.Radio(choices, label=question.text, visible=visible, elem_id=question.field, elem_classes="question")


def connect_form(here: AnnotatePage, page: gr.Blocks) -> None:
    """Events of the page's load, of signing in and of the form. The draft is kept by the browser alone."""
    c, outputs = here.components, here.components.outputs()
    load_inputs = inputs_of(c.token, c.task, c.draft, c.copies)
    load = for_visitor(here, handlers.load_annotate_page)
    loaded = page.load(load, load_inputs, outputs, js="studyForm.sendIdsOnLoad", api_visibility="private")
    loaded.then(None, js="studyForm.removeQuery")  # a reload must not open the requested item again
    enter = for_visitor(here, handlers.sign_in)
    entered = [
        trigger(enter, inputs_of(c.token, c.task, c.name), outputs, queue=False, api_visibility="private")
        for trigger in (c.agree_button.click, c.name.submit)
    ]
    form_values, form_outputs = [c.task, *c.questions.values(), c.comment], [c.draft, *c.dependent_questions()]
    for event in (loaded, *entered):  # showing the column has also shown the hidden questions in it
        event.then(None, form_values, form_outputs, js="studyForm.updateDraft")
    for typed in (*(question.input for question in c.questions.values()), c.comment.input):
        typed(None, form_values, form_outputs, js="studyForm.updateDraft", api_visibility="private")

    answer_inputs = inputs_of(c.token, c.task, *c.questions.values(), c.comment)
    task_inputs = inputs_of(c.token, c.task)
    submitted = c.submit_button.click(for_annotator(here, handlers.submit), answer_inputs, outputs, **QUIET_EVENT)
    skipped = c.skip_button.click(for_annotator(here, handlers.skip), task_inputs, outputs, **QUIET_EVENT)
    went_back = c.back_button.click(for_annotator(here, handlers.go_back), task_inputs, outputs, **QUIET_EVENT)
    for event in (submitted, skipped, went_back):  # until then keys.js ignores keys: the new item is not on screen yet
        event.then(None, js="studyForm.announceTask")

    copy_inputs = inputs_of(c.token, c.task, c.copies)
    heartbeat = gr.Button("Still here", visible="hidden", elem_id="still-here")  # keys.js presses it
    keep = for_annotator(here, handlers.keep_reserved)
    stayed = heartbeat.click(keep, copy_inputs, outputs, js="studyForm.sendIds", **QUIET_EVENT)
    restore = for_visitor(here, handlers.restore_copies)
    for event in (loaded, stayed, *entered):
        compared = event.then(None, c.copies, c.notices, js="studyForm.updateCopies")
        restored = compared.then(restore, copy_inputs, outputs, js="studyForm.sendMissingCopies", **QUIET_EVENT)
        restored.then(None, c.copies, c.notices, js="studyForm.updateCopies")
    submitted.then(None, c.copies, c.notices, js="studyForm.updateCopies")


def build_withdrawal(here: AnnotatePage) -> None:
    """The annotator's own withdrawal, which must be confirmed."""
    c = here.components
    with c.form_column, gr.Accordion("Withdraw my answers", open=False, elem_id="withdrawal"):
        more = anchor("privacy", "More about what is stored")
        gr.HTML(Html("<p>{} {}.</p>").format(WITHDRAWAL_WARNING, more))
        ask_button = gr.Button("Withdraw my answers", elem_id="withdraw")
        with gr.Row(visible=False) as confirmation:
            keep_button = gr.Button("No, keep them", elem_id="withdraw-not")
            confirm_button = gr.Button("Yes, withdraw all of them", variant="stop", elem_id="withdraw-yes")
    ask_button.click(lambda: gr.update(visible=True), outputs=confirmation, **QUIET_EVENT)
    keep_button.click(lambda: gr.update(visible=False), outputs=confirmation, **QUIET_EVENT)
    withdraw = for_annotator(here, handlers.withdraw_own_answers)
    withdrawn = confirm_button.click(withdraw, inputs_of(c.token, c.task), c.outputs(), **QUIET_EVENT)
    withdrawn.then(None, c.copies, c.notices, js="studyForm.updateCopies")


def build_sign_out(here: AnnotatePage) -> None:
    """Signing out, where no login button does it."""
    c = here.components
    with c.form_column:
        button = gr.Button("Sign out", elem_id="sign-out", size="sm")
    leave = for_visitor(here, handlers.sign_out)
    button.click(leave, inputs_of(c.token, c.task), c.outputs(), **QUIET_EVENT)
