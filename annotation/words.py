"""A report in sentences: the same numbers for the page, the dataset card and the terminal."""

from __future__ import annotations

from annotation.agreement import DRAWS, Estimate, PairEstimate
from annotation.form import QUESTIONS
from annotation.summary import QuestionReport, Report, Share

COEFFICIENTS = {
    "fleiss_kappa": "Fleiss' kappa",
    "krippendorff_alpha": "Krippendorff's alpha",
    "gwet_ac1": "Gwet's AC1",
    "gwet_ac2": "Gwet's AC2",
}
HEADLINE = {
    "correct": ("Presence or absence of a pattern was recognised correctly in", "judgments"),
    "false_patterns_among_failures": ("A pattern that is not visible was described in", "failures"),
    "visible_patterns_described": ("A visible pattern was described in", "judgments that see one"),
    "poor": ("The description was called poor in", "judgments of precision"),
}
LEFT_OUT = {
    "superseded": "superseded by a later answer",
    "control": "of control items",
    "practice": "of practice items",
    "adjudication": "by adjudication",
}


def _count(number: int, one: str) -> str:
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


def _shown(name: str) -> str:
    """A name from anybody's file, with what cannot be printed as escapes."""
    return name if name.isprintable() else ascii(name)[1:-1]


def share_sentence(name: str, share: Share) -> str:
    """One headline number: "… in 79.8 % of 272 judgments (217)."."""
    start, whole = HEADLINE[name]
    if share.value is None:
        return f"{start}: undefined, since there are no {whole}."
    return f"{start} {100 * share.value:.1f} % of {share.n:,} {whole} ({share.count:,})."


def _number(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # + 0.0: never a minus before zero


def _estimate(estimate: Estimate | PairEstimate) -> str:
    if estimate.value is None:
        return f"undefined ({estimate.reason})"
    if estimate.low is None or estimate.high is None:
        return f"{_number(estimate.value)} ({estimate.reason})"
    draws = "" if estimate.draws == DRAWS else f", defined in {estimate.draws} of {DRAWS:,} draws"
    return f"{_number(estimate.value)} ({_number(estimate.low)} to {_number(estimate.high)}{draws})"


def coefficient_words(name: str, estimate: Estimate) -> str:
    """A coefficient with its interval, or why it is undefined: "Krippendorff's alpha 0.71 (0.55 to 0.83)"."""
    return f"{COEFFICIENTS[name]} {_estimate(estimate)}"


def percent_sentence(short: str, question: QuestionReport) -> str:
    """How often annotators agreed on a question, over how many items."""
    percent = question.coefficients["percent"]
    if percent.value is None:
        return f"Agreement on {short} is undefined: {percent.reason}."
    over = (
        ""
        if percent.low is None or percent.high is None
        else (f" ({100 * percent.low:.0f} to {100 * percent.high:.0f} %)")
    )
    return f"Annotators agreed on {short} for {100 * percent.value:.0f} %{over} of {_count(percent.n, 'item')}."


def pair_words(estimate: PairEstimate) -> str:
    """Cohen's kappa of two annotators, its n, or why it is undefined."""
    first, second = map(_shown, estimate.pair)
    over = f" over {_count(estimate.n, 'item')}" if estimate.value is not None else ""
    return f"{first} and {second}: {_estimate(estimate)}{over}"


def _question_sentences(short: str, question: QuestionReport, pairs: bool) -> list[str]:
    others = [coefficient_words(name, each) for name, each in question.coefficients.items() if name in COEFFICIENTS]
    found = [percent_sentence(short, question), "; ".join(others) + "."]
    if pairs and question.cohen_kappa:
        found.append("Cohen's kappa by pair: " + "; ".join(map(pair_words, question.cohen_kappa)) + ".")
    if question.blank:
        found.append(f"Left blank where the form asks: {_count(question.blank, 'judgment')}.")
    if question.unasked:
        found.append(f"Answered where the form does not ask, and counted: {_count(question.unasked, 'judgment')}.")
    return found


def paragraphs(report: Report, pairs: bool = True) -> list[list[str]]:
    """The report as paragraphs of sentences: size and headline, then one paragraph a question.

    `pairs`: with Cohen's kappa of every two annotators.
    """
    start = [
        f"{_count(report.annotators, 'annotator')}, {_count(report.items, 'item')}, "
        f"{_count(report.judgments, 'judgment')}; intervals are 95 % bootstraps over items."
    ]
    left_out = [f"{n:,} {LEFT_OUT[reason]}" for reason, n in report.left_out.items() if n]
    if left_out:
        start.append(f"Left out: {', '.join(left_out)}.")
    headline = [share_sentence(name, share) for name, share in report.headline.items()]
    questions = [_question_sentences(each.short, report.questions[each.field], pairs) for each in QUESTIONS]
    return [start, headline, *questions]
