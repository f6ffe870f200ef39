"""The results of a study as HTML: sentences first, tables folded behind them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from annotation.form import QUESTIONS, Question
from annotation.report.paper import Paper
from annotation.report.phrases import COEFFICIENTS, counted_words, percent_words, rate_words
from annotation.report.sections import (
    CONTROLS,
    RATE_WORDS,
    answer_sentences,
    evidence_sentences,
    group_sentences,
    label_sentences,
    rate_sentences,
    standing_sentences,
)
from annotation.report.sentences import percent_sentence, question_sentences, size_sentences
from annotation.statistics.agreement import PairEstimate
from annotation.statistics.annotators import Standing
from annotation.statistics.answer_counts import QUARTERS
from annotation.statistics.bootstrap import Estimate
from annotation.statistics.rates import RATES, TRUE
from annotation.statistics.summary import Group, Report
from space.components.markup import table, text

INTERVAL = "95 % interval, or why there is none"


def paragraph(sentences: Iterable[str]) -> str:
    """Sentences as one paragraph; nothing without any."""
    words = " ".join(sentences)
    return f"<p>{text(words)}</p>" if words else ""


def listed(sentences: Sequence[str]) -> str:
    """Sentences as a list; nothing without any."""
    return f"<ul>{''.join(f'<li>{text(each)}</li>' for each in sentences)}</ul>" if sentences else ""


def folded(name: str, head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table behind its name; nothing without lines."""
    if not lines:
        return ""
    return f"<details><summary>{text(name)}</summary>{table(head, lines, name)}</details>"


def overview(report: Report) -> str:
    """What the page says first: how much was judged, and how far people agree."""
    agreed = [percent_sentence(each.short, report.questions[each.field]) for each in QUESTIONS]
    return paragraph(size_sentences(report)) + paragraph(agreed)


def numbers_of(found: Estimate | PairEstimate) -> tuple[str, str, str]:
    """Value, interval or the reason why there is none, and n, as cells."""
    value = "undefined" if found.value is None else f"{found.value:.3f}"
    interval = found.reason or ""
    if found.low is not None and found.high is not None:
        interval = f"{found.low:.3f} to {found.high:.3f}"
    return value, text(interval), f"{found.n:,}"


def question_words(report: Report, question: Question, paper: Paper) -> str:
    """A question's agreement and answers in sentences, for above its figures."""
    name = question.short[0].upper() + question.short[1:]
    agreement = question_sentences(question.short, report.questions[question.field], pairs=False)
    [answers] = [
        sentence
        for each, sentence in zip(QUESTIONS, answer_sentences(report.answers, paper), strict=True)
        if each is question
    ]
    return f"<h2>{text(name)}</h2><p>{text(question.text)}</p>{paragraph(agreement)}{paragraph([answers])}"


def question_tables(report: Report, question: Question) -> str:
    """The coefficients, Cohen's kappa by pair and the majority's agreement of one question, each folded."""
    found = report.questions[question.field]
    names = {"percent": "Share of agreeing pairs", **COEFFICIENTS}
    lines = [(text(names[name]), *numbers_of(each)) for name, each in found.coefficients.items()]
    pairs = [(text(" and ".join(each.pair)), *numbers_of(each)) for each in found.cohen_kappa]
    standing = [standing_line(each) for each in report.majority[question.field]]
    tail = ("Value", INTERVAL, "Items")
    return (
        folded(f"Agreement on {question.short}", ("Coefficient", *tail), lines)
        + folded(f"Cohen's kappa by pair on {question.short}", ("Annotators", *tail), pairs)
        + folded(
            f"Annotators beside the majority of the others on {question.short}",
            ("Annotator", "The same", "Cohen's kappa", "Items", "Tied", "Nobody else"),
            standing,
        )
    )


def standing_line(found: Standing) -> tuple[str, ...]:
    """An annotator's row: agreement with the majority, kappa, and on how many items."""
    share, kappa = found.share, found.kappa
    same = f"undefined ({share.reason})" if share.value is None else percent_words(share.value, share.low, share.high)
    value = f"undefined ({kappa.reason})" if kappa.value is None else f"{kappa.value:.3f}"
    return text(found.annotator), text(same), text(value), f"{share.n:,}", f"{found.tied:,}", f"{found.alone:,}"


def rates(report: Report, paper: Paper) -> str:
    """Every rate beside what it is on controls and in the paper."""
    judged = [kind for kind in CONTROLS if report.controls[kind].judgments]
    kinds = {kind: report.controls[kind] for kind in (TRUE, *judged)}
    lines = []
    for name in RATES:
        published = paper.rates[name]
        cells = [text(rate_words(each.rates[name])) for each in kinds.values()]
        lines.append((text(RATE_WORDS[name][0]), *cells, f"{100 * published.value:.1f} % of {published.n}"))
    head = ("Share", "Here", *(f"Controls {CONTROLS[kind]}" for kind in judged), "In the paper")
    sentences = rate_sentences(report.controls, paper)
    first = paragraph([sentences[0], sentences[-1]])
    return f"<h2>Beside chance and the paper</h2>{first}{folded('All shares', head, lines)}"


def group_line(group: Group) -> tuple[str, ...]:
    """A model's or layer quarter's row: size, share recognised, agreement and alpha on each question."""
    correct = group.headline["correct"]
    cells = []
    for question in QUESTIONS:
        found = group.questions[question.field].coefficients
        percent, alpha = found["percent"], found["krippendorff_alpha"]
        share = "undefined" if percent.value is None else f"{100 * percent.value:.0f} %"
        value = "undefined" if alpha.value is None else f"{alpha.value:.2f}"
        cells.append(f"{share}, α {value}, n {percent.n:,}")
    where = group.model if group.quarter is None else f"{group.model}, {QUARTERS[group.quarter]} quarter"
    right = "undefined" if correct.value is None else f"{100 * correct.value:.1f} %"
    return text(where), f"{group.items:,}", right, *cells


def groups(report: Report, paper: Paper) -> str:
    """Models where there are several, and layer quarters."""
    models = report.by_model.groups if len(report.by_model.groups) > 1 else []
    lines = [group_line(each) for each in [*models, *report.by_quarter.groups]]
    head = ("Model and layers", "Items", "Recognised", *(f"Agreement on {each.short}" for each in QUESTIONS))
    sentences = listed(group_sentences(report.by_quarter, paper))
    return f"<h2>By layer quarter</h2>{folded('Agreement by layer quarter', head, lines)}" + (
        f"<details><summary>The same in sentences, with every coefficient</summary>{sentences}</details>"
    )


def rest(report: Report, paper: Paper) -> str:
    """What follows the questions: chance and paper, layer quarters, annotators, labels, evidence."""
    annotators = standing_sentences(report.majority)
    return (
        rates(report, paper)
        + groups(report, paper)
        + "<h2>Annotators beside the majority of the others</h2>"
        + f"<details><summary>{counted_words(len(annotators), 'sentence')}</summary>{listed(annotators)}</details>"
        + f"<h2>One label an item</h2>{listed(label_sentences(report.aggregated))}"
        + f"<h2>Evidence and people</h2>{listed(evidence_sentences(report.evidence or ()))}"
    )
