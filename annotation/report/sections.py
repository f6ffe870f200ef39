"""The parts of the report beyond agreement: rates, answers, groups, annotators, labels and evidence, as sentences."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from annotation.form import QUESTIONS, FormQuestion
from annotation.report.paper import Paper, tabulate_paper_answers
from annotation.report.phrases import coefficient_words, estimate_words, percent_words
from annotation.statistics.annotators import MajorityComparison
from annotation.statistics.answer_counts import QUARTER_NAMES
from annotation.statistics.clustered_rates import RateEstimate
from annotation.statistics.evidence import MeasureCorrelation
from annotation.statistics.labels import LabelCounts
from annotation.statistics.rates import RATE_DEFINITIONS, TRUE_ITEMS, AcceptanceRates
from annotation.statistics.summary import AgreementReport, Breakdown, JudgmentGroup, QuestionReport
from maps.text import escape_invisible, pluralize

RATE_WORDS = {
    "correct": "The description is right about whether a pattern is visible",
    "false_patterns_among_failures": "Where it is wrong about this, it describes a pattern that is not visible",
    "visible_patterns_described": "Where a pattern is visible, one is described",
    "poor": "Where precision was judged, the description is poor",
    "recognised": "A pattern is visible and one is described",
    "described_recognised": "Where a pattern is described, one is visible",
    "accurate": "Where precision was judged, the description is accurate",
}
CONTROL_WORDS = {"swapped": "with another head's description", "shuffled": "with shuffled mappings"}
MEASURE_WORDS = {
    "detection": "the detection score",
    "lookalike": "the detection score among mappings of similar heads",
    "generation": "the percentile of targets predicted from the description",
    "support": "the support (the number of mappings that fit the description)",
}


def _counted_rate(rate: RateEstimate, noun: str) -> str:
    if rate.value is None:
        return f"undefined, because {rate.reason}"
    return f"{rate.count:,} of {noun}, {percent_words(rate.value, rate.low, rate.high, 1)}"


def rate_sentences(kinds: dict[str, AcceptanceRates], paper: Paper) -> list[str]:
    """A sentence for each rate, with the same rate on controls and in the paper, then what the controls are for."""
    judged_controls = [kind for kind in CONTROL_WORDS if kinds[kind].judgments]
    sentences = []
    for name in RATE_DEFINITIONS:
        own = kinds[TRUE_ITEMS].rates[name]
        parts = [f"{RATE_WORDS[name]}: {_counted_rate(own, pluralize(own.n, 'judgment'))}"]
        for kind in judged_controls:
            rate = kinds[kind].rates[name]
            parts.append(f"controls {CONTROL_WORDS[kind]}: {_counted_rate(rate, f'{rate.n:,}')}")
        published = paper.rates[name]
        parts.append(f"paper: {published.count} of {published.n}, {100 * published.value:.1f} %")
        sentences.append("; ".join(parts) + ".")
    if judged_controls:
        return [*sentences, "A control shows a description that does not fit, so its rates are the level of chance."]
    return [*sentences, "No control was judged, so the level of chance is not known."]


def answer_sentences(answers: dict[str, dict[str, int]], paper: Paper) -> list[str]:
    """A sentence for each question: how often each answer was given here, and its share in the paper."""
    return [_answer_sentence(each, answers[each.field], paper.answers[each.field]) for each in QUESTIONS]


def _answer_sentence(question: FormQuestion, counts: dict[str, int], published: dict[str, int]) -> str:
    n = sum(counts.values())
    if not n:
        return f"Nobody has answered {question.short_name}."
    published_n = sum(published.values())
    parts = []
    for choice in question.choices:
        in_paper = ""  # the paper does not report every answer to question two
        if choice.code in published:
            in_paper = f", in the paper {100 * published[choice.code] / published_n:.1f} %"
        count = counts[choice.code]
        parts.append(f"“{choice.label}” {count:,} ({100 * count / n:.1f} %{in_paper})")
    return f"Of {pluralize(n, 'answer')} to {question.short_name}: {'; '.join(parts)}."


def group_sentences(breakdown: Breakdown, paper: Paper) -> list[str]:
    """A sentence for each model or layer quarter, what is left out, and the layer quarters of the paper."""
    sentences = [_group_sentence(group) for group in breakdown.groups]
    if breakdown.reason:
        sentences.append(breakdown.reason)
    if any(group.quarter is not None for group in breakdown.groups):
        sentences.append(_paper_quarters_sentence(paper))
    return sentences


def _group_sentence(group: JudgmentGroup) -> str:
    name = escape_invisible(group.model)
    if group.quarter is not None:
        name += f", {QUARTER_NAMES[group.quarter]} layer quarter"
    correct = group.headline["correct"]
    share = "undefined" if correct.value is None else f"{correct.count:,} of {correct.n:,}, {100 * correct.value:.1f} %"
    parts = [f"{name}: {pluralize(group.items, 'item')}, {pluralize(group.judgments, 'judgment')}"]
    parts.append(f"right about whether a pattern is visible: {share}")
    parts += [_agreement_phrase(question, group.questions[question.field]) for question in QUESTIONS]
    return f"{'; '.join(parts)}."


def _agreement_phrase(question: FormQuestion, report: QuestionReport) -> str:
    percent = report.coefficients["percent"]
    if percent.value is None:
        return f"agreement on {question.short_name}: undefined, because {percent.reason}"
    share = f"{percent_words(percent.value, percent.low, percent.high)} of pairs over {pluralize(percent.n, 'item')}"
    coefficients = [coefficient_words(name, each) for name, each in report.coefficients.items() if name != "percent"]
    return f"agreement on {question.short_name}: {', '.join([share, *coefficients])}"


def _paper_quarters_sentence(paper: Paper) -> str:
    table = tabulate_paper_answers(paper)
    presence = table[(table["question"] == "presence") & (table["part"] != "all")]
    correct = presence[presence["answer"].isin(RATE_DEFINITIONS["correct"].accepted_codes)].groupby("part", sort=False)
    shares = [f"{part} {100 * rows['count'].sum() / rows['n'].iloc[0]:.1f} %" for part, rows in correct]
    return f"The paper, by layer quarter, right about whether a pattern is visible: {', '.join(shares)}."


def majority_sentences(majority: dict[str, list[MajorityComparison]]) -> list[str]:
    """A sentence for each question and annotator: how often they agree with the majority of the others."""
    sentences = []
    for question in QUESTIONS:
        comparisons = majority[question.field]
        if all(each.share.n == 0 for each in comparisons):
            sentences.append(f"On {question.short_name} no annotator can be compared with a majority of the others.")
            continue
        sentences += [_majority_sentence(question, each) for each in comparisons]
    return sentences


def _majority_sentence(question: FormQuestion, comparison: MajorityComparison) -> str:
    sentence = f"{escape_invisible(comparison.annotator)} on {question.short_name}: "
    share = comparison.share
    if share.value is None:
        sentence += f"agreement with the majority of the others undefined, because {share.reason}"
    else:
        agreeing = f"{percent_words(share.value, share.low, share.high)} of {pluralize(share.n, 'item')}"
        kappa = estimate_words(comparison.kappa)
        sentence += f"agrees with the majority of the others on {agreeing}, Cohen's kappa {kappa}"
    not_compared = []
    if comparison.tied:
        not_compared.append(f"{comparison.tied:,} on which the others tie")
    if comparison.alone:
        not_compared.append(f"{comparison.alone:,} that nobody else answered")
    return f"{sentence}; not compared: {' and '.join(not_compared)}." if not_compared else f"{sentence}."


def label_sentences(label_counts: dict[str, LabelCounts]) -> list[str]:
    """A sentence for each question with labels: how many items have which label, ties and decisions of organisers."""
    sentences = []
    for question in QUESTIONS:
        counts = label_counts[question.field]
        if not counts.items:
            continue
        parts = [f"{count:,} “{question.labels[code]}”" for code, count in counts.labels.items()]
        parts.append(f"{counts.ties:,} tied")
        sentence = f"Labels of {pluralize(counts.items, 'item')} on {question.short_name}: {', '.join(parts)}"
        if counts.adjudicated:
            sentence += f"; {counts.adjudicated:,} decided by an organiser, the others by majority"
        if counts.unanswered:
            sentence += f"; {counts.unanswered:,} decided without an answer to this question"
        sentences.append(f"{sentence}.")
    return sentences


def dawid_skene_sentence(table: pd.DataFrame) -> str:
    """How many labels of Dawid and Skene's model differ from the majority or the organiser's decision."""
    both = table[table["label"].notna() & table["dawid_skene"].notna()]
    different = int((both["label"] != both["dawid_skene"]).sum())
    return (
        f"Dawid and Skene's model gives another label than majority and organiser in {different:,} of "
        f"{pluralize(len(both), 'case')} with both labels."
    )


def evidence_sentences(correlations: Sequence[MeasureCorrelation]) -> list[str]:
    """A sentence for each measure: its rank correlation with the precision that annotators gave."""
    sentences = []
    for correlation in correlations:
        measure = MEASURE_WORDS[correlation.measure]
        if correlation.scorer is not None:
            measure += f" by {escape_invisible(correlation.scorer)}"
        estimate = correlation.spearman
        base = "" if estimate.value is None else f" over {pluralize(estimate.n, 'description')}"
        sentences.append(
            f"Spearman's rank correlation of {measure} with the precision that annotators gave: "
            f"{estimate_words(estimate)}{base}."
        )
    return sentences


def section_paragraphs(report: AgreementReport, paper: Paper) -> list[list[str]]:
    """Paragraphs: answers, models if there are several, layer quarters, annotators, labels, evidence."""
    has_models = len(report.by_model.groups) > 1 or report.by_model.reason
    paragraphs = [
        answer_sentences(report.answers, paper),
        group_sentences(report.by_model, paper) if has_models else [],
        group_sentences(report.by_quarter, paper),
        majority_sentences(report.majority),
        label_sentences(report.aggregated),
        evidence_sentences(report.evidence or ()),
    ]
    return [paragraph for paragraph in paragraphs if paragraph]
