"""The sections of a report in sentences, beyond the agreement on each question."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from annotation.form import QUESTIONS, FormQuestion
from annotation.report.paper import Paper, tabulate_paper_answers
from annotation.report.phrases import (
    COEFFICIENT_NAMES,
    coefficient_words,
    count_with_noun,
    estimate_words,
    percent_words,
    rate_words,
)
from annotation.statistics.annotators import MajorityComparison
from annotation.statistics.answer_counts import QUARTER_NAMES
from annotation.statistics.evidence import MeasureCorrelation
from annotation.statistics.labels import LabelCounts
from annotation.statistics.rates import RATE_DEFINITIONS, TRUE_ITEMS, AcceptanceRates
from annotation.statistics.summary import AgreementReport, Breakdown, JudgmentGroup, QuestionReport
from maps.text import escape_unprintable

RATE_WORDS = {
    "correct": ("Presence or absence of a pattern was recognised correctly in", "judgments"),
    "false_patterns_among_failures": ("A pattern that is not visible was described in", "failures"),
    "visible_patterns_described": ("A visible pattern was described in", "judgments that see one"),
    "poor": ("The description was called poor in", "judgments of precision"),
    "recognised": ("A pattern was found to be both visible and described in", "judgments"),
    "described_recognised": ("A described pattern was found to be visible in", "judgments that find one described"),
    "accurate": ("The description was called accurate in", "judgments of precision"),
}
CONTROL_WORDS = {"swapped": "with another head's description", "shuffled": "with shuffled mappings"}


def rate_sentences(kinds: dict[str, AcceptanceRates], paper: Paper | None) -> list[str]:
    """Every rate with its interval, what it is on controls, and the paper's."""
    given = {kind: each for kind, each in kinds.items() if kind in CONTROL_WORDS and each.judgments}
    found = []
    for name in RATE_DEFINITIONS:
        start, whole = RATE_WORDS[name]
        own = kinds[TRUE_ITEMS].rates[name]
        words = f"{start} {rate_words(own)} {whole} ({own.count:,})"
        if own.value is None:
            words = f"{start}: {rate_words(own)}"
        words += "".join(f"; {CONTROL_WORDS[kind]} {rate_words(each.rates[name])}" for kind, each in given.items())
        if paper is not None:
            published = paper.rates[name]
            words += f"; in the paper {100 * published.value:.1f} % of {published.n}"
        found.append(f"{words}.")
    if given:
        return [*found, "What is accepted on controls is the level of chance."]
    return [*found, "No control was judged, so the level of chance is not known."]


def answer_sentences(answers: dict[str, dict[str, int]], paper: Paper | None) -> list[str]:
    """How often each answer was given, beside the paper's shares."""
    return [_answer_sentence(question, answers[question.field], paper) for question in QUESTIONS]


def _answer_sentence(question: FormQuestion, counts: dict[str, int], paper: Paper | None) -> str:
    n = sum(counts.values())
    if not n:
        return f"Nobody has answered {question.short_name}."
    published = paper.answers[question.field] if paper is not None else {}
    of = sum(published.values())
    parts = []
    for choice in question.choices:
        there = f", in the paper {100 * published[choice.code] / of:.1f} %" if choice.code in published else ""
        label = choice.label.replace(",", "")
        parts.append(f"{label} {100 * counts[choice.code] / n:.1f} % ({counts[choice.code]:,}{there})")
    return f"Of {count_with_noun(n, 'answer')} to {question.short_name}: {'; '.join(parts)}."


def group_sentences(breakdown: Breakdown, paper: Paper | None) -> list[str]:
    """One sentence a model or layer quarter, then what is left out, and the paper's quarters."""
    told = [_group_sentence(each) for each in breakdown.groups]
    if breakdown.reason:
        told.append(breakdown.reason)
    if paper is not None and any(each.quarter is not None for each in breakdown.groups):
        told.append(_paper_quarters_sentence(paper))
    return told


def _group_sentence(group: JudgmentGroup) -> str:
    where = escape_unprintable(group.model) + (
        f", {QUARTER_NAMES[group.quarter]} layer quarter" if group.quarter is not None else ""
    )
    correct = group.headline["correct"]
    share = "undefined" if correct.value is None else f"{100 * correct.value:.1f} %"
    size = f"{count_with_noun(group.items, 'item')}, {count_with_noun(group.judgments, 'judgment')}"
    parts = [_agreement_phrase(question, group.questions[question.field]) for question in QUESTIONS]
    return f"{where}: {size}, {share} of question one recognised correctly; {'; '.join(parts)}."


def _agreement_phrase(question: FormQuestion, report: QuestionReport) -> str:
    percent = report.coefficients["percent"]
    if percent.value is None:
        return f"agreement on {question.short_name} undefined, since {percent.reason}"
    others = [coefficient_words(name, each) for name, each in report.coefficients.items() if name in COEFFICIENT_NAMES]
    share = percent_words(percent.value, percent.low, percent.high)
    return f"agreement on {question.short_name} {share} of {count_with_noun(percent.n, 'item')}, {', '.join(others)}"


def _paper_quarters_sentence(paper: Paper) -> str:
    table = tabulate_paper_answers(paper)
    presence = table[(table["question"] == "presence") & (table["part"] != "all")]
    right = presence[presence["answer"].isin(RATE_DEFINITIONS["correct"].accepted_codes)].groupby("part", sort=False)
    shares = [f"{part} {100 * rows['count'].sum() / rows['n'].iloc[0]:.1f} %" for part, rows in right]
    return f"In the paper question one was recognised correctly by layer quarter in: {', '.join(shares)}."


def majority_sentences(majority: dict[str, list[MajorityComparison]]) -> list[str]:
    """Each annotator beside the majority of the others, question by question."""
    found = []
    for question in QUESTIONS:
        entries = majority[question.field]
        if all(each.share.n == 0 for each in entries):
            found.append(f"On {question.short_name} no annotator can be compared with a majority of the others.")
            continue
        found += [_majority_sentence(question, each) for each in entries]
    return found


def _majority_sentence(question: FormQuestion, comparison: MajorityComparison) -> str:
    who = f"{escape_unprintable(comparison.annotator)} and the majority of the others on {question.short_name}"
    share = comparison.share
    if share.value is None:
        words = f"{who}: undefined, since {share.reason}"
    else:
        agree = percent_words(share.value, share.low, share.high)
        words = f"{who}: the same for {agree} of {count_with_noun(share.n, 'item')}, Cohen's kappa "
        words += estimate_words(comparison.kappa)
    others = [f"{comparison.tied:,} where the others are tied"] if comparison.tied else []
    others += [f"{comparison.alone:,} that nobody else answered"] if comparison.alone else []
    return f"{words}; without {' and '.join(others)}." if others else f"{words}."


def label_sentences(label_counts: dict[str, LabelCounts]) -> list[str]:
    """How the labels of the items fall, ties and adjudicated ones named."""
    told = []
    for question in QUESTIONS:
        each = label_counts[question.field]
        if not each.items:
            continue
        labels = ", ".join(f"{count:,} {code}" for code, count in each.labels.items())
        words = f"Labels of {count_with_noun(each.items, 'item')} on {question.short_name}, by majority: {labels}"
        words += f"; {each.ties:,} tied" if each.ties else "; none tied"
        words += f"; {each.adjudicated:,} decided by adjudication instead" if each.adjudicated else ""
        words += f", {each.unanswered:,} of them without an answer to it" if each.unanswered else ""
        told.append(f"{words}.")
    return told


def dawid_skene_sentence(table: pd.DataFrame) -> str:
    """How far Dawid and Skene's labels are those of the majority or of adjudication."""
    both = table[table["label"].notna() & table["dawid_skene"].notna()]
    other = int((both["label"] != both["dawid_skene"]).sum())
    return f"Dawid and Skene's model gives another label to {other:,} of the {len(both):,} that both label."


def evidence_sentences(correlations: Sequence[MeasureCorrelation]) -> list[str]:
    """The rank correlations of the measures with human precision."""
    names = {"detection": "detection score", "support": "number of mappings that bear a description out"}
    told = []
    for each in correlations:
        scorer = f" by {escape_unprintable(each.scorer)}" if each.scorer is not None else ""
        over = f" over {count_with_noun(each.spearman.n, 'item')}" if each.spearman.value is not None else ""
        told.append(
            f"Spearman's correlation of the {names[each.measure]}{scorer} with the precision that people gave: "
            f"{estimate_words(each.spearman)}{over}."
        )
    return told


def section_paragraphs(report: AgreementReport, paper: Paper | None) -> list[list[str]]:
    """Paragraphs: answers, models where there are several, layer quarters, annotators, labels, evidence."""
    several = len(report.by_model.groups) > 1 or report.by_model.reason
    found = [
        answer_sentences(report.answers, paper),
        group_sentences(report.by_model, None) if several else [],
        group_sentences(report.by_quarter, paper),
        majority_sentences(report.majority),
        label_sentences(report.aggregated),
        evidence_sentences(report.evidence or ()),
    ]
    return [paragraph for paragraph in found if paragraph]
