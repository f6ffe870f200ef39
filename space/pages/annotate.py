"""The form: evidence on the left, the three questions on the right, one item after the other."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import gradio as gr

from annotation import form, identity
from annotation.form import CATEGORY, CONSENT, GUIDELINES, GUIDELINES_VERSION, PRECISION, PRESENCE, Question
from annotation.journal import JournalError
from maps.types import HeadId
from space import desk as desks
from space.browser import browser_draft, browser_token
from space.desk import Annotator, annotator_of
from space.form_view import Form, dependent, in_order, receipt_line, shown, welcome
from space.markup import notice, text
from space.services import Services
from space.spoken import spoken

KEYS = (
    "Keys: 1 to 4 answer the marked question, Enter submits (Ctrl+Enter in the comment), Backspace goes back, "
    "S skips, ? opens this."
)


def build(services: Services, page: gr.Blocks) -> None:
    """Lays out the page and wires its events."""
    token, draft = browser_token(), browser_draft()
    with gr.Column(elem_id="welcome") as welcome:
        gr.HTML("<h1>Judge descriptions of attention heads</h1>")
        gr.Markdown(GUIDELINES)
        gr.HTML(f"<p>{text(CONSENT)}</p>")
        name = gr.Textbox(label="Your name", max_length=identity.LONGEST_NAME, elem_id="name", autofocus=True)
        problem = gr.HTML()
        enter = gr.Button("I agree: start", variant="primary", elem_id="agree")
    fields = laid_out(token, draft, welcome)
    wire(services, page, fields)
    for trigger in (enter.click, name.submit):
        trigger(
            signing_in(services),
            name,
            [problem, *fields],
            queue=False,
            api_visibility="private",
        )


def laid_out(token: gr.BrowserState, draft: gr.BrowserState, welcome: gr.Column) -> Form:
    """The two columns of the form."""
    with gr.Column(visible=False, elem_id="desk") as desk, gr.Row():
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
        draft,
        welcome,
        desk,
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
    first = question is PRESENCE
    return gr.Radio(choices, label=question.text, visible=first, elem_id=question.field, elem_classes="question")


def wire(services: Services, page: gr.Blocks, fields: Form) -> None:
    """Events of the form. Every handler finds out again who is asking."""
    outputs = list(fields)
    quick: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    page.load(opening(services), [fields.token, fields.draft], outputs, **quick)
    sent = [fields.token, fields.draft, *fields.answers]
    keeping = [fields.draft, fields.precision, fields.category, fields.message]
    for answer in fields.answers:
        answer.input(keeper(services), sent, keeping, **quick)
    fields.submit.click(submitting(services), sent, outputs, **quick)
    fields.skip.click(skipping(services), [fields.token, fields.draft], outputs, **quick)
    fields.back.click(going_back(services), [fields.token, fields.draft], outputs, **quick)


def opening(services: Services) -> Any:
    """The page's load: the item in the address, else the draft, else the next item; without a token the welcome."""

    @spoken
    def opened(signed: object, draft: object, request: gr.Request) -> tuple[Any, ...]:
        who = annotator_of(services, signed)
        if who is None:
            return welcome(services)
        item = wanted(services, request.query_params)
        desk = desks.restored_desk(services, who, draft)
        if item is not None and desk.item != services.study.by_head[item]:
            desk = desks.opened_desk(services, who, services.study.by_head[item], desk.skipped)
        return shown(services, who, signed, desk)

    return opened


def wanted(services: Services, query: Mapping[str, str]) -> HeadId | None:
    """The head that an address asks to judge, where it is in the study."""
    layer, head = query.get("layer", ""), query.get("head", "")
    if not (layer.isdecimal() and head.isdecimal() and len(layer + head) < 12):
        return None
    found = HeadId(int(layer), int(head))
    return found if found in services.study.by_head else None


def signing_in(services: Services) -> Any:
    """Notes the consent and hands out the token."""

    @spoken
    def signed_in(name: str) -> tuple[Any, ...]:
        if problems := identity.problems_with_name(name):
            return notice(" ".join(problems), "problem"), *in_order()
        who = Annotator(name, identity.pseudonym(name, services.key))
        services.journal.consent(who.pseudonym, name.strip(), GUIDELINES_VERSION)
        signed = identity.signed(name, services.key, int(time.time()))
        return "", *shown(services, who, signed, desks.next_desk(services, who, ()))

    return signed_in


def keeper(services: Services) -> Any:
    """An answer was given: keeps the draft, shows the questions that apply now, clears those that do not."""

    def kept(signed: object, draft: object, *given: str | None) -> tuple[Any, ...]:
        answers = form.cleared(*given)
        who = annotator_of(services, signed)
        desk = desks.drafted_desk(services, who, draft) if who else None
        if desk is None:
            return gr.skip(), gr.skip(), gr.skip(), notice("Reload the page: it does not know you any more.", "problem")
        return replace(desk, answers=answers).draft(), *dependent(answers), ""

    return kept


def submitting(services: Services) -> Any:
    """Stores the answers, then shows the receipt and the next item. What is missing is said and nothing is lost."""

    def submitted(signed: object, draft: object, *given: str | None) -> tuple[Any, ...]:
        who = annotator_of(services, signed)
        if who is None:
            return welcome(services)
        desk = desks.drafted_desk(services, who, draft)
        if desk is None:
            return shown(services, who, signed, desks.restored_desk(services, who, draft))
        desk = replace(desk, answers=form.cleared(*given))
        problems = form.problems(desk.answers)
        if problems:
            return shown(services, who, signed, desk, notice(" ".join(problems), "problem"))
        try:
            receipt = desks.submit(services, who, desk)
        except JournalError as error:
            return shown(services, who, signed, desk, notice(str(error), "problem"))
        after = desks.next_desk(services, who, desk.skipped)
        return shown(services, who, signed, after, receipt_line(desk, receipt))

    return submitted


def skipping(services: Services) -> Any:
    """Puts the item at the end; an item that was judged before stays as it is."""

    def skipped(signed: object, draft: object) -> tuple[Any, ...]:
        who = annotator_of(services, signed)
        if who is None:
            return welcome(services)
        desk = desks.drafted_desk(services, who, draft)
        before = desks.skipped_in(draft)
        new = desk.item.key if desk and desk.item and not desk.earlier else None
        keys = before if new is None else (*(key for key in before if key != new), new)
        return shown(services, who, signed, desks.next_desk(services, who, keys))

    return skipped


def going_back(services: Services) -> Any:
    """The item judged before this one, to be looked at or changed."""

    def gone_back(signed: object, draft: object) -> tuple[Any, ...]:
        who = annotator_of(services, signed)
        if who is None:
            return welcome(services)
        desk = desks.drafted_desk(services, who, draft) or desks.next_desk(services, who, desks.skipped_in(draft))
        return shown(services, who, signed, desks.earlier_desk(services, who, desk))

    return gone_back
