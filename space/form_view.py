"""What the form shows: an item's evidence, the questions that apply, progress and receipts, as updates in order."""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr

from annotation import form
from annotation.types import Receipt
from maps.types import HeadId
from space.desk import Desk
from space.markup import mappings, notice, text
from space.openness import closed
from space.services import Services
from space.sessions import Annotator
from space.tally import tally


class Form(NamedTuple):
    """The page's components in the order in which handlers return them."""

    token: gr.BrowserState
    desk: gr.BrowserState
    draft: gr.BrowserState
    welcome: gr.Column
    room: gr.Column
    evidence: gr.HTML
    progress: gr.HTML
    judged: gr.HTML
    presence: gr.Radio
    precision: gr.Radio
    category: gr.Radio
    comment: gr.Textbox
    message: gr.HTML
    skip: gr.Button
    back: gr.Button
    submit: gr.Button

    @property
    def answers(self) -> list[gr.Radio | gr.Textbox]:
        """What the annotator fills in."""
        return [self.presence, self.precision, self.category, self.comment]


def in_order(**updates: Any) -> tuple[Any, ...]:
    """Updates in the order of `Form`; what is not named stays as it is."""
    if unknown := updates.keys() - set(Form._fields):
        raise ValueError(f"the form has no {unknown}")
    return tuple(updates.get(name, gr.skip()) for name in Form._fields)


def dependent(answers: form.Answers) -> tuple[Any, Any]:
    """Questions two and three: shown only where they apply. Hidden ones stay on the page, so that they are emptied."""
    fields = form.asked(answers.presence)
    return (
        gr.update(visible=True if "precision" in fields else "hidden", value=answers.precision),
        gr.update(visible=True if "category" in fields else "hidden", value=answers.category),
    )


def welcome(services: Services, wanted: HeadId | None = None) -> tuple[Any, ...]:
    """The page before signing in; remembers the head that the address asks to judge."""
    desk = gr.skip() if wanted is None else {"wanted": services.study.by_head[wanted].key}
    empty = "" if services.study.order else notice("There is nothing to judge: no head has a description yet.")
    return in_order(welcome=gr.update(visible=True), room=gr.update(visible=False), desk=desk, message=empty)


def entered(services: Services, who: Annotator, signed: object, desk: Desk) -> tuple[Any, ...]:
    """The form in place of the welcome. Only here: showing a column shows what is hidden in it, too."""
    update = dict(zip(Form._fields, shown(services, who, signed, desk), strict=True))
    return in_order(**update | {"welcome": gr.update(visible=False), "room": gr.update(visible=True)})


def shown(services: Services, who: Annotator, signed: object, desk: Desk, message: str = "") -> tuple[Any, ...]:
    """The whole form for a desk, in the order of `Form`."""
    here = desk.item is not None
    precision, category = dependent(desk.answers)
    return in_order(
        token=signed,
        desk=desk.kept(),
        draft=desk.draft(),
        evidence=evidence(services, desk),
        progress=progress_line(who, desk),
        judged=judged_text(services, desk),
        presence=gr.update(visible=here, value=desk.answers.presence),
        precision=precision,
        category=category,
        comment=gr.update(visible=here, value=desk.answers.comment),
        message=message,
        skip=gr.update(visible=here, value="Leave it" if desk.earlier else "Skip"),
        back=gr.update(interactive=desk.progress.done > 0),
        submit=gr.update(visible=here, value="Change" if desk.earlier else "Submit"),
    )


def evidence(services: Services, desk: Desk) -> str:
    """All mappings; below them what others answered, to whom has answered."""
    item = desk.item
    if item is None:
        return notice("You have judged every item. Thank you. Back shows your answers, which you can still change.")
    others = ""
    if desk.earlier is not None and closed(services, services.study) is None:
        rows = [row for row in services.journal.current(item.study, item=item) if row != desk.earlier]
        others = (
            f"<h2>What others answered</h2>{tally(rows)}" if rows else notice("Nobody else has judged this item yet.")
        )
    return (
        f"<h2>Mappings of {HeadId(item.layer, item.head)}</h2>"
        f"{mappings(services.study.shown[item.key].mappings, first=None)}"
        f"{others}"
    )


def judged_text(services: Services, desk: Desk) -> str:
    """The description that is judged, in plain text beside the mappings; not who wrote it."""
    if desk.item is None:
        return ""
    said = services.study.shown[desk.item.key]
    return (
        f'<dl class="judged"><dt>Inputs</dt><dd>{text(said.input_strings)}</dd>'
        f"<dt>Pattern</dt><dd>{text(said.observed_pattern)}</dd></dl>"
    )


def progress_line(who: Annotator, desk: Desk) -> str:
    """`12 of 40, about 25 minutes left`."""
    done = desk.progress
    left = ""
    if done.minutes_left is not None and done.done < done.total:
        left = f", about {max(1, round(done.minutes_left)):,} minutes left"
    share = done.done / done.total if done.total else 0
    return (
        f'<p><progress value="{share:.3f}" max="1" aria-label="judged"></progress> '
        f"{done.done:,} of {done.total:,}{left} <small>signed in as {text(who.name)}</small></p>"
    )


def receipt_line(desk: Desk, receipt: Receipt) -> str:
    """What an annotator gets back once a judgment is safe."""
    head = f"{HeadId(desk.item.layer, desk.item.head)}" if desk.item else ""
    again = " It was there already: stored once." if receipt.duplicate else ""
    moment = receipt.stored_at.strftime("%H:%M:%S UTC")
    return notice(f"Stored: {head} at {moment}, receipt {receipt.judgment_id[:8]}.{again}", "receipt")
