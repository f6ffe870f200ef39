"""What a language model's answers are worth beside people's, as sentences."""

from __future__ import annotations

from collections.abc import Sequence

from annotation.form import QUESTIONS, FormQuestion
from annotation.report.phrases import estimate_words, number_words, percent_words, rate_words
from annotation.report.sections import CONTROL_WORDS, MEASURE_WORDS
from annotation.statistics.alt_test import FALSE_DISCOVERY_RATE, WINNING_RATE_NEEDED, AltTest
from annotation.statistics.evidence import MeasureCorrelation
from annotation.statistics.model_judges import JudgeOnQuestion, JudgeReport
from annotation.statistics.rates import TRUE_ITEMS
from maps.text import pluralize


def judge_paragraph(report: JudgeReport, items: int, evidence: Sequence[MeasureCorrelation] = ()) -> list[str]:
    """A judge's results. `items`: how many items of the study are no controls; `evidence`: the atlas's own measures."""
    return [
        f"{report.judge} judged {report.items:,} of {pluralize(items, 'item')} that people judge, and "
        f"{sum(report.controls[kind].items for kind in CONTROL_WORDS):,} controls.",
        *(question_sentence(each, report.questions[each.field]) for each in QUESTIONS),
        acceptance_sentence(report),
        precision_sentence(report, evidence),
    ]


def question_sentence(question: FormQuestion, found: JudgeOnQuestion) -> str:
    """Agreement with the majority of people, and the alt-test."""
    name = question.short_name[0].upper() + question.short_name[1:]
    if found.share.value is None:
        agreement = f"agreement with people is undefined: {found.share.reason}"
    else:
        share = percent_words(found.share.value, found.share.low, found.share.high)
        agreement = (
            f"it answers as the majority of people on {share} of {pluralize(found.items, 'item')}, Cohen's kappa "
            f"{estimate_words(found.kappa)}"
        )
    return f"{name}: {agreement}. {alt_test_sentence(found.alt_test)}"


def alt_test_sentence(test: AltTest) -> str:
    if test.winning_rate is None or test.advantage is None:
        return f"The alt-test cannot be made: {test.reason}."
    beaten = sum(each.is_beaten for each in test.annotators)
    verdict = "it may take a person's place" if test.is_passed else "it cannot take a person's place"
    return (
        f"Alt-test with ε {test.epsilon:g}: it beats {beaten:,} of {len(test.annotators):,} people (winning "
        f"rate {number_words(test.winning_rate)}, {WINNING_RATE_NEEDED:g} are needed; advantage "
        f"{number_words(test.advantage)}; false discovery rate {FALSE_DISCOVERY_RATE:g}), so {verdict} here."
    )


def acceptance_sentence(report: JudgeReport) -> str:
    """How often the model says that a pattern is visible and described, on true items and on controls."""
    true = rate_words(report.controls[TRUE_ITEMS].rates["recognised"])
    controls = [
        f"{rate_words(report.controls[kind].rates['recognised'])} controls {words}"
        for kind, words in CONTROL_WORDS.items()
        if report.controls[kind].judgments
    ]
    ending = f", {' and '.join(controls)}, where it should accept few" if controls else "; it judged no control"
    return f"It accepts (a pattern is visible and one is described) {true} items{ending}."


def precision_sentence(report: JudgeReport, evidence: Sequence[MeasureCorrelation]) -> str:
    """How its precision follows people's, beside the measures of `maps score`."""
    own = f"Its precision and people's correlate (Spearman) with {estimate_words(report.precision)}"
    others = [
        f"{MEASURE_WORDS[each.measure]}{f' by {each.scorer}' if each.scorer else ''} {estimate_words(each.spearman)}"
        for each in evidence
        if each.spearman.value is not None
    ]
    return f"{own}; for comparison, {', '.join(others)}." if others else f"{own}."
