"""The form: evidence on the left, the three questions on the right, one item after the other."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import gradio as gr
from gradio.events import Dependency

from annotation import form, identity
from annotation.form import CATEGORY, CONSENT, GUIDELINES, GUIDELINES_VERSION, PRECISION, PRESENCE, Question
from annotation.journal import JournalError
from maps.types import HeadId
from space import desk as desks
from space.browser import browser_desk, browser_draft, browser_token
from space.form_view import Form, entered, in_order, receipt_line, shown, welcome
from space.markup import head_in, notice, text
from space.services import Services
from space.sessions import annotator, named
from space.spoken import spoken

GATE = """(desk, presence, precision, category, comment) => {
  if (!desk || !desk.judgment_id) return [undefined, undefined, undefined];
  const described = presence === 'present_described', known = described || presence === 'present_missed';
  const answers = [presence, described ? precision : null, known ? category : null, comment];
  const shown = (applies, value) => ({__type__: 'update', visible: applies || 'hidden', value});
  return [{judgment_id: desk.judgment_id, answers}, shown(described, answers[1]), shown(known, answers[2])];
}"""  # form.asked and form.cleared for the eye, at once; the server checks again
KEYS = (
    "Keys: 1 to 4 answer the marked question, Enter submits (Ctrl+Enter in the comment), Backspace goes back, "
    "S skips, ? opens this."
)


def build(services: Services, page: gr.Blocks) -> None:
    """Lays out the page and wires its events."""
    token, desk, draft = browser_token(), browser_desk(), browser_draft()
    with gr.Column(elem_id="welcome", visible=False) as welcome:  # until the load says who is there
        gr.HTML("<h1>Judge descriptions of attention heads</h1>")
        gr.Markdown(GUIDELINES)
        gr.HTML(f"<p>{text(CONSENT)}</p>")
        name = gr.Textbox(label="Your name", max_length=identity.LONGEST_NAME, elem_id="name", autofocus=True)
        problem = gr.HTML()
        enter = gr.Button("I agree: start", variant="primary", elem_id="agree")
    fields = laid_out(token, desk, draft, welcome)
    agreed = [
        trigger(signing_in(services), [name, desk], [problem, *fields], queue=False, api_visibility="private")
        for trigger in (enter.click, name.submit)
    ]
    wire(services, page, fields, agreed)


def laid_out(token: gr.BrowserState, desk: gr.BrowserState, draft: gr.BrowserState, welcome: gr.Column) -> Form:
    """The two columns of the form."""
    with gr.Column(visible=False, elem_id="desk") as room, gr.Row():
        with gr.Column(scale=3):
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
        token,
        desk,
        draft,
        welcome,
        room,
        evidence,
        progress,
        judged,
        presence,
        precision,
        category,
        comment,
        message,
        skip,
        back,
        submit,
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
    opened = page.load(opening(services), [fields.token, fields.desk, fields.draft], outputs, api_visibility="private")
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


def opening(services: Services) -> Any:
    """The page's load: the item in the address, else the draft, else the next item; without a token the welcome."""

    @spoken
    def opened(signed: object, kept: object, draft: object, request: gr.Request) -> tuple[Any, ...]:
        who = annotator(services, signed, request)
        item = wanted(services, request.query_params)
        if who is None:
            return welcome(services, item)
        desk = desks.restored_desk(services, who, kept, draft)
        if item is not None and desk.item != services.study.by_head[item]:
            desk = desks.opened_desk(services, who, services.study.by_head[item], desk.skipped)
        return entered(services, who, signed, desk)

    return opened


def wanted(services: Services, query: Mapping[str, str]) -> HeadId | None:
    """The head that an address asks to judge, where it is in the study."""
    found = head_in(query)
    return found if found in services.study.by_head else None


def signing_in(services: Services) -> Any:
    """Notes the consent and hands out the token."""

    def signed_in(name: str | None, kept: object) -> tuple[Any, ...]:
        name = name or ""
        if problems := identity.problems_with_name(name):
            return notice(" ".join(problems), "problem"), *in_order()
        who = named(services, name)
        try:
            services.journal.consent(who.pseudonym, name.strip(), GUIDELINES_VERSION)
        except JournalError as error:
            return notice(str(error), "problem"), *in_order()
        signed = identity.signed(name, services.key, int(time.time()))
        return "", *entered(services, who, signed, desks.first_desk(services, who, kept))

    return signed_in


def submitting(services: Services) -> Any:
    """Stores the answers, then shows the receipt and the next item. What is missing is said and nothing is lost."""

    def submitted(
        signed: object,
        kept: object,
        presence: str | None,
        precision: str | None,
        category: str | None,
        comment: str | None,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        who = annotator(services, signed, request)
        if who is None:
            return welcome(services)
        desk = desks.kept_desk(services, who, kept)
        if desk is None:
            return shown(services, who, signed, desks.next_desk(services, who, desks.skipped_in(kept)))
        desk = replace(desk, answers=form.cleared(presence, precision, category, comment))
        problems = form.problems(desk.answers)
        if problems:
            return in_order(message=notice(" ".join(problems), "problem"))
        try:
            receipt = desks.submit(services, who, desk)
        except JournalError as error:
            return in_order(message=notice(str(error), "problem"))
        after = desks.next_desk(services, who, desk.skipped)
        return shown(services, who, signed, after, receipt_line(desk, receipt))

    return submitted


def skipping(services: Services) -> Any:
    """Puts the item at the end; an item that was judged before stays as it is."""

    def skipped(signed: object, kept: object, request: gr.Request) -> tuple[Any, ...]:
        who = annotator(services, signed, request)
        if who is None:
            return welcome(services)
        desk = desks.kept_desk(services, who, kept)
        before = desks.skipped_in(kept)
        new = desk.item.key if desk and desk.item and not desk.earlier else None
        keys = before if new is None else (*(key for key in before if key != new), new)
        return shown(services, who, signed, desks.next_desk(services, who, keys))

    return skipped


def going_back(services: Services) -> Any:
    """The item judged before this one, to be looked at or changed."""

    def gone_back(signed: object, kept: object, request: gr.Request) -> tuple[Any, ...]:
        who = annotator(services, signed, request)
        if who is None:
            return welcome(services)
        desk = desks.kept_desk(services, who, kept) or desks.next_desk(services, who, desks.skipped_in(kept))
        return shown(services, who, signed, desks.earlier_desk(services, who, desk))

    return gone_back
