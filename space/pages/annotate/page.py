"""The form: evidence on the left, the three questions on the right, one item after the other."""

from __future__ import annotations

from typing import Any, Literal

import gradio as gr
from gradio.events import Dependency

from annotation import form
from annotation.form import CATEGORY, CONSENT, GUIDELINES, PRECISION, PRESENCE, Question
from annotation.identity import pseudonyms
from space.components.markup import anchor, text
from space.pages.annotate.handlers import (
    going_back,
    opening,
    resending,
    signing_in,
    skipping,
    staying,
    submitting,
    withdrawing,
)
from space.pages.annotate.view import Form
from space.services import Services
from space.web.browser_storage import (
    COPY_IDS,
    GATE,
    KEEP_COPIES,
    MISSING_COPIES,
    browser_desk,
    browser_draft,
    browser_token,
)

KEYS = (
    "Keys: 1 to 4 answer the marked question, Enter submits (Ctrl+Enter in the comment), Backspace goes back, "
    "S skips, ? opens this."
)
WITHDRAWAL = (
    "All your answers in all studies here are left out from now on: of the figures, of every later export and "
    "release, and of the ledger with its history. Your name is forgotten. What was downloaded before cannot be called "
    "back. You cannot take part again under the same name, and this cannot be undone."
)
FRAME = "Inside the frame of huggingface.co the browser may block the login: please use the {}."


def build(services: Services, page: gr.Blocks) -> None:
    """Lays out the page and wires its events."""
    token, desk, draft = browser_token(), browser_desk(), browser_draft()
    copies = gr.JSON({}, visible="hidden", elem_id="copies")
    said = gr.HTML(elem_id="said")
    with gr.Column(elem_id="welcome", visible=False) as welcome:  # until the load says who is there
        gr.HTML("<h1>Judge descriptions of attention heads</h1>")
        gr.Markdown(GUIDELINES)
        gr.HTML(f"<p>{text(CONSENT)} {anchor('privacy', 'What is stored, where, and how to withdraw')}.</p>")
        name = gr.Textbox(
            label="Your name",
            max_length=pseudonyms.LONGEST_NAME,
            elem_id="name",
            autofocus=True,
            visible=not services.on_space,
        )
        if services.login:
            gr.LoginButton()
        if services.address:
            direct = anchor(f"{services.address}/annotate", "direct address of this Space", target="_blank")
            gr.HTML(f"<p class='hint'>{FRAME.format(direct)}</p>")
        enter = gr.Button("I agree: start", variant="primary", elem_id="agree")
    fields = laid_out(token, desk, draft, copies, said, welcome)
    agreed = [
        trigger(signing_in(services), [name, desk], list(fields), queue=False, api_visibility="private")
        for trigger in (enter.click, name.submit)
    ]
    wire(services, page, fields, agreed)


def laid_out(
    token: gr.BrowserState,
    desk: gr.BrowserState,
    draft: gr.BrowserState,
    copies: gr.JSON,
    said: gr.HTML,
    welcome: gr.Column,
) -> Form:
    """The two columns of the form."""
    with gr.Column(visible=False, elem_id="desk") as room, gr.Row():
        with gr.Column(scale=3, elem_classes="evidence"):
            evidence = gr.HTML(elem_id="evidence")
        with gr.Column(scale=2, elem_id="questions"):
            progress = gr.HTML(elem_id="progress")
            judged = gr.HTML(elem_id="judged")
            presence, precision, category = radio(PRESENCE), radio(PRECISION), radio(CATEGORY)
            comment = gr.Textbox(
                label="Comment (optional)", lines=2, max_length=form.LONGEST_COMMENT, elem_id="comment"
            )
            message = gr.HTML(elem_id="message")
            with gr.Row():
                back = gr.Button("Back", elem_id="back", min_width=80)
                skip = gr.Button("Skip", elem_id="skip", min_width=80)
                submit = gr.Button("Submit", variant="primary", elem_id="submit", min_width=80)
            with gr.Accordion("Guidelines and keys", open=False, elem_id="guidelines"):
                gr.Markdown(GUIDELINES + "\n\n" + KEYS)
    return Form(
        token=token,
        desk=desk,
        draft=draft,
        copies=copies,
        said=said,
        welcome=welcome,
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


def radio(question: Question) -> gr.Radio:
    """A question of the form; the second and third appear once they apply."""
    choices = [(choice.label, choice.code) for choice in question.choices]
    visible: bool | Literal["hidden"] = True if question is PRESENCE else "hidden"
    return gr.Radio(choices, label=question.text, visible=visible, elem_id=question.field, elem_classes="question")


def wire(services: Services, page: gr.Blocks, fields: Form, agreed: list[Dependency]) -> None:
    """Events of the form, `agreed` being those of signing in.

    Every handler finds out again who is asking; the browser alone keeps the draft.
    """
    outputs = list(fields)
    quick: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    before = [fields.token, fields.desk, fields.draft, fields.copies]
    ids = f"(token, desk, draft) => [token, desk, draft, {{ids: {COPY_IDS}}}]"
    opened = page.load(opening(services), before, outputs, js=ids, api_visibility="private")
    opened.then(None, js="() => history.replaceState({}, '', location.pathname)")  # the address counts once
    given = [fields.desk, *fields.answers]
    for entering in (opened, *agreed):  # once more when the column is there: showing it resets what is hidden in it
        entering.then(None, given, [fields.draft, fields.precision, fields.category], js=GATE)
    for answer in fields.answers:
        answer.input(None, given, [fields.draft, fields.precision, fields.category], js=GATE, api_visibility="private")
    moves = (
        fields.submit.click(submitting(services), [fields.token, *given], outputs, **quick),
        fields.skip.click(skipping(services), [fields.token, fields.desk], outputs, **quick),
        fields.back.click(going_back(services), [fields.token, fields.desk], outputs, **quick),
    )
    for move in moves:  # until then keys.js takes no answers: they would be for an item not seen yet
        move.then(None, js="() => { document.dispatchEvent(new Event('desk-laid')); }")
    here = gr.Button("Still here", visible="hidden", elem_id="still-here")  # keys.js presses it while somebody works
    signs = f"(token, desk) => [token, desk, {{ids: {COPY_IDS}}}]"
    at_desk = [fields.token, fields.desk, fields.copies]
    stayed = here.click(staying(services), at_desk, outputs, js=signs, **quick)
    for settled in (opened, stayed, *agreed):
        kept = settled.then(None, fields.copies, fields.said, js=KEEP_COPIES)
        again = kept.then(resending(services), at_desk, outputs, js=MISSING_COPIES, **quick)
        again.then(None, fields.copies, fields.said, js=KEEP_COPIES)
    moves[0].then(None, fields.copies, fields.said, js=KEEP_COPIES)
    wire_withdrawal(services, fields, quick)


def wire_withdrawal(services: Services, fields: Form, quick: dict[str, Any]) -> None:
    """The annotator's own withdrawal, asked twice."""
    with fields.room, gr.Accordion("Withdraw my answers", open=False, elem_id="withdrawal"):
        gr.HTML(f"<p>{text(WITHDRAWAL)} {anchor('privacy', 'More about what is stored')}.</p>")
        ask = gr.Button("Withdraw my answers", elem_id="withdraw")
        with gr.Row(visible=False) as sure:
            stop = gr.Button("No, keep them", elem_id="withdraw-not")
            yes = gr.Button("Yes, withdraw all of them", variant="stop", elem_id="withdraw-yes")
    ask.click(lambda: gr.update(visible=True), outputs=sure, **quick)
    stop.click(lambda: gr.update(visible=False), outputs=sure, **quick)
    gone = yes.click(withdrawing(services), [fields.token, fields.desk], list(fields), **quick)
    gone.then(None, fields.copies, fields.said, js=KEEP_COPIES)
