"""The agreement report as sentences; the page, the dataset card and the command show the same ones."""

from __future__ import annotations

from annotation.form import QUESTIONS
from annotation.report.paper import Paper
from annotation.report.phrases import COEFFICIENT_NAMES, coefficient_words, number_words, pair_words, percent_words
from annotation.report.sections import rate_sentences, section_paragraphs
from annotation.statistics.pairs import PairSummary
from annotation.statistics.summary import AgreementReport, QuestionReport
from maps.text import pluralize

EXCLUSION_WORDS = {
    "superseded": "superseded by a later answer",
    "stale": "of stale items (their mappings or description have changed)",
    "control": "of control items",
    "practice": "of practice items",
    "adjudication": "by organisers (adjudication)",
}


def agreement_sentence(short_name: str, question: QuestionReport) -> str:
    """How often annotators agreed on a question: the share of agreeing pairs, and over how many items."""
    percent = question.coefficients["percent"]
    if percent.value is None:
        return f"Agreement on {short_name} is undefined: {percent.reason}."
    share = percent_words(percent.value, percent.low, percent.high)
    return f"Annotators agreed on {short_name} in {share} of pairs, averaged over {pluralize(percent.n, 'item')}."


def agreement_sentences(short_name: str, question: QuestionReport, pairs: bool) -> list[str]:
    """The agreement on one question: the share, the coefficients, and with `pairs` Cohen's kappa of each pair.

    The pairs of more than 20 annotators are summarised, with or without `pairs`.
    """
    coefficients = [
        coefficient_words(name, question.coefficients[name])
        for name in COEFFICIENT_NAMES
        if name in question.coefficients
    ]
    scale = "1 is perfect, 0 is chance"
    if "gwet_ac2" in question.coefficients:
        scale += "; alpha and AC2 use the order of the answers"
    sentences = [agreement_sentence(short_name, question)]
    sentences.append(f"Corrected for chance ({scale}): {'; '.join(coefficients)}.")
    if pairs or question.pair_summary is not None:
        sentences += pair_sentences(question)
    if question.blank:
        sentences.append(f"Left blank although the form asks: {pluralize(question.blank, 'judgment')}.")
    if question.unasked:
        number = pluralize(question.unasked, "judgment")
        sentences.append(f"Answered although the form does not ask, and counted: {number}.")
    return sentences


def pair_sentences(question: QuestionReport) -> list[str]:
    """Cohen's kappa of each pair of annotators, or of many pairs the median, the range and the lowest."""
    if question.pair_summary is not None:
        return _pair_summary_sentences(question.pair_summary)
    estimates = [each for each in question.cohen_kappa if each.n]
    without_items = len(question.cohen_kappa) - len(estimates)
    sentences = []
    if estimates:
        sentences.append(f"Cohen's kappa by pair of annotators: {'; '.join(map(pair_words, estimates))}.")
    return [*sentences, *_undefined_pairs_sentences(without_items, 0)]


def _pair_summary_sentences(summary: PairSummary) -> list[str]:
    sentences = []
    if summary.median is not None and summary.lowest is not None and summary.highest is not None:
        defined = summary.pairs - summary.without_items - summary.without_variation
        items = pluralize(summary.worst_items, "item")
        sentences += [
            f"Cohen's kappa of {pluralize(defined, 'pair')} of annotators: median {number_words(summary.median)}, from "
            f"{number_words(summary.lowest)} to {number_words(summary.highest)}.",
            f"The lowest among pairs with {items} or more in common: {'; '.join(map(pair_words, summary.worst))}.",
        ]
    return [*sentences, *_undefined_pairs_sentences(summary.without_items, summary.without_variation)]


def _undefined_pairs_sentences(without_items: int, without_variation: int) -> list[str]:
    reasons = {"without an item in common": without_items, "whose answers are all the same": without_variation}
    return [
        f"Cohen's kappa is undefined for {pluralize(number, 'pair')} of annotators {reason}."
        for reason, number in reasons.items()
        if number
    ]


def size_sentences(report: AgreementReport) -> list[str]:
    """How much was judged, and what is left out."""
    size = f"{pluralize(report.annotators, 'annotator')}, {pluralize(report.items, 'item')}"
    judgments = pluralize(report.judgments, "judgment")
    sentences = [f"{size}, {judgments}. Intervals in brackets are 95 % bootstrap intervals over items."]
    left_out = [f"{pluralize(n, 'judgment')} {EXCLUSION_WORDS[reason]}" for reason, n in report.left_out.items() if n]
    return [*sentences, f"Left out: {'; '.join(left_out)}."] if left_out else sentences


def report_paragraphs(report: AgreementReport, paper: Paper) -> list[list[str]]:
    """The report as paragraphs: size, rates, one for each question, then those of `section_paragraphs`."""
    questions = [agreement_sentences(each.short_name, report.questions[each.field], pairs=True) for each in QUESTIONS]
    first = [size_sentences(report), rate_sentences(report.controls, paper)]
    return [*first, *questions, *section_paragraphs(report, paper)]
