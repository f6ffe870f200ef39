"""The organiser's page as HTML: studies with their progress, annotators, and disagreements with the answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlencode

from annotation.form import QUESTIONS, FormQuestion
from annotation.report.study_plan import (
    TABLE_HEADER,
    PlannedStudy,
    descriptions_sentence,
    expectation_rows,
    plan_sentences,
    summary_sentences,
)
from annotation.statistics.disagreement import Disagreement
from annotation.statistics.progress import AnnotatorSummary, StudyProgress
from annotation.study.study import DEFAULT_STUDY, Study
from annotation.types import Judgment, StudyItem
from maps.text import pluralize
from maps.types import HeadId
from space.components.markup import Html, anchor, bullet_list, join_html, mapping_list, notice, sticky_panel, table
from space.pages.organise.studies import StudyStatus


def study_address(
    study: str, item: int | None = None, reveal_answers: bool = False, question: str | None = None
) -> str:
    query: dict[str, object] = {"study": study}
    query |= {} if item is None else {"item": item}
    query |= {} if question is None else {"question": question}
    return "organise?" + urlencode(query | ({"answers": "shown"} if reveal_answers else {}))


def study_state(status: StudyStatus) -> str:
    if status.over_reason is not None:
        return f"over: {status.over_reason}"
    return "paused" if status.is_paused else "running"


def slots_text(progress: StudyProgress) -> str:
    """`45 of 120, 3 reserved`: judgments that are stored, wanted, and being made."""
    if progress.total_slots is None:
        return f"{progress.filled_slots:,}"
    return f"{progress.filled_slots:,} of {progress.total_slots:,}, {progress.reserved_slots:,} reserved"


def studies_table(rows: Iterable[tuple[Study, StudyProgress, str]]) -> Html:
    header = ("Study", "State", "Judgments", "Finished items", "Stale items", "Created")
    lines = [
        (
            anchor(study_address(study.name), study.name),
            state,
            slots_text(progress),
            f"{progress.finished_items:,} of {progress.items:,}",
            f"{progress.stale_items:,}",
            f"{study.settings.created_at:%Y-%m-%d}",
        )
        for study, progress, state in rows
    ]
    return table(header, lines, "Progress of each study")


def study_detail_html(study: Study, progress: StudyProgress, state_text: str, is_over: bool = False) -> Html:
    lines = [
        f"State: {state_text}.",
        f"Judgments: {slots_text(progress)}. Finished items: {progress.finished_items:,} of {progress.items:,}.",
    ]
    if study.settings.overlap:
        people = study.settings.annotators
        wanted = f" of {study.overlap_items * people:,}" if people else ""
        lines.append(
            f"Overlap: {progress.overlap_judgments:,}{wanted} judgments of the {study.overlap_items:,} items that "
            "everybody judges."
        )
    parts = [Html("<p>{}</p>").format(line) for line in lines]
    if study.name != DEFAULT_STUDY:
        if not is_over:
            parts.append(Html("<p>{}</p>").format(descriptions_sentence(study.settings)))
            parts.append(Html("<p>The tab Invite has the links for annotators.</p>"))
        agreement = anchor(f"agreement?study={study.name}", f"How far the annotators of {study.name} agree")
        parts.append(Html("<p>{}.</p>").format(agreement))
    parts += [stale_notice(progress), settings_list(study)]
    return Html("<h2>{}</h2>{}").format(study.name, join_html(parts))


def plan_html(plan: PlannedStudy) -> Html:
    """What a new study would be, need, cost and show."""
    summary = summary_sentences(plan.study, plan.assumptions.model.seconds)
    expected = table(TABLE_HEADER, expectation_rows(plan), "What the study can be expected to report")
    return Html("{}<h2>What it can show</h2>{}{}<p>Once created, a study cannot be changed.</p>").format(
        bullet_list(summary), bullet_list(plan_sentences(plan)), expected
    )


def stale_notice(progress: StudyProgress) -> Html:
    """How many items are stale because the atlas has changed since the study was created."""
    if not progress.stale_items:
        return Html("")
    return notice(
        f"{pluralize(progress.stale_items, 'stale item')}: the head now has other mappings or another description. "
        f"These items are no longer given to anybody. Their judgments ({progress.stale_judgments:,}) are kept and "
        "marked, but excluded from the figures. While they lack judgments, the study does not end by itself: close it "
        "when the other items have theirs."
    )


def settings_list(study: Study) -> Html:
    rows = join_html(
        Html("<dt>{}</dt><dd>{}</dd>").format(name.replace("_", " "), "none" if value is None else value)
        for name, value in study.settings.shown_values().items()
    )
    return Html("<details><summary>Settings</summary><dl>{}</dl></details>").format(rows)


OUTCOME_WORDS = {"completed": "done", "screened_out": "screened out"}


def annotators_table(
    rows: Sequence[AnnotatorSummary], names: Mapping[str, str], outcomes: Mapping[str, str], asked: int | None
) -> Html:
    """The people in a study, for organisers alone; `names` and `outcomes` by pseudonym.

    `asked`: about how many items each is asked for; None where that is open, or over.
    """
    if not rows:
        return notice("Nobody has judged anything in this study yet.")
    header = (
        *(
            "Name",
            "Pseudonym",
            "Items",
            "About how many left",
            "Time (h:min)",
            "Median seconds",
            "Last answer (UTC)",
            "Practice right",
        ),
        *("Controls refused", "Agrees with the majority of the others on question one", "State", "Look closer"),
    )
    lines = [
        (
            names.get(each.annotator, "–"),
            each.annotator,
            f"{each.items:,}",
            "–" if asked is None or each.annotator in outcomes else f"{max(0, asked - each.items):,}",
            hours_text(each.hours),
            f"{each.median_seconds:.1f}",
            "–" if each.last_answer is None else f"{each.last_answer:%Y-%m-%d %H:%M}",
            of_text(each.right_practice_items, each.practice_items),
            of_text(each.refused_controls, each.controls),
            majority_agreement_text(each),
            OUTCOME_WORDS.get(outcomes.get(each.annotator, ""), "at work"),
            "; ".join(each.flags),
        )
        for each in rows
    ]
    return table(header, lines, "Annotators")


def hours_text(hours: float) -> str:
    """`1:05` for an hour and five minutes."""
    minutes = round(60 * hours)
    return f"{minutes // 60:,}:{minutes % 60:02d}"


def of_text(count: int, total: int) -> str:
    """`5 of 7`; a dash where there is none."""
    return f"{count:,} of {total:,}" if total else "–"


def majority_agreement_text(summary: AnnotatorSummary) -> str:
    """`18 of 20 items (90 %)`, or why there is no number."""
    if not summary.compared_items:
        return "undefined: the others have no majority on any of these items"
    percent = 100 * summary.agreeing_items / summary.compared_items
    return f"{summary.agreeing_items:,} of {summary.compared_items:,} items ({percent:.0f} %)"


def disagreements_table(
    study: Study, disagreements: Sequence[Disagreement], reveal_answers: bool, question: str | None = None
) -> Html:
    """The items to decide, most disagreement first; `question`: they differ on this one."""
    filters = question_filters(study.name, reveal_answers, question)
    if not disagreements:
        return filters + notice("The annotators agree on every item so far.")
    position = {item: n for n, item in enumerate(study.order)}
    decided = sum(each.decision is not None for each in disagreements)
    header = ("Head", "Disagreement, from 0 to 1", "Answers", "Decision")
    lines = [
        (
            anchor(
                study_address(study.name, position[each.item], reveal_answers, question),
                item_name(study, each, position),
            ),
            f"{each.distance:.2f}",
            f"{len(each.judgments):,}",
            "decided" if each.decision else "open",
        )
        for each in disagreements
    ]
    items = table(header, lines, "Items in disagreement")
    return Html("{}<p>{:,} of {:,} decided.</p>{}").format(filters, decided, len(disagreements), items)


def question_filters(study: str, reveal_answers: bool, chosen: str | None) -> Html:
    """Links that list the items on which annotators differ on one question."""
    choices = [(None, "anything"), *((each.field, each.short_name) for each in QUESTIONS)]
    links = [
        Html("<b>{}</b>").format(name)
        if field == chosen
        else anchor(study_address(study, None, reveal_answers, field), name)
        for field, name in choices
    ]
    return Html('<p class="hint">Differing on: {}</p>').format(Html(" · ").join(links))


def item_name(study: Study, disagreement: Disagreement, position: Mapping[StudyItem, int]) -> str:
    """The head; in a study of operations also the item's number, since a head has several."""
    number = f", item {position[disagreement.item]}" if study.settings.per_operation else ""
    return f"{disagreement_head(disagreement)}{number}"


def disagreement_head(disagreement: Disagreement) -> HeadId:
    return HeadId(disagreement.item.layer, disagreement.item.head)


def disagreement_html(study: Study, disagreement: Disagreement) -> Html:
    item = study.contents[disagreement.item.key]
    head = disagreement_head(disagreement)
    content = Html(
        "<h2>{head}: the answers side by side</h2>{answers}"
        '<dl class="judged"><dt>Inputs</dt><dd>{inputs}</dd><dt>Pattern</dt><dd>{pattern}</dd></dl>'
        "<h2>Mappings of {head}</h2>{mappings}"
    ).format(
        head=head,
        answers=answers_table(disagreement),
        inputs=item.input_strings,
        pattern=item.observed_pattern,
        mappings=mapping_list(item.mappings, shown_count=None, linked=False),
    )
    return sticky_panel(content, f"Answers, description and mappings of {head}")


def answers_table(disagreement: Disagreement) -> Html:
    """A column for each annotator and a row for each question; the decision, if there is one, comes last."""
    header, columns = ["", *(row.annotator for row in disagreement.judgments)], [*disagreement.judgments]
    if disagreement.decision:
        columns.append(disagreement.decision)
        header.append("Decision")
    rows = [(question.short_name, *(answer_label(row, question) for row in columns)) for question in QUESTIONS]
    rows.append(("comment", *(row.comment for row in columns)))
    return table(header, rows, "Answers")


def answer_label(row: Judgment, question: FormQuestion) -> str:
    """An answer in the form's words; a dash if the question was not asked."""
    code = getattr(row, question.field)
    return "–" if code is None else question.labels.get(code, code)
