"""A report in sentences: the same numbers for the page, the dataset card and the terminal."""

from __future__ import annotations

from annotation.form import QUESTIONS
from annotation.report.paper import Paper
from annotation.report.phrases import COEFFICIENT_NAMES, coefficient_words, count_with_noun, pair_words, percent_words
from annotation.report.sections import rate_sentences, section_paragraphs
from annotation.statistics.summary import AgreementReport, QuestionReport

EXCLUSION_WORDS = {
    "superseded": "superseded by a later answer",
    "stale": "of stale items (their mappings or description have changed since)",
    "control": "of control items",
    "practice": "of practice items",
    "adjudication": "by adjudication",
}


def agreement_sentence(short_name: str, question: QuestionReport) -> str:
    """How often annotators agreed on a question, over how many items."""
    percent = question.coefficients["percent"]
    if percent.value is None:
        return f"Agreement on {short_name} is undefined: {percent.reason}."
    share = percent_words(percent.value, percent.low, percent.high)
    return f"Annotators agreed on {short_name} for {share} of {count_with_noun(percent.n, 'item')}."


def agreement_sentences(short_name: str, question: QuestionReport, pairs: bool) -> list[str]:
    """The agreement on one question: the share first, then the coefficients; `pairs` with Cohen's kappa of each."""
    others = [
        coefficient_words(name, each) for name, each in question.coefficients.items() if name in COEFFICIENT_NAMES
    ]
    found = [agreement_sentence(short_name, question), "; ".join(others) + "."]
    met = [each for each in question.cohen_kappa if each.n]
    apart = len(question.cohen_kappa) - len(met)
    if pairs and met:
        found.append("Cohen's kappa by pair: " + "; ".join(map(pair_words, met)) + ".")
    if pairs and apart:
        found.append(f"Cohen's kappa is undefined for {count_with_noun(apart, 'pair')} without an item in common.")
    if question.blank:
        found.append(f"Left blank where the form asks: {count_with_noun(question.blank, 'judgment')}.")
    if question.unasked:
        found.append(
            f"Answered where the form does not ask, and counted: {count_with_noun(question.unasked, 'judgment')}."
        )
    return found


def size_sentences(report: AgreementReport) -> list[str]:
    """How much was judged, and what does not count."""
    start = [
        f"{count_with_noun(report.annotators, 'annotator')}, {count_with_noun(report.items, 'item')}, "
        f"{count_with_noun(report.judgments, 'judgment')}; intervals are 95 % bootstraps over items."
    ]
    left_out = [f"{n:,} {EXCLUSION_WORDS[reason]}" for reason, n in report.left_out.items() if n]
    return [*start, f"Left out: {', '.join(left_out)}."] if left_out else start


def report_paragraphs(report: AgreementReport, paper: Paper | None = None) -> list[list[str]]:
    """The report as paragraphs of sentences: size, rates, one paragraph a question, then `annotation.report.sections`."""
    questions = [agreement_sentences(each.short_name, report.questions[each.field], pairs=True) for each in QUESTIONS]
    rates = rate_sentences(report.controls, paper)
    return [size_sentences(report), rates, *questions, *section_paragraphs(report, paper)]
