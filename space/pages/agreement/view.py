"""The results of a study as HTML: sentences first, then folded tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from annotation.form import QUESTIONS, FormQuestion
from annotation.report import sections
from annotation.report.judges import judge_paragraph
from annotation.report.paper import Paper
from annotation.report.phrases import COEFFICIENT_NAMES, percent_words, rate_words
from annotation.report.sentences import agreement_sentence, agreement_sentences, size_sentences
from annotation.statistics.annotators import MajorityComparison
from annotation.statistics.answer_counts import QUARTER_NAMES
from annotation.statistics.bootstrap import BootstrapEstimate
from annotation.statistics.evidence import MeasureCorrelation
from annotation.statistics.model_judges import JudgeReport
from annotation.statistics.pairs import PairEstimate
from annotation.statistics.rates import RATE_DEFINITIONS, TRUE_ITEMS
from annotation.statistics.summary import AgreementReport, JudgmentGroup
from maps.text import pluralize
from space.components.markup import Html, bullet_list, join_html, table

INTERVAL_HEADING = "95 % interval, or why there is none"
MAJORITY = ("Annotator", "Same answer", "Cohen's kappa", "Items", "Items where the others tie", "Items of nobody else")


def paragraph(sentences: Iterable[str]) -> Html:
    """Sentences as one paragraph; empty without sentences."""
    text = " ".join(sentences)
    return Html("<p>{}</p>").format(text) if text else Html("")


def details_block(summary: str, content: Html) -> Html:
    return Html("<details><summary>{}</summary>{}</details>").format(summary, content)


def folded_table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Html:
    """A table folded under its caption; empty without rows."""
    return details_block(caption, table(header, rows, caption)) if rows else Html("")


def heading(text: str) -> Html:
    return Html("<h2>{}</h2>").format(text)


def overview(report: AgreementReport) -> Html:
    """The first lines of the page: how much was judged, and how far annotators agree."""
    agreement = [agreement_sentence(question.short_name, report.questions[question.field]) for question in QUESTIONS]
    return paragraph(size_sentences(report)) + paragraph(agreement)


def estimate_cells(estimate: BootstrapEstimate | PairEstimate) -> tuple[str, str, str]:
    """Cells for the value, for its interval (or why there is none), and for n."""
    value = "undefined" if estimate.value is None else f"{estimate.value:.3f}"
    interval = estimate.reason or ""
    if estimate.low is not None and estimate.high is not None:
        interval = f"{estimate.low:.3f} to {estimate.high:.3f}"
    return value, interval, f"{estimate.n:,}"


def question_summary(report: AgreementReport, question: FormQuestion, paper: Paper) -> Html:
    name = question.short_name[0].upper() + question.short_name[1:]
    agreement = agreement_sentences(question.short_name, report.questions[question.field], pairs=False)
    answers = sections.answer_sentences(report.answers, paper)[QUESTIONS.index(question)]
    return heading(name) + paragraph([question.text]) + paragraph(agreement) + paragraph([answers])


def question_tables(report: AgreementReport, question: FormQuestion) -> Html:
    """One question's coefficients, Cohen's kappa by pair and agreement with the majority, each folded.

    Of the pairs of more than 20 annotators only the lowest kappas are there.
    """
    agreement = report.questions[question.field]
    names = {"percent": "Share of agreeing pairs", **COEFFICIENT_NAMES}
    coefficients = [(names[name], *estimate_cells(estimate)) for name, estimate in agreement.coefficients.items()]
    summary = agreement.pair_summary
    estimates = agreement.cohen_kappa if summary is None else summary.worst
    pairs = [(" and ".join(estimate.pair), *estimate_cells(estimate)) for estimate in estimates]
    annotators = [annotator_row(comparison) for comparison in report.majority[question.field]]
    columns, name = ("Value", INTERVAL_HEADING, "Items"), question.short_name
    return (
        folded_table(f"Agreement on {name}", ("Coefficient", *columns), coefficients)
        + folded_table(
            f"{'Cohen' if summary is None else 'Lowest Cohen'}'s kappa by pair on {name}",
            ("Annotators", *columns),
            pairs,
        )
        + folded_table(f"Annotators compared with the majority of the others on {name}", MAJORITY, annotators)
    )


def annotator_row(comparison: MajorityComparison) -> tuple[str, ...]:
    """An annotator's row: agreement with the majority, kappa, and on how many items."""
    share, kappa = comparison.share, comparison.kappa
    same = f"undefined ({share.reason})" if share.value is None else percent_words(share.value, share.low, share.high)
    value = f"undefined ({kappa.reason})" if kappa.value is None else f"{kappa.value:.3f}"
    return comparison.annotator, same, value, f"{share.n:,}", f"{comparison.tied:,}", f"{comparison.alone:,}"


def rates_section(report: AgreementReport, paper: Paper) -> Html:
    """Every rate next to the same rate on controls and in the paper."""
    kinds = [TRUE_ITEMS, *(kind for kind in sections.CONTROL_WORDS if report.controls[kind].judgments)]
    rows = []
    for name in RATE_DEFINITIONS:
        published = paper.rates[name]
        cells = [rate_words(report.controls[kind].rates[name]) for kind in kinds]
        rows.append((sections.RATE_WORDS[name], *cells, f"{100 * published.value:.1f} % of {published.n}"))
    header = ("Share", "Here", *(f"Controls {sections.CONTROL_WORDS[kind]}" for kind in kinds[1:]), "In the paper")
    sentences = sections.rate_sentences(report.controls, paper)
    return (
        heading("Compared with chance and with the paper")
        + paragraph([sentences[0], sentences[-1]])
        + folded_table("All shares", header, rows)
    )


def judges_section(reports: Sequence[JudgeReport], items: int, evidence: Sequence[MeasureCorrelation]) -> Html:
    """Language models that answered the same questions; empty without any."""
    if not reports:
        return Html("")
    found = join_html(bullet_list(judge_paragraph(report, items, evidence)) for report in reports)
    intro = "Their answers are kept apart and enter none of the figures above."
    return heading("Language models as judges") + paragraph([intro]) + found


def group_row(group: JudgmentGroup) -> tuple[str, ...]:
    """A row for a model or a layer quarter: items, share recognised, agreement and alpha on each question."""
    cells = []
    for question in QUESTIONS:
        coefficients = group.questions[question.field].coefficients
        percent, alpha = coefficients["percent"], coefficients["krippendorff_alpha"]
        share = "undefined" if percent.value is None else f"{100 * percent.value:.0f} %"
        value = "undefined" if alpha.value is None else f"{alpha.value:.2f}"
        cells.append(f"{share}, α {value}, n {percent.n:,}")
    name = group.model if group.quarter is None else f"{group.model}, {QUARTER_NAMES[group.quarter]} quarter"
    correct = group.headline["correct"]
    recognised = "undefined" if correct.value is None else f"{100 * correct.value:.1f} %"
    return name, f"{group.items:,}", recognised, *cells


def groups_section(report: AgreementReport, paper: Paper) -> Html:
    models = report.by_model.groups if len(report.by_model.groups) > 1 else []
    rows = [group_row(group) for group in [*models, *report.by_quarter.groups]]
    header = ("Model and layers", "Items", "Recognised", *(f"Agreement on {q.short_name}" for q in QUESTIONS))
    sentences = bullet_list(sections.group_sentences(report.by_quarter, paper))
    return (
        heading("By layer quarter")
        + folded_table("Agreement by layer quarter", header, rows)
        + details_block("The same in sentences, with every coefficient", sentences)
    )


def remaining_sections(report: AgreementReport, paper: Paper) -> Html:
    """The sections after the questions: chance and paper, layer quarters, annotators, labels, evidence."""
    annotators = sections.majority_sentences(report.majority)
    return (
        rates_section(report, paper)
        + groups_section(report, paper)
        + heading("Annotators compared with the majority of the others")
        + details_block(pluralize(len(annotators), "sentence"), bullet_list(annotators))
        + heading("One label per item")
        + bullet_list(sections.label_sentences(report.aggregated))
        + heading("Measured evidence and human judgments")
        + bullet_list(sections.evidence_sentences(report.evidence or ()))
    )
