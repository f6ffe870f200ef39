"""The form: evidence on the left, the three questions on the right, one item after the other."""

from __future__ import annotations

from typing import Any, Literal

import gradio as gr
from gradio.events import Dependency

from annotation import form
from annotation.form import CATEGORY, CONSENT_SENTENCE, GUIDELINES, PRECISION, PRESENCE, FormQuestion
from annotation.identity import pseudonyms
from space.components.markup import anchor, escape_html
from space.pages.annotate.handlers import (
    back_handler,
    keep_alive_handler,
    page_load_handler,
    resend_handler,
    sign_in_handler,
    skip_handler,
    submit_handler,
    withdraw_handler,
)
from space.pages.annotate.view import AnnotateComponents
from space.services import Services
from space.web.browser_storage import draft_state, task_state, token_state

KEYBOARD_HELP = (
    "Keys: 1 to 4 answer the marked question, Enter submits (Ctrl+Enter in the comment), Backspace goes back, "
    "S skips, ? opens this."
)
WITHDRAWAL_WARNING = (
    "All your answers in all studies here are left out from now on: of the figures, of every later export and "
    "release, and of the ledger with its history. Your name is forgotten. What was downloaded before cannot be called "
    "back. You cannot take part again under the same name, and this cannot be undone."
)
FRAME_HINT = "Inside the frame of huggingface.co the browser may block the login: please use the {}."


def build(services: Services, page: gr.Blocks) -> None:
    """Lays out the page and wires its events."""
    token, desk, draft = token_state(), task_state(), draft_state()
    copies = gr.JSON({}, visible="hidden", elem_id="copies")
    said = gr.HTML(elem_id="said")
    with gr.Column(elem_id="welcome", visible=False) as welcome:  # until the load says who is there
        gr.HTML("<h1>Judge descriptions of attention heads</h1>")
        gr.Markdown(GUIDELINES)
        gr.HTML(
            f"<p>{escape_html(CONSENT_SENTENCE)} {anchor('privacy', 'What is stored, where, and how to withdraw')}.</p>"
        )
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
            gr.HTML(f"<p class='hint'>{FRAME_HINT.format(direct)}</p>")
        enter = gr.Button("I agree: start", variant="primary", elem_id="agree")
    fields = build_form(token, desk, draft, copies, said, welcome)
    agreed = [
        trigger(sign_in_handler(services), [name, desk], list(fields), queue=False, api_visibility="private")
        for trigger in (enter.click, name.submit)
    ]
    connect_events(services, page, fields, agreed)


def build_form(
    token: gr.BrowserState,
    task: gr.BrowserState,
    draft: gr.BrowserState,
    copies: gr.JSON,
    notices: gr.HTML,
    welcome_column: gr.Column,
) -> AnnotateComponents:
    """The two columns of the form."""
    with gr.Column(visible=False, elem_id="desk") as room, gr.Row():
        with gr.Column(scale=3, elem_classes="evidence"):
            evidence = gr.HTML(elem_id="evidence")
        with gr.Column(scale=2, elem_id="questions"):
            progress = gr.HTML(elem_id="progress")
            judged = gr.HTML(elem_id="judged")
            presence, precision, category = (
                question_radio(PRESENCE),
                question_radio(PRECISION),
                question_radio(CATEGORY),
            )
            comment = gr.Textbox(
                label="Comment (optional)", lines=2, max_length=form.MAX_COMMENT_LENGTH, elem_id="comment"
            )
            message = gr.HTML(elem_id="message")
            with gr.Row():
                back = gr.Button("Back", elem_id="back", min_width=80)
                skip = gr.Button("Skip", elem_id="skip", min_width=80)
                submit = gr.Button("Submit", variant="primary", elem_id="submit", min_width=80)
            with gr.Accordion("Guidelines and keys", open=False, elem_id="guidelines"):
                gr.Markdown(GUIDELINES + "\n\n" + KEYBOARD_HELP)
    return AnnotateComponents(
        token=token,
        desk=task,
        draft=draft,
        copies=copies,
        said=notices,
        welcome=welcome_column,
        room=room,
        evidence=evidence,
        progress=progress,
        judged=judged,
        presence=presence,
        precision=precision,
        category=category,
        comment=comment,
        message=message,
        skip=skip,
        back=back,
        submit=submit,
    )


def question_radio(question: FormQuestion) -> gr.Radio:
    """A question of the form; the second and third appear once they apply."""
    choices = [(choice.label, choice.code) for choice in question.choices]
    visible: bool | Literal["hidden"] = True if question is PRESENCE else "hidden"
    return gr.Radio(choices, label=question.text, visible=visible, elem_id=question.field, elem_classes="question")


def connect_events(
    services: Services, page: gr.Blocks, components: AnnotateComponents, sign_in_events: list[Dependency]
) -> None:
    """Events of the form, `sign_in_events` being those of signing in.

    Every handler finds out again who is asking; the browser alone keeps the draft.
    """
    outputs = list(components)
    quick: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    before = [components.token, components.desk, components.draft, components.copies]
    opened = page.load(
        page_load_handler(services), before, outputs, js="studyForm.sendIdsOnLoad", api_visibility="private"
    )
    opened.then(None, js="studyForm.removeQuery")  # the address counts once
    given = [components.desk, *components.answers]
    for entering in (
        opened,
        *sign_in_events,
    ):  # once more when the column is there: showing it resets what is hidden in it
        entering.then(
            None, given, [components.draft, components.precision, components.category], js="studyForm.updateDraft"
        )
    for answer in components.answers:
        answer.input(
            None,
            given,
            [components.draft, components.precision, components.category],
            js="studyForm.updateDraft",
            api_visibility="private",
        )
    moves = (
        components.submit.click(submit_handler(services), [components.token, *given], outputs, **quick),
        components.skip.click(skip_handler(services), [components.token, components.desk], outputs, **quick),
        components.back.click(back_handler(services), [components.token, components.desk], outputs, **quick),
    )
    for move in moves:  # until then keys.js takes no answers: they would be for an item not seen yet
        move.then(None, js="studyForm.announceTask")
    here = gr.Button("Still here", visible="hidden", elem_id="still-here")  # keys.js presses it while somebody works
    at_desk = [components.token, components.desk, components.copies]
    stayed = here.click(keep_alive_handler(services), at_desk, outputs, js="studyForm.sendIds", **quick)
    for settled in (opened, stayed, *sign_in_events):
        kept = settled.then(None, components.copies, components.said, js="studyForm.updateCopies")
        again = kept.then(resend_handler(services), at_desk, outputs, js="studyForm.sendMissingCopies", **quick)
        again.then(None, components.copies, components.said, js="studyForm.updateCopies")
    moves[0].then(None, components.copies, components.said, js="studyForm.updateCopies")
    build_withdrawal(services, components, quick)


def build_withdrawal(services: Services, components: AnnotateComponents, event_options: dict[str, Any]) -> None:
    """The annotator's own withdrawal, asked twice."""
    with components.room, gr.Accordion("Withdraw my answers", open=False, elem_id="withdrawal"):
        gr.HTML(f"<p>{escape_html(WITHDRAWAL_WARNING)} {anchor('privacy', 'More about what is stored')}.</p>")
        ask = gr.Button("Withdraw my answers", elem_id="withdraw")
        with gr.Row(visible=False) as sure:
            stop = gr.Button("No, keep them", elem_id="withdraw-not")
            yes = gr.Button("Yes, withdraw all of them", variant="stop", elem_id="withdraw-yes")
    ask.click(lambda: gr.update(visible=True), outputs=sure, **event_options)
    stop.click(lambda: gr.update(visible=False), outputs=sure, **event_options)
    gone = yes.click(withdraw_handler(services), [components.token, components.desk], list(components), **event_options)
    gone.then(None, components.copies, components.said, js="studyForm.updateCopies")
