"""What the form shows: an item's evidence, the questions that apply, progress and receipts, as updates in order."""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr

from annotation import form
from annotation.identity.pseudonyms import derive_item_handle
from annotation.report.phrases import count_with_noun
from annotation.study.study import Study
from annotation.types import Receipt, StudyItem
from maps.types import HeadId
from space.components.markup import Html, escape_html, mapping_list, notice, sticky_panel
from space.components.tally import answer_counts_html
from space.pages.annotate.desk import AnnotationTask
from space.pages.annotate.practice import feedback_html
from space.services import Services
from space.studies.current import judging_closed_reason

NO_ITEMS = "There is nothing to judge: no head has a description yet."


class AnnotateComponents(NamedTuple):
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


def ordered_updates(**updates: Any) -> tuple[Any, ...]:
    """Updates in the order of `AnnotateComponents`; what is not named stays as it is."""
    if unknown := updates.keys() - set(AnnotateComponents._fields):
        raise ValueError(f"the form has no {unknown}")
    return tuple(updates.get(name, gr.skip()) for name in AnnotateComponents._fields)


def dependent_question_updates(answers: form.Answers, is_editable: bool = True) -> tuple[Any, Any]:
    """Questions two and three: shown only where they apply. Hidden ones stay on the page, so that they are emptied."""
    fields = form.applicable_fields(answers.codes_by_field())
    return (
        gr.update(
            visible=True if "precision" in fields else "hidden", value=answers.precision, interactive=is_editable
        ),
        gr.update(visible=True if "category" in fields else "hidden", value=answers.category, interactive=is_editable),
    )


def welcome_updates(
    services: Services, study: Study, requested_item: StudyItem | None = None, notices: str = ""
) -> tuple[Any, ...]:
    """The page before signing in; remembers the study and the item that the address asks for.

    Where nothing was `notices`, it tells why nobody can judge at the moment.
    """
    item = None if requested_item is None else derive_item_handle(requested_item.key, services.pseudonym_key)
    reason = judging_closed_reason(services, study) or ("" if study.order else NO_ITEMS)
    return ordered_updates(
        welcome=gr.update(visible=True),
        room=gr.update(visible=False),
        desk={"study": study.name, "wanted": item},
        said=notices or (notice(reason) if reason else ""),
    )


def open_form_updates(token: object, task: AnnotationTask, notices: str = "") -> tuple[Any, ...]:
    """The form in place of the welcome. Only here: showing a column shows what is hidden in it, too."""
    update = dict(zip(AnnotateComponents._fields, task_updates(token, task), strict=True))
    more = {"welcome": gr.update(visible=False), "room": gr.update(visible=True), "said": notices}
    return ordered_updates(**update | more)


def task_updates(token: object, task: AnnotationTask, message: str = "", **more: Any) -> tuple[Any, ...]:
    """The whole form for a desk, in the order of `AnnotateComponents`."""
    here = task.item is not None
    taught = task.practice_example is not None and task.earlier_judgment is not None
    precision, category = dependent_question_updates(task.answers, not taught)
    if task.practice_example is not None and task.earlier_judgment is not None:
        message = feedback_html(task.practice_example, task.answers)
    return ordered_updates(
        token=token,
        desk=task.browser_state(),
        draft=task.draft(),
        evidence=evidence_html(task),
        progress=progress_html(task),
        judged=description_html(task),
        presence=gr.update(visible=here, value=task.answers.presence, interactive=not taught),
        precision=precision,
        category=category,
        comment=gr.update(visible=here and task.practice_example is None, value=task.answers.comment),
        message=message,
        skip=gr.update(visible=here and (taught or task.practice_example is None), value=skip_button_label(task)),
        back=gr.update(interactive=task.progress.done > 0),
        submit=gr.update(visible=here and not taught, value="Change" if task.earlier_judgment else "Submit"),
        **more,
    )


def skip_button_label(task: AnnotationTask) -> str:
    """What the button beside Submit says."""
    if task.practice_example is not None:
        return "Go on"
    return "Leave it" if task.earlier_judgment else "Skip"


def evidence_html(task: AnnotationTask) -> str:
    """All mappings; below them, where no study was created, what others answered, to whom has answered."""
    item = task.item
    if item is None:
        return notice(task.closed_reason or no_item_reason(task))
    others = Html("")
    if task.earlier_judgment is not None and task.participant.is_in_open_study:
        current = task.participant.services.journal.current_judgments(item.study, item=item)
        rows = [row for row in current if row != task.earlier_judgment]
        others = (
            Html("<h2>What others answered</h2>{}").format(answer_counts_html(rows))
            if rows
            else notice("Nobody else has judged this item yet.")
        )
    title = f"Mappings of {head_name(task)}" if task.participant.is_in_open_study else "Mappings"
    own = mapping_list(task.participant.item_content(item).mappings, shown_count=None, linked=False)
    return sticky_panel(Html("<h1>{}</h1>{}{}").format(title, own, others), title)


def no_item_reason(task: AnnotationTask) -> str:
    """Why there is no item for this annotator, in words."""
    changeable = "Back shows your answers, which you can still change."
    if task.participant.is_in_open_study:
        return f"You have judged every item. Thank you. {changeable}"
    most = task.participant.study.settings.per_annotator
    if most is not None and task.progress.done >= most:
        return f"You have judged the {most:,} items that you were asked for. Thank you. {changeable}"
    return (
        "There is no item for you at the moment: each is judged by as many people as it needs, or being judged. "
        f"Thank you; you may look again later. {changeable}"
    )


def head_name(task: AnnotationTask) -> str:
    """The head on the desk. Only named where no study was created: its own page would give a control away."""
    return f"{HeadId(task.item.layer, task.item.head)}" if task.item and task.participant.is_in_open_study else ""


def description_html(task: AnnotationTask) -> str:
    """The description that is judged, in plain text beside the mappings; not who wrote it."""
    if task.item is None:
        return ""
    said = task.participant.item_content(task.item)
    return (
        f'<dl class="judged"><dt>Inputs</dt><dd>{escape_html(said.input_strings)}</dd>'
        f"<dt>Pattern</dt><dd>{escape_html(said.observed_pattern)}</dd></dl>"
    )


def progress_html(task: AnnotationTask) -> str:
    """`12 of 40, about 25 minutes left`; of worked examples `Practice, 2 of 3: not counted`."""
    who = f"<small>signed in as {escape_html(task.participant.annotator.name)}</small>"
    if task.practice_example is not None:
        number, of = (
            list(task.participant.examples_by_key).index(task.practice_example.item.key) + 1,
            len(task.participant.examples_by_key),
        )
        return f"<p><b>Practice</b>, {number} of {of}: a worked example, not counted {who}</p>"
    done = task.progress
    left = ""
    if done.minutes_left is not None and done.done < done.total:
        left = f", about {count_with_noun(max(1, round(done.minutes_left)), 'minute')} left"
    share = done.done / done.total if done.total else 0
    return (
        f'<p><progress value="{share:.3f}" max="1" aria-label="judged"></progress> '
        f"{done.done:,} of {done.total:,}{left} {who}</p>"
    )


def receipt_html(task: AnnotationTask, receipt: Receipt) -> str:
    """What an annotator gets back once a judgment is safe: where it is."""
    again = " It was there already: stored once." if receipt.is_duplicate else ""
    moment = receipt.stored_at.strftime("%H:%M:%S UTC")
    where = ""
    if receipt.published_commit is not None:
        where = f" Published in commit {receipt.published_commit[:7]}."
    elif task.participant.services.ledger is not None:
        where = " Not yet published; this browser keeps a copy until it is."
    name = head_name(task)
    what = f"Stored: {name} at" if name else "Stored at"
    return notice(f"{what} {moment}, receipt {receipt.judgment_id[:8]}.{again}{where}", "receipt")
