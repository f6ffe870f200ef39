"""The results of a study as HTML: sentences first, tables folded behind them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from annotation.form import QUESTIONS, FormQuestion
from annotation.report.paper import Paper
from annotation.report.phrases import COEFFICIENT_NAMES, count_with_noun, percent_words, rate_words
from annotation.report.sections import (
    CONTROL_WORDS,
    RATE_WORDS,
    answer_sentences,
    evidence_sentences,
    group_sentences,
    label_sentences,
    majority_sentences,
    rate_sentences,
)
from annotation.report.sentences import agreement_sentence, agreement_sentences, size_sentences
from annotation.statistics.agreement import PairEstimate
from annotation.statistics.annotators import MajorityComparison
from annotation.statistics.answer_counts import QUARTER_NAMES
from annotation.statistics.bootstrap import BootstrapEstimate
from annotation.statistics.rates import RATE_DEFINITIONS, TRUE_ITEMS
from annotation.statistics.summary import AgreementReport, JudgmentGroup
from space.components.markup import escape_html, table

INTERVAL_HEADING = "95 % interval, or why there is none"


def paragraph(sentences: Iterable[str]) -> str:
    """Sentences as one paragraph; nothing without any."""
    words = " ".join(sentences)
    return f"<p>{escape_html(words)}</p>" if words else ""


def bullet_list(sentences: Sequence[str]) -> str:
    """Sentences as a list; nothing without any."""
    return f"<ul>{''.join(f'<li>{escape_html(each)}</li>' for each in sentences)}</ul>" if sentences else ""


def folded_table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table behind its name; nothing without lines."""
    if not rows:
        return ""
    return f"<details><summary>{escape_html(caption)}</summary>{table(header, rows, caption)}</details>"


def overview(report: AgreementReport) -> str:
    """What the page says first: how much was judged, and how far people agree."""
    agreed = [agreement_sentence(each.short_name, report.questions[each.field]) for each in QUESTIONS]
    return paragraph(size_sentences(report)) + paragraph(agreed)


def estimate_cells(estimate: BootstrapEstimate | PairEstimate) -> tuple[str, str, str]:
    """Value, interval or the reason why there is none, and n, as cells."""
    value = "undefined" if estimate.value is None else f"{estimate.value:.3f}"
    interval = estimate.reason or ""
    if estimate.low is not None and estimate.high is not None:
        interval = f"{estimate.low:.3f} to {estimate.high:.3f}"
    return value, escape_html(interval), f"{estimate.n:,}"


def question_summary(report: AgreementReport, question: FormQuestion, paper: Paper) -> str:
    """A question's agreement and answers in sentences, for above its figures."""
    name = question.short_name[0].upper() + question.short_name[1:]
    agreement = agreement_sentences(question.short_name, report.questions[question.field], pairs=False)
    [answers] = [
        sentence
        for each, sentence in zip(QUESTIONS, answer_sentences(report.answers, paper), strict=True)
        if each is question
    ]
    return (
        f"<h2>{escape_html(name)}</h2><p>{escape_html(question.text)}</p>{paragraph(agreement)}{paragraph([answers])}"
    )


def question_tables(report: AgreementReport, question: FormQuestion) -> str:
    """The coefficients, Cohen's kappa by pair and the majority's agreement of one question, each folded."""
    found = report.questions[question.field]
    names = {"percent": "Share of agreeing pairs", **COEFFICIENT_NAMES}
    lines = [(escape_html(names[name]), *estimate_cells(each)) for name, each in found.coefficients.items()]
    pairs = [(escape_html(" and ".join(each.pair)), *estimate_cells(each)) for each in found.cohen_kappa]
    standing = [annotator_row(each) for each in report.majority[question.field]]
    tail = ("Value", INTERVAL_HEADING, "Items")
    return (
        folded_table(f"Agreement on {question.short_name}", ("Coefficient", *tail), lines)
        + folded_table(f"Cohen's kappa by pair on {question.short_name}", ("Annotators", *tail), pairs)
        + folded_table(
            f"Annotators beside the majority of the others on {question.short_name}",
            ("Annotator", "The same", "Cohen's kappa", "Items", "Tied", "Nobody else"),
            standing,
        )
    )


def annotator_row(comparison: MajorityComparison) -> tuple[str, ...]:
    """An annotator's row: agreement with the majority, kappa, and on how many items."""
    share, kappa = comparison.share, comparison.kappa
    same = f"undefined ({share.reason})" if share.value is None else percent_words(share.value, share.low, share.high)
    value = f"undefined ({kappa.reason})" if kappa.value is None else f"{kappa.value:.3f}"
    return (
        escape_html(comparison.annotator),
        escape_html(same),
        escape_html(value),
        f"{share.n:,}",
        f"{comparison.tied:,}",
        f"{comparison.alone:,}",
    )


def rates_section(report: AgreementReport, paper: Paper) -> str:
    """Every rate beside what it is on controls and in the paper."""
    judged = [kind for kind in CONTROL_WORDS if report.controls[kind].judgments]
    kinds = {kind: report.controls[kind] for kind in (TRUE_ITEMS, *judged)}
    lines = []
    for name in RATE_DEFINITIONS:
        published = paper.rates[name]
        cells = [escape_html(rate_words(each.rates[name])) for each in kinds.values()]
        lines.append((escape_html(RATE_WORDS[name][0]), *cells, f"{100 * published.value:.1f} % of {published.n}"))
    head = ("Share", "Here", *(f"Controls {CONTROL_WORDS[kind]}" for kind in judged), "In the paper")
    sentences = rate_sentences(report.controls, paper)
    first = paragraph([sentences[0], sentences[-1]])
    return f"<h2>Beside chance and the paper</h2>{first}{folded_table('All shares', head, lines)}"


def group_row(group: JudgmentGroup) -> tuple[str, ...]:
    """A model's or layer quarter's row: size, share recognised, agreement and alpha on each question."""
    correct = group.headline["correct"]
    cells = []
    for question in QUESTIONS:
        found = group.questions[question.field].coefficients
        percent, alpha = found["percent"], found["krippendorff_alpha"]
        share = "undefined" if percent.value is None else f"{100 * percent.value:.0f} %"
        value = "undefined" if alpha.value is None else f"{alpha.value:.2f}"
        cells.append(f"{share}, α {value}, n {percent.n:,}")
    where = group.model if group.quarter is None else f"{group.model}, {QUARTER_NAMES[group.quarter]} quarter"
    right = "undefined" if correct.value is None else f"{100 * correct.value:.1f} %"
    return escape_html(where), f"{group.items:,}", right, *cells


def groups_section(report: AgreementReport, paper: Paper) -> str:
    """Models where there are several, and layer quarters."""
    models = report.by_model.groups if len(report.by_model.groups) > 1 else []
    lines = [group_row(each) for each in [*models, *report.by_quarter.groups]]
    head = ("Model and layers", "Items", "Recognised", *(f"Agreement on {each.short_name}" for each in QUESTIONS))
    sentences = bullet_list(group_sentences(report.by_quarter, paper))
    return f"<h2>By layer quarter</h2>{folded_table('Agreement by layer quarter', head, lines)}" + (
        f"<details><summary>The same in sentences, with every coefficient</summary>{sentences}</details>"
    )


def remaining_sections(report: AgreementReport, paper: Paper) -> str:
    """What follows the questions: chance and paper, layer quarters, annotators, labels, evidence."""
    annotators = majority_sentences(report.majority)
    return (
        rates_section(report, paper)
        + groups_section(report, paper)
        + "<h2>Annotators beside the majority of the others</h2>"
        + f"<details><summary>{count_with_noun(len(annotators), 'sentence')}</summary>{bullet_list(annotators)}</details>"
        + f"<h2>One label an item</h2>{bullet_list(label_sentences(report.aggregated))}"
        + f"<h2>Evidence and people</h2>{bullet_list(evidence_sentences(report.evidence or ()))}"
    )
