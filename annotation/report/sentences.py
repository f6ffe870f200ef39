"""A report in sentences: the same numbers for the page, the dataset card and the terminal."""

from __future__ import annotations

from annotation.form import QUESTIONS
from annotation.report.paper import Paper
from annotation.report.phrases import COEFFICIENTS, coefficient_words, counted_words, pair_words, percent_words
from annotation.report.sections import rate_sentences, sections
from annotation.statistics.summary import QuestionReport, Report

LEFT_OUT = {
    "superseded": "superseded by a later answer",
    "stale": "of stale items (their mappings or description have changed since)",
    "control": "of control items",
    "practice": "of practice items",
    "adjudication": "by adjudication",
}


def percent_sentence(short: str, question: QuestionReport) -> str:
    """How often annotators agreed on a question, over how many items."""
    percent = question.coefficients["percent"]
    if percent.value is None:
        return f"Agreement on {short} is undefined: {percent.reason}."
    share = percent_words(percent.value, percent.low, percent.high)
    return f"Annotators agreed on {short} for {share} of {counted_words(percent.n, 'item')}."


def question_sentences(short: str, question: QuestionReport, pairs: bool) -> list[str]:
    """The agreement on one question: the share first, then the coefficients; `pairs` with Cohen's kappa of each."""
    others = [coefficient_words(name, each) for name, each in question.coefficients.items() if name in COEFFICIENTS]
    found = [percent_sentence(short, question), "; ".join(others) + "."]
    met = [each for each in question.cohen_kappa if each.n]
    apart = len(question.cohen_kappa) - len(met)
    if pairs and met:
        found.append("Cohen's kappa by pair: " + "; ".join(map(pair_words, met)) + ".")
    if pairs and apart:
        found.append(f"Cohen's kappa is undefined for {counted_words(apart, 'pair')} without an item in common.")
    if question.blank:
        found.append(f"Left blank where the form asks: {counted_words(question.blank, 'judgment')}.")
    if question.unasked:
        found.append(
            f"Answered where the form does not ask, and counted: {counted_words(question.unasked, 'judgment')}."
        )
    return found


def size_sentences(report: Report) -> list[str]:
    """How much was judged, and what does not count."""
    start = [
        f"{counted_words(report.annotators, 'annotator')}, {counted_words(report.items, 'item')}, "
        f"{counted_words(report.judgments, 'judgment')}; intervals are 95 % bootstraps over items."
    ]
    left_out = [f"{n:,} {LEFT_OUT[reason]}" for reason, n in report.left_out.items() if n]
    return [*start, f"Left out: {', '.join(left_out)}."] if left_out else start


def paragraphs(report: Report, paper: Paper | None = None) -> list[list[str]]:
    """The report as paragraphs of sentences: size, rates, one paragraph a question, then `annotation.report.sections`."""
    questions = [question_sentences(each.short, report.questions[each.field], pairs=True) for each in QUESTIONS]
    rates = rate_sentences(report.controls, paper)
    return [size_sentences(report), rates, *questions, *sections(report, paper)]
