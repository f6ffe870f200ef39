"""The organiser's page as HTML: studies and how far they are, people, disagreements with the answers side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from urllib.parse import urlencode

from annotation.form import QUESTIONS
from annotation.report.phrases import count_with_noun
from annotation.statistics.disagreement import Disagreement
from annotation.statistics.progress import AnnotatorSummary, StudyProgress
from annotation.study.study import DEFAULT_STUDY, Study
from annotation.types import Judgment
from maps.types import HeadId
from space.components.markup import Html, anchor, escape_html, mapping_list, notice, sticky_panel, table


def study_address(study: str, item: int | None = None, reveal_answers: bool = False) -> str:
    """The address of a study on the organiser's page, or of an item of it."""
    query: dict[str, object] = {"study": study}
    query |= {} if item is None else {"item": item}
    return "organise?" + urlencode(query | ({"answers": "shown"} if reveal_answers else {}))


def study_state(study: Study, is_complete: bool, now: datetime) -> str:
    """Whether a study is going on."""
    if study.is_over(now):
        return "over: its deadline has passed"
    return "complete: every place is filled" if is_complete else "going on"


def slots_text(progress: StudyProgress) -> str:
    """`45 of 120 given, 3 reserved`."""
    if progress.total_slots is None:
        return f"{progress.filled_slots:,} given"
    return f"{progress.filled_slots:,} of {progress.total_slots:,} given, {progress.reserved_slots:,} reserved"


def studies_table(rows: Iterable[tuple[Study, StudyProgress, str]]) -> str:
    """All studies, a line each, with a link to each of them."""
    head = ("Study", "State", "Places", "Items with all judgments", "Stale items", "Created")
    lines = [
        (
            anchor(study_address(study.name), study.name),
            escape_html(words),
            escape_html(slots_text(found)),
            f"{found.finished_items:,} of {found.items:,}",
            f"{found.stale_items:,}",
            f"{study.settings.created_at:%Y-%m-%d}",
        )
        for study, found, words in rows
    ]
    return table(head, lines, "How far each study is")


def study_detail_html(study: Study, progress: StudyProgress, state_text: str, address: str) -> str:
    """One study: how far it is, its address for annotators, what is stale, its settings."""
    lines = [
        f"It is {state_text}.",
        f"Places: {slots_text(progress)}; {progress.finished_items:,} of {progress.items:,} items have all their judgments.",
    ]
    if study.settings.overlap:
        lines.append(f"Overlap: {progress.overlap_judgments:,} judgments of its {study.settings.overlap:,} items.")
    parts = "".join(f"<p>{escape_html(line)}</p>" for line in lines)
    if study.name != DEFAULT_STUDY:
        parts += f"<p>Send annotators the address of this link: {anchor(address, address)}</p>"
    return f"<h2>{escape_html(study.name)}</h2>{parts}{stale_notice(progress)}{settings_list(study)}"


def stale_notice(progress: StudyProgress) -> str:
    """What of a study its atlas no longer bears out."""
    if not progress.stale_items:
        return ""
    return notice(
        f"{count_with_noun(progress.stale_items, 'stale item')}: the head has other mappings or another description now. Nobody "
        f"is given them; their judgments ({progress.stale_judgments:,}) are kept, marked, and left out of the figures."
    )


def settings_list(study: Study) -> str:
    """The frozen settings, folded."""
    names = {name: name.replace("_", " ") for name in asdict(study.settings)}
    rows = "".join(
        f"<dt>{escape_html(names[name])}</dt><dd>{'none' if value is None else escape_html(value)}</dd>"
        for name, value in asdict(study.settings).items()
    )
    return f"<details><summary>Settings, frozen</summary><dl>{rows}</dl></details>"


def annotators_table(rows: Sequence[AnnotatorSummary]) -> str:
    """What each annotator has done."""
    if not rows:
        return notice("Nobody has judged anything in this study yet.")
    lines = [
        (
            escape_html(each.annotator),
            f"{each.items:,}",
            f"{each.median_seconds:.0f}",
            escape_html(majority_agreement_text(each)),
        )
        for each in rows
    ]
    head = ("Annotator", "Items done", "Median seconds", "Agrees with the majority of the others on question one")
    return table(head, lines, "Annotators")


def majority_agreement_text(each: AnnotatorSummary) -> str:
    """`18 of 20 items`, or why there is no number."""
    if not each.compared_items:
        return "undefined: the others have a majority on none of these items"
    return f"{each.agreeing_items:,} of {each.compared_items:,} items ({each.agreeing_items / each.compared_items:.0%})".replace(
        "%", " %"
    )


def disagreements_table(study: Study, disagreements: Sequence[Disagreement], reveal_answers: bool) -> str:
    """The items to decide, most disagreement first."""
    if not disagreements:
        return notice("No item of this study has answers that differ.")
    position = {item: n for n, item in enumerate(study.order)}
    decided = sum(each.decision is not None for each in disagreements)
    lines = [
        (
            anchor(study_address(study.name, position[each.item], reveal_answers), str(disagreement_head(each))),
            f"{each.distance:.2f}",
            f"{len(each.judgments):,}",
            "decided" if each.decision else "open",
        )
        for each in disagreements
    ]
    head = ("Head", "Disagreement, from 0 to 1", "Answers", "Decision")
    return f"<p>{decided:,} of {len(disagreements):,} decided.</p>" + table(head, lines, "Items in disagreement")


def disagreement_head(disagreement: Disagreement) -> HeadId:
    """The head of an item in disagreement."""
    return HeadId(disagreement.item.layer, disagreement.item.head)


def disagreement_html(study: Study, disagreement: Disagreement) -> str:
    """Everything about an item: mappings, description, and the answers side by side."""
    shown = study.contents[disagreement.item.key]
    head = disagreement_head(disagreement)
    content = Html(
        "<h2>{head}: the answers side by side</h2>{answers}"
        '<dl class="judged"><dt>Inputs</dt><dd>{inputs}</dd><dt>Pattern</dt><dd>{pattern}</dd></dl>'
        "<h2>Mappings of {head}</h2>{mappings}"
    ).format(
        head=head,
        answers=answers_table(disagreement),
        inputs=shown.input_strings,
        pattern=shown.observed_pattern,
        mappings=mapping_list(shown.mappings, shown_count=None, linked=False),
    )
    return sticky_panel(content, f"Answers, description and mappings of {head}")


def answers_table(disagreement: Disagreement) -> str:
    """A column an annotator, a row a question; last the decision, where there is one."""
    columns = [*disagreement.judgments, *([disagreement.decision] if disagreement.decision else [])]
    heads = [row.annotator for row in disagreement.judgments] + (["Decision"] if disagreement.decision else [])
    rows = [(escape_html(q.short_name), *(answer_label(row, q.field) for row in columns)) for q in QUESTIONS]
    rows.append(("comment", *(escape_html(row.comment) for row in columns)))
    return table(("", *heads), rows, "Answers")


def answer_label(row: Judgment, field: str) -> str:
    """An answer in the form's words; a dash where the question was not asked."""
    [question] = [question for question in QUESTIONS if question.field == field]
    labels = {choice.code: choice.label for choice in question.choices}
    code = getattr(row, field)
    return "–" if code is None else escape_html(labels.get(code, code))
