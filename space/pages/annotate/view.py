"""What the annotator's page shows of a task: the evidence, the questions that apply, progress and receipts."""

from __future__ import annotations

from typing import Literal, NamedTuple

import gradio as gr
from gradio.blocks import Block

from annotation import form
from annotation.identity.pseudonyms import derive_item_handle
from annotation.study.study import Study
from annotation.types import Receipt, StudyItem
from maps.text import pluralize
from maps.types import HeadId
from space.components.markup import Html, mapping_list, notice, sticky_panel
from space.components.tally import answer_counts_html
from space.pages.annotate.practice import feedback_html
from space.pages.annotate.task import AnnotationTask
from space.services import Services
from space.studies.current import judging_closed_reason
from space.web.updates import Updates

NO_ITEMS = "There is nothing to judge yet: no head has a description."
CHANGE_HINT = "You can close this page. To look at your answers or change them, press Back."


class AnnotateComponents(NamedTuple):
    """The components that handlers read and fill."""

    token: gr.BrowserState
    task: gr.BrowserState
    draft: gr.BrowserState
    copies: gr.JSON
    notices: gr.HTML
    welcome_column: gr.Column
    name: gr.Textbox
    agree_button: gr.Button
    form_column: gr.Column
    evidence: gr.HTML
    progress: gr.HTML
    description: gr.HTML
    questions: dict[str, gr.Radio]  # by the field of the question
    comment: gr.Textbox
    message: gr.HTML
    back_button: gr.Button
    skip_button: gr.Button
    submit_button: gr.Button

    def outputs(self) -> list[Block]:
        return [*(part for part in self if isinstance(part, Block)), *self.questions.values()]

    def dependent_questions(self) -> list[gr.Radio]:
        """The questions that are not always asked."""
        return [self.questions[question.field] for question in form.QUESTIONS if question.asked_when]


class AnnotatePage(NamedTuple):
    """The page as a handler sees it."""

    services: Services
    components: AnnotateComponents


def welcome_updates(
    page: AnnotatePage, study: Study, requested_item: StudyItem | None = None, notices: str = ""
) -> Updates:
    """The page before signing in. The browser keeps the study and the item that the address asked for.

    Without other notices, it says why nobody can judge at the moment, if that is so.
    """
    c = page.components
    key = page.services.pseudonym_key
    reason = judging_closed_reason(page.services, study) or ("" if study.order else NO_ITEMS)
    return {
        c.welcome_column: gr.update(visible=True),
        c.form_column: gr.update(visible=False),
        c.task: {
            "study": study.name,
            "wanted": None if requested_item is None else derive_item_handle(requested_item.key, key),
        },
        c.notices: notices or (notice(reason) if reason else ""),
    }


def open_form_updates(page: AnnotatePage, token: object, task: AnnotationTask, notices: str = "") -> Updates:
    """The form in place of the welcome. Only used here: making a column visible also shows what is hidden in it."""
    c = page.components
    return task_updates(page, token, task) | {
        c.welcome_column: gr.update(visible=False),
        c.form_column: gr.update(visible=True),
        c.notices: notices,
    }


def task_updates(page: AnnotatePage, token: object, task: AnnotationTask) -> Updates:
    c = page.components
    has_item, example = task.item is not None, task.practice_example
    is_answered_example = example is not None and task.earlier_judgment is not None
    feedback = feedback_html(example, task.answers) if example is not None and is_answered_example else ""
    return question_updates(c.questions, task.answers, has_item, is_editable=not is_answered_example) | {
        c.token: token,
        c.task: task.browser_state(),
        c.draft: task.draft(),
        c.evidence: evidence_html(task),
        c.progress: progress_html(task),
        c.description: description_html(task),
        c.comment: gr.update(visible=has_item and example is None, value=task.answers.comment),
        c.message: feedback,
        c.back_button: gr.update(interactive=task.progress.done > 0),
        c.skip_button: gr.update(
            visible=has_item and (is_answered_example or example is None), value=skip_button_label(task)
        ),
        c.submit_button: gr.update(
            visible=has_item and not is_answered_example, value="Change" if task.earlier_judgment else "Submit"
        ),
    }


def question_updates(
    questions: dict[str, gr.Radio], answers: form.Answers, has_item: bool = True, is_editable: bool = True
) -> Updates:
    """The questions with their answers; dependent questions are shown only where they apply.

    A dependent question is hidden in the page, not removed from it, so that its answer is cleared too.
    """
    codes = answers.codes_by_field()
    fields = form.applicable_fields(codes)
    updates: Updates = {}
    for question in form.QUESTIONS:
        visible: bool | Literal["hidden"] = has_item
        if question.asked_when:
            visible = True if question.field in fields else "hidden"
        updates[questions[question.field]] = gr.update(
            visible=visible, value=codes[question.field], interactive=is_editable
        )
    return updates


def skip_button_label(task: AnnotationTask) -> str:
    if task.practice_example is not None:
        return "Next"
    return "Keep" if task.earlier_judgment else "Skip"


def evidence_html(task: AnnotationTask) -> Html:
    """All mappings. In the open study, whoever has judged the item also sees what others answered."""
    item, in_open_study = task.item, task.participant.is_in_open_study
    if item is None:
        return notice(task.closed_reason or no_item_reason(task))
    others = Html("")
    if task.earlier_judgment is not None and in_open_study:
        current = task.participant.services.journal.current_judgments(item.study, item=item)
        rows = [row for row in current if row != task.earlier_judgment]
        if rows:
            others = Html("<h2>What others answered</h2>{}").format(answer_counts_html(rows))
        else:
            others = notice("Nobody else has judged this item yet.")
    title = f"Mappings of {head_name(task)}" if in_open_study else "Mappings"
    mappings = mapping_list(task.participant.item_content(item).mappings, shown_count=None, linked=False)
    return sticky_panel(Html("<h1>{}</h1>{}{}").format(title, mappings, others), title)


def no_item_reason(task: AnnotationTask) -> str:
    study, done = task.participant.study, task.progress.done
    if done >= len(study.order):
        return f"All done: you judged all {pluralize(done, 'item')}. Thank you! {CHANGE_HINT}"
    limit = study.settings.per_annotator
    if limit is not None and done >= limit:
        return f"All done: you judged the {pluralize(limit, 'item')} we asked you for. Thank you! {CHANGE_HINT}"
    return (
        f"All done for now: you judged {pluralize(done, 'item')}. The others have enough answers, or someone is "
        f"judging them at the moment; you are welcome to look in again later. Thank you! {CHANGE_HINT}"
    )


def head_name(task: AnnotationTask) -> str:
    """The head, named only in the open study: in a created one its own page would give a control away."""
    return f"{HeadId(task.item.layer, task.item.head)}" if task.item and task.participant.is_in_open_study else ""


def description_html(task: AnnotationTask) -> Html:
    """The description to judge, in plain text; not who wrote it."""
    if task.item is None:
        return Html("")
    content = task.participant.item_content(task.item)
    return Html('<dl class="judged"><dt>Inputs</dt><dd>{}</dd><dt>Pattern</dt><dd>{}</dd></dl>').format(
        content.input_strings, content.observed_pattern
    )


def progress_html(task: AnnotationTask) -> Html:
    """`12 of 40, about 25 minutes left`; for worked examples `Practice, 2 of 3`."""
    who = Html("<small>signed in as {}</small>").format(task.participant.annotator.name)
    if task.practice_example is not None:
        keys = list(task.participant.examples_by_key)
        number = keys.index(task.practice_example.item.key) + 1
        return Html("<p><b>Practice</b>, {} of {}: a worked example, which does not count {}</p>").format(
            number, len(keys), who
        )
    progress = task.progress
    left = ""
    if progress.minutes_left is not None and progress.done < progress.total:
        left = f", about {pluralize(max(1, round(progress.minutes_left)), 'minute')} left"
    share = progress.done / progress.total if progress.total else 0
    return Html('<p><progress value="{:.3f}" max="1" aria-label="Progress"></progress> {:,} of {:,}{} {}</p>').format(
        share, progress.done, progress.total, left, who
    )


def receipt_html(task: AnnotationTask, receipt: Receipt) -> Html:
    """The confirmation that a judgment is stored, and whether it is published."""
    name = head_name(task)
    sentences = [
        f"Stored{f': {name}' if name else ''} at {receipt.stored_at:%H:%M:%S UTC}, receipt {receipt.judgment_id[:8]}."
    ]
    if receipt.is_duplicate:
        sentences.append("This answer was stored before; it is kept once.")
    if receipt.published_commit is not None:
        sentences.append(f"Published in commit {receipt.published_commit[:7]}.")
    elif task.participant.services.ledger is not None:
        sentences.append("Not yet published; this browser keeps a copy until it is.")
    return notice(" ".join(sentences), "receipt")
