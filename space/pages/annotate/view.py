"""What the form shows: an item's evidence, the questions that apply, progress and receipts, as updates in order."""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr

from annotation import form
from annotation.identity.pseudonyms import handle
from annotation.report.phrases import counted_words
from annotation.study.study import Study
from annotation.types import Item, Receipt
from maps.types import HeadId
from space.components.markup import beside, mappings, notice, text
from space.components.tally import tally
from space.pages.annotate.desk import Desk
from space.pages.annotate.practice import feedback
from space.services import Services
from space.studies.current import closed

EMPTY = "There is nothing to judge: no head has a description yet."


class Form(NamedTuple):
    """The page's components in the order in which handlers return them."""

    token: gr.BrowserState
    desk: gr.BrowserState
    draft: gr.BrowserState
    copies: gr.JSON
    said: gr.HTML
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


def dependent(answers: form.Answers, open_: bool = True) -> tuple[Any, Any]:
    """Questions two and three: shown only where they apply. Hidden ones stay on the page, so that they are emptied."""
    fields = form.asked(answers.presence)
    return (
        gr.update(visible=True if "precision" in fields else "hidden", value=answers.precision, interactive=open_),
        gr.update(visible=True if "category" in fields else "hidden", value=answers.category, interactive=open_),
    )


def welcome(services: Services, study: Study, wanted: Item | None = None, said: str = "") -> tuple[Any, ...]:
    """The page before signing in; remembers the study and the item that the address asks for.

    Where nothing was `said`, it tells why nobody can judge at the moment.
    """
    item = None if wanted is None else handle(wanted.key, services.key)
    reason = closed(services, study) or ("" if study.order else EMPTY)
    return in_order(
        welcome=gr.update(visible=True),
        room=gr.update(visible=False),
        desk={"study": study.name, "wanted": item},
        said=said or (notice(reason) if reason else ""),
    )


def entered(signed: object, desk: Desk, said: str = "") -> tuple[Any, ...]:
    """The form in place of the welcome. Only here: showing a column shows what is hidden in it, too."""
    update = dict(zip(Form._fields, shown(signed, desk), strict=True))
    more = {"welcome": gr.update(visible=False), "room": gr.update(visible=True), "said": said}
    return in_order(**update | more)


def shown(signed: object, desk: Desk, message: str = "", **more: Any) -> tuple[Any, ...]:
    """The whole form for a desk, in the order of `Form`."""
    here = desk.item is not None
    taught = desk.example is not None and desk.earlier is not None
    precision, category = dependent(desk.answers, not taught)
    if desk.example is not None and desk.earlier is not None:
        message = feedback(desk.example, desk.answers)
    return in_order(
        token=signed,
        desk=desk.kept(),
        draft=desk.draft(),
        evidence=evidence(desk),
        progress=progress_line(desk),
        judged=judged_text(desk),
        presence=gr.update(visible=here, value=desk.answers.presence, interactive=not taught),
        precision=precision,
        category=category,
        comment=gr.update(visible=here and desk.example is None, value=desk.answers.comment),
        message=message,
        skip=gr.update(visible=here and (taught or desk.example is None), value=skip_words(desk)),
        back=gr.update(interactive=desk.progress.done > 0),
        submit=gr.update(visible=here and not taught, value="Change" if desk.earlier else "Submit"),
        **more,
    )


def skip_words(desk: Desk) -> str:
    """What the button beside Submit says."""
    if desk.example is not None:
        return "Go on"
    return "Leave it" if desk.earlier else "Skip"


def evidence(desk: Desk) -> str:
    """All mappings; below them, where no study was created, what others answered, to whom has answered."""
    item = desk.item
    if item is None:
        return notice(desk.closed or why_empty(desk))
    others = ""
    if desk.earlier is not None and desk.seat.is_open:
        current = desk.seat.services.journal.current(item.study, item=item)
        rows = [row for row in current if row != desk.earlier]
        others = (
            f"<h2>What others answered</h2>{tally(rows)}" if rows else notice("Nobody else has judged this item yet.")
        )
    title = f"Mappings of {head_of(desk)}" if desk.seat.is_open else "Mappings"
    own = mappings(desk.seat.shown(item).mappings, first=None, linked=False)
    return beside(f"<h1>{title}</h1>{own}{others}", title)


def why_empty(desk: Desk) -> str:
    """Why there is no item for this annotator, in words."""
    changeable = "Back shows your answers, which you can still change."
    if desk.seat.is_open:
        return f"You have judged every item. Thank you. {changeable}"
    most = desk.seat.study.settings.per_annotator
    if most is not None and desk.progress.done >= most:
        return f"You have judged the {most:,} items that you were asked for. Thank you. {changeable}"
    return (
        "There is no item for you at the moment: each is judged by as many people as it needs, or being judged. "
        f"Thank you; you may look again later. {changeable}"
    )


def head_of(desk: Desk) -> str:
    """The head on the desk. Only named where no study was created: its own page would give a control away."""
    return f"{HeadId(desk.item.layer, desk.item.head)}" if desk.item and desk.seat.is_open else ""


def judged_text(desk: Desk) -> str:
    """The description that is judged, in plain text beside the mappings; not who wrote it."""
    if desk.item is None:
        return ""
    said = desk.seat.shown(desk.item)
    return (
        f'<dl class="judged"><dt>Inputs</dt><dd>{text(said.input_strings)}</dd>'
        f"<dt>Pattern</dt><dd>{text(said.observed_pattern)}</dd></dl>"
    )


def progress_line(desk: Desk) -> str:
    """`12 of 40, about 25 minutes left`; of worked examples `Practice, 2 of 3: not counted`."""
    who = f"<small>signed in as {text(desk.seat.who.name)}</small>"
    if desk.example is not None:
        number, of = list(desk.seat.examples).index(desk.example.item.key) + 1, len(desk.seat.examples)
        return f"<p><b>Practice</b>, {number} of {of}: a worked example, not counted {who}</p>"
    done = desk.progress
    left = ""
    if done.minutes_left is not None and done.done < done.total:
        left = f", about {counted_words(max(1, round(done.minutes_left)), 'minute')} left"
    share = done.done / done.total if done.total else 0
    return (
        f'<p><progress value="{share:.3f}" max="1" aria-label="judged"></progress> '
        f"{done.done:,} of {done.total:,}{left} {who}</p>"
    )


def receipt_line(desk: Desk, receipt: Receipt) -> str:
    """What an annotator gets back once a judgment is safe: where it is."""
    again = " It was there already: stored once." if receipt.duplicate else ""
    moment = receipt.stored_at.strftime("%H:%M:%S UTC")
    where = ""
    if receipt.published is not None:
        where = f" Published in commit {receipt.published[:7]}."
    elif desk.seat.services.ledger is not None:
        where = " Not yet published; this browser keeps a copy until it is."
    name = head_of(desk)
    what = f"Stored: {name} at" if name else "Stored at"
    return notice(f"{what} {moment}, receipt {receipt.judgment_id[:8]}.{again}{where}", "receipt")
