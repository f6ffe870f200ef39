"""The annotator's page laid out, and what it shows of a task: the evidence, the questions that apply, the receipt."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import gradio as gr
from gradio.blocks import Block

from annotation import form
from annotation.form import CONSENT_SENTENCE, GUIDELINES, FormQuestion
from annotation.identity.pseudonyms import MAX_NAME_LENGTH
from annotation.study.file import StoredMappings
from annotation.study.practice import PracticeExample
from annotation.study.study import Study
from annotation.types import Receipt, StudyItem
from maps.text import pluralize
from maps.types import HeadId, Mapping
from space.components.markup import Html, anchor, join_html, mapping_list, notice, sticky_panel
from space.components.tally import answer_counts_html
from space.pages.annotate.ends import exit_html
from space.pages.annotate.task import AnnotationTask
from space.pages.annotate.welcome import practice_words, welcome_html
from space.services import Services
from space.studies.current import judging_closed_reason
from space.web.browser_storage import draft_state, task_state, token_state
from space.web.sessions import Annotator
from space.web.updates import Updates

NO_ITEMS = "There is nothing to judge at the moment: no head has a description that is shown."
NO_PLACES = "Nothing is left to judge here: the items have enough answers, or others are at them. Thank you for coming!"
LEAVE = "You can close this page."
CHANGE_HINT = "To look at your answers or change them, press Back."
KEYBOARD_HELP = (
    "**Keys.** 1 to 4 answer the marked question. Enter submits (in the comment: Ctrl+Enter). S skips, Backspace goes "
    "back, ? opens this help."
)
TOKEN_SIGNS = (
    "Each line: a token (a piece of text) and the five tokens that the head promotes for it. A raised dot (·) is a "
    "space, ⏎ a new line, ⇥ a tab; codes such as \\xE2 are bytes that are no text by themselves."
)
FRAME_HINT = Html("If signing in does not work inside the frame of huggingface.co, please use the {}.")


class AnnotatePage:
    """The page as a handler sees it: the services, and the components to read and fill, which are laid out here."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.token, self.task, self.draft = token_state(), task_state(), draft_state()
        self.copies = gr.JSON({}, visible="hidden", elem_id="copies")
        self.notices = gr.HTML(elem_id="notices")
        with gr.Column(elem_id="welcome", visible=False) as self.welcome_column:  # the load shows this or the form
            self.welcome = gr.HTML(elem_id="welcome-text")
            self.name, self.agree_button, self.decline_button = lay_out_welcome(services)
        with gr.Column(visible=False, elem_id="annotation-form") as self.form_column, gr.Row():
            with gr.Column(scale=3, elem_classes="evidence"):
                self.evidence = gr.HTML(elem_id="evidence")
            with gr.Column(scale=2, elem_id="questions"):
                self.progress = gr.HTML(elem_id="progress")
                self.description = gr.HTML(elem_id="description")
                self.questions, self.comment = lay_out_questions()
                self.message = gr.HTML(elem_id="message")
                with gr.Row():
                    self.back_button = gr.Button("Back", elem_id="back", min_width=80)
                    self.skip_button = gr.Button("Skip", elem_id="skip", min_width=80)
                    self.submit_button = gr.Button("Submit", variant="primary", elem_id="submit", min_width=80)
                with gr.Accordion("Guidelines and keys", open=False, elem_id="guidelines"):
                    gr.Markdown(f"{GUIDELINES}\n\n{KEYBOARD_HELP}")

        with self.form_column, gr.Accordion("My answers", open=False, elem_id="own-answers"):
            gr.HTML("<p>Your answers in this study, with the descriptions that you judged, as a table.</p>")
            self.own_answers_button = gr.Button("Download my answers (CSV)", elem_id="own-answers-csv", size="sm")
            self.own_answers_link = gr.HTML(elem_id="own-answers-link")

    def outputs(self) -> list[Block]:
        return [*(part for part in vars(self).values() if isinstance(part, Block)), *self.questions.values()]


def lay_out_welcome(services: Services) -> tuple[gr.Textbox, gr.Button, gr.Button]:
    """Guidelines, consent and sign-in; returns the field for the name and the buttons to start and to decline."""
    with gr.Accordion("Guidelines", open=False):
        gr.Markdown(GUIDELINES)
    privacy = anchor("privacy", "What is stored, where, and how to withdraw")
    gr.HTML(Html("<p>{} {}.</p>").format(CONSENT_SENTENCE, privacy))
    is_typed = not services.is_on_space
    name = gr.Textbox(label="Your name", max_length=MAX_NAME_LENGTH, elem_id="name", visible=is_typed)
    if services.has_login:
        gr.LoginButton()
    if services.public_address:
        direct = anchor(f"{services.public_address}/annotate", "direct address of this Space", target="_blank")
        gr.HTML(Html('<p class="hint">{}</p>').format(FRAME_HINT.format(direct)))
    agree_button = gr.Button("I agree: start", variant="primary", elem_id="agree")
    return name, agree_button, gr.Button("I do not take part", visible=False, elem_id="decline", size="sm")


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


def dependent_questions(questions: dict[str, gr.Radio]) -> list[gr.Radio]:
    """The questions that are not always asked."""
    return [questions[question.field] for question in form.QUESTIONS if question.asked_when]


def welcome_updates(
    page: AnnotatePage,
    study: Study,
    requested_item: StudyItem | None = None,
    notices: str = "",
    invitation: object = None,
    known: Annotator | None = None,
) -> Updates:
    """The page before the consent. The browser keeps the study, head and invitation that the address named.

    Without other notices, it says why nobody can judge at the moment, if that is so. Who is `known` by a personal link
    or a panel types no name; a panel's people can decline.
    """
    wanted = None if requested_item is None else str(HeadId(requested_item.layer, requested_item.head))
    reason = judging_closed_reason(page.services, study) or ("" if study.order else NO_ITEMS)
    is_from_panel = known is not None and known.panel == study.name
    return {
        page.welcome_column: gr.update(visible=True),
        page.welcome: welcome_html(study, known),
        page.name: gr.update(visible=known is None and not page.services.is_on_space),
        page.decline_button: gr.update(visible=is_from_panel),
        page.form_column: gr.update(visible=False),
        page.task: {"study": study.name, "wanted": wanted, "invitation": invitation},
        page.notices: notices or (notice(reason) if reason else ""),
    }


def open_form_updates(page: AnnotatePage, token: object, task: AnnotationTask, notices: str = "") -> Updates:
    """The form in place of the welcome. Only used here: making a column visible also shows what is hidden in it."""
    return task_updates(page, token, task) | {
        page.welcome_column: gr.update(visible=False),
        page.form_column: gr.update(visible=True),
        page.notices: notices,
    }


def task_updates(page: AnnotatePage, token: object, task: AnnotationTask) -> Updates:
    has_item, example = task.item is not None, task.practice_example
    is_answered_example = example is not None and task.earlier_judgment is not None
    feedback = feedback_html(example, task.answers) if example is not None and is_answered_example else ""
    can_skip, can_submit = has_item and (is_answered_example or example is None), has_item and not is_answered_example
    return question_updates(page.questions, task.answers, has_item, is_editable=not is_answered_example) | {
        page.token: token,
        page.task: task.browser_state(),
        page.draft: task.draft(),
        page.evidence: evidence_html(task),
        page.progress: progress_html(task),
        page.description: description_html(task),
        page.comment: gr.update(visible=has_item and example is None, value=task.answers.comment),
        page.message: feedback,
        page.back_button: gr.update(interactive=task.progress.done > 0),
        page.skip_button: gr.update(visible=can_skip, value=skip_button_label(task)),
        page.submit_button: gr.update(visible=can_submit, value="Change" if task.earlier_judgment else "Submit"),
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
        shown = gr.update(visible=visible, value=codes[question.field], interactive=is_editable)
        updates[questions[question.field]] = shown
    return updates


def feedback_html(example: PracticeExample, answers: form.Answers) -> Html:
    """For each question: whether the answer is right, which answer is better, and a sentence why."""
    right_codes, own_codes = example.answers.codes_by_field(), answers.codes_by_field()
    wrong, parts = example.wrong_fields(answers), []
    for question in form.QUESTIONS:
        right = right_codes[question.field]
        if right is None and own_codes[question.field] is None:
            continue
        verdict = "Right."
        if question.field in wrong:
            better = "this question is not asked here" if right is None else question.labels[right]
            verdict = f"Not quite. Better: {better}."
        name = question.short_name[0].upper() + question.short_name[1:]
        why = example.feedback.get(question.field, "")
        parts.append(Html("<p>{}: <b>{}</b> {}</p>").format(name, verdict, why))
    intro = Html('<div class="feedback notice" role="status"><p>This was a practice item.</p>{}</div>')
    return intro.format(join_html(parts))


def skip_button_label(task: AnnotationTask) -> str:
    if task.practice_example is not None:
        return "Next"
    return "Keep" if task.earlier_judgment else "Skip"


def evidence_html(task: AnnotationTask) -> Html:
    """All mappings. In the open study, whoever has judged the item also sees what others answered."""
    item, in_open_study = task.item, task.participant.is_in_open_study
    if item is None:
        way_out = exit_html(task.participant.study, task.outcome, task.participant.annotator)
        return notice(end_words(task)) + way_out + (notice(leave_words(bool(way_out))) if task.progress.done else "")
    others = Html("")
    if task.earlier_judgment is not None and in_open_study:
        current = task.participant.services.journal.current_judgments(item.study, item=item)
        rows = [row for row in current if row != task.earlier_judgment]
        if rows:
            others = Html("<h2>What others answered</h2>{}").format(answer_counts_html(rows))
        else:
            others = notice("Nobody else has judged this item yet.")
    title = f"Mappings of {head_name(task)}" if in_open_study else "Mappings"
    judged = task.participant.item_content(item).mappings
    mappings = judged_mappings_html(judged if isinstance(judged, StoredMappings) else tuple(judged))
    # Above the mappings, where it stays in view.
    on_phone = Html('<div class="on-phone">{}</div>').format(description_html(task))
    signs = Html('<p class="hint">{}</p>').format(TOKEN_SIGNS)
    return sticky_panel(Html("{}<h1>{}</h1>{}{}{}").format(on_phone, title, signs, mappings, others), title)


@lru_cache(maxsize=128)
def judged_mappings_html(mappings: StoredMappings | tuple[Mapping, ...]) -> Html:
    """All mappings of an item. Kept, because annotators are given the same items."""
    return mapping_list(tuple(mappings), shown_count=None, linked=False)


def end_words(task: AnnotationTask) -> str:
    """Why there is no item, and what happens next."""
    study, done = task.participant.study, task.progress.done
    if not done:
        return task.closed_reason or (NO_PLACES if study.order else NO_ITEMS)
    next_steps = study.settings.notice.next_steps if task.outcome != "screened_out" else ""
    return " ".join(filter(None, (task.closed_reason or done_words(study, done), next_steps)))


def leave_words(has_way_out: bool) -> str:
    """What somebody who has judged items may do at the end. Who has a code or link to follow is not told to leave."""
    return CHANGE_HINT if has_way_out else f"{LEAVE} {CHANGE_HINT}"


def done_words(study: Study, done: int) -> str:
    """Thanks to somebody who has judged so many items and is given no other."""
    if done >= len(study.order):
        return f"All done: you judged all {pluralize(done, 'item')}. Thank you!"
    limit = study.settings.per_annotator
    if limit is not None and done >= limit:
        return f"All done: you judged the {pluralize(limit, 'item')} we asked you for. Thank you!"
    return (
        f"All done for now: you judged {pluralize(done, 'item')}. The others have enough answers, or someone is "
        "judging them at the moment; you are welcome to look in again later. Thank you!"
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
    """`12 of 40, about 25 minutes left`; for practice items `Practice, 2 of 3`."""
    who = Html("<small>signed in as {}</small>").format(task.participant.annotator.name)
    if task.practice_example is not None:
        keys = list(task.participant.examples_by_key)
        number = keys.index(task.practice_example.item.key) + 1
        words = practice_words(task.participant.study)
        return Html("<p><b>Practice</b>, {} of {}. {} {}</p>").format(number, len(keys), words, who)
    progress = task.progress
    left = ""
    if progress.minutes_left is not None and progress.done < progress.total:
        left = f", about {pluralize(max(1, round(progress.minutes_left)), 'minute')} left"
    share = progress.done / progress.total if progress.total else 0
    return Html('<p><progress value="{:.3f}" max="1" aria-label="Progress"></progress> {:,} of {:,}{} {}</p>').format(
        share, progress.done, progress.total, left, who
    )


def receipt_html(task: AnnotationTask, receipt: Receipt) -> Html:
    """One word, the time (the browser shows its own), the answer's number; on hover whether it is published."""
    name = f"{head_name(task)} " if head_name(task) else ""
    more = []
    if receipt.is_duplicate:
        more.append("It was stored before and is kept once.")
    if receipt.published_commit is not None:
        more.append(f"Published in commit {receipt.published_commit[:7]}.")
    elif task.participant.services.ledger is not None:
        more.append("This browser keeps a copy until it is published.")
    return Html(
        '<p class="notice receipt" role="status" title="{more}">Saved {name}<time datetime="{iso}">{utc}</time> '
        "<small>{id}</small></p>"
    ).format(
        more=" ".join(more),
        name=name,
        iso=receipt.stored_at.isoformat(timespec="seconds"),
        utc=f"{receipt.stored_at:%H:%M:%S} UTC",
        id=receipt.judgment_id[:8],
    )
