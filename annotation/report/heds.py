"""The Human Evaluation Datasheet of a study, filled in from its file, its answers and its organiser's words."""

from __future__ import annotations

from annotation.form import GUIDELINES, QUESTIONS, FormQuestion
from annotation.report.heds_form import Answers, HedsAnswer
from annotation.report.phrases import COEFFICIENT_NAMES, estimate_words
from annotation.report.study_plan import PlannedStudy, recruitment_words
from annotation.statistics.summary import AgreementReport
from annotation.study.study import Study
from maps.text import join_words, pluralize

ENGLISH = 42  # the option's place in the form's list of languages
NOT_APPLICABLE = "N/A"
POWER_SHARE = 0.1  # of accepted controls, for the value of the power
PLAN_COMMAND = "python -m annotation study plan"
CRITERION_FRAMES = {"presence": 2, "precision": 2, "category": 1}  # relative to the input, or in its own right


def datasheet_answers(
    study: Study,
    plan: PlannedStudy,
    report: AgreementReport | None,
    practice_items: int,
    address: str = "",
    preregistration: str = "",
) -> tuple[Answers, dict[str, Answers]]:
    """The answers that are known, and those of section 4 for each question of the form.

    `report` is None before the study; `practice_items`: how many come first; `address`: where the form was;
    `preregistration`: where the frozen plan is, or its hash.
    """
    answers = _resources(study) | _systems(study) | _sample(study, plan)
    answers |= (
        _evaluators(study, plan, report, practice_items) | _design(study, address, preregistration) | _ethics(study)
    )
    return answers, {question.field: _criterion(question, report) for question in QUESTIONS}


def _text(words: str) -> HedsAnswer:
    return HedsAnswer(words)


def _chosen(*options: int, words: str = "") -> HedsAnswer:
    return HedsAnswer(words, options)


def _resources(study: Study) -> Answers:
    notice, settings = study.settings.notice, study.settings
    title = f"“{notice.title}”: " if notice.title else ""
    items = f"{pluralize(len(study.order), 'description')} of attention heads of {settings.model}"
    return {
        "1.1.2": _text(f"{title}study {study.name}, {items}, written by {settings.describer}"),
        "1.3.2.1": _text(notice.organiser),
        "1.3.2.3": _text(notice.contact),
    }


def _systems(study: Study) -> Answers:
    head = "thirty mappings of an attention head: a token, and the five tokens that the head promotes for it"
    return {
        "2.1": _chosen(4, 15, words=head),
        "2.2": _chosen(5),
        "2.3": _chosen(20, words=f"describing what an attention head does, by {study.settings.describer}"),
        "2.5": _chosen(ENGLISH),
    }


def _sample(study: Study, plan: PlannedStudy) -> Answers:
    settings = study.settings
    true_items, controls = len(study.true_items), plan.size.controls
    power = plan.forecast.power.get(POWER_SHARE)
    value = (
        ""
        if power is None
        else (
            f"{power:.2f}, to tell the acceptance of true items from that of controls if {100 * POWER_SHARE:.0f} % of "
            f"controls are accepted (answers as in {plan.assumptions.source})"
        )
    )
    is_stratified = settings.sample == "stratified"
    return {
        "3.1.1": _text(f"{len(study.order):,}: {true_items:,} descriptions and {controls:,} controls"),
        "3.1.2": _chosen(2, words="quarters of the model's layers") if is_stratified else _chosen(1),
        "3.1.3.1": _text("Simulated studies with assumed answers, put through the statistics of the report"),
        "3.1.3.2": _text(value or f"{NOT_APPLICABLE}: the study has no controls"),
        "3.1.3.3": _text(f"`{PLAN_COMMAND}`"),
    }


def _evaluators(study: Study, plan: PlannedStudy, report: AgreementReport | None, practice_items: int) -> Answers:
    settings = study.settings
    number = report.annotators if report is not None and report.annotators else plan.annotators
    practice = pluralize(practice_items, "practice item")
    training = (
        f"Guidelines, then {practice} with feedback; together they have every answer"
        if practice_items
        else ("Guidelines; no practice items")
    )
    how = recruitment_words(settings)
    answers = {
        "3.2.1": _text(str(number or NOT_APPLICABLE)),
        "3.2.3": _text(f"By {how}"),
        "3.2.4": _text(training),
    }
    return answers | ({"3.2.2.2": _chosen(1, words=settings.notice.payment)} if settings.notice.payment else {})


def _design(study: Study, address: str, preregistration: str) -> Answers:
    settings = study.settings
    kinds = [
        words
        for count, words in (
            (settings.swapped, f"{settings.swapped:,} controls with another head's description"),
            (settings.shuffled, f"{settings.shuffled:,} controls with shuffled mappings"),
            (settings.overlap, f"{settings.overlap:,} heads that everybody judges"),
        )
        if count
    ]
    checks = [
        *kinds,
        "an answer that contradicts whether a pattern is described is asked about once and flagged",
        "each annotator is compared with the majority of the others",
    ]
    questions = (1, 2) if settings.notice.contact else (1,)
    return {
        "3.3.1": _chosen(1, words=preregistration) if preregistration else _chosen(2),
        "3.3.2": _text("A web form; each answer is on disk before it is confirmed"),
        "3.3.3.1": _chosen(2),
        "3.3.3.2": _text(f"{join_words(checks)[0].upper()}{join_words(checks)[1:]}. No answer is left out for them."),
        "3.3.4.1": _text(address),
        "3.3.4.2": _text(
            "The thirty mappings with the strength of each, and the description's sentences on inputs and pattern; not "
            "who wrote it, which head it is, or whether it is a control"
        ),
        "3.3.5": _chosen(5, words="items can be judged at any time and in any number of sittings"),
        "3.3.6": _chosen(*questions),
        "3.3.7": _chosen(1),
        "3.3.8": _text("Place and device are the annotators' choice and are not recorded"),
    }


def _ethics(study: Study) -> Answers:
    stored = "Answers, comments and times are stored under a pseudonym; names are not stored. Releases have no names."
    return {"5.1": _text(study.settings.notice.ethics), "5.2": _chosen(2, words=stored), "5.3": _chosen(1)}


def _criterion(question: FormQuestion, report: AgreementReport | None) -> Answers:
    """Section 4 for one question of the form."""
    labels = "; ".join(f"“{choice.label}”" for choice in question.choices)
    is_label = question.field == "category"
    found = None if report is None else report.questions[question.field]
    scores = (
        ""
        if found is None
        else "; ".join(
            f"{COEFFICIENT_NAMES[name]} {estimate_words(each)}"
            for name, each in found.coefficients.items()
            if name in COEFFICIENT_NAMES
        )
    )
    return {
        "4.1.1": _chosen(3 if is_label else 1),
        "4.1.2": _chosen(2),
        "4.1.3": _chosen(CRITERION_FRAMES[question.field]),
        "4.2.1": _chosen(2),
        "4.2.2": _chosen(1),
        "4.2.3": _chosen(1),
        "4.3.1.1": _text(question.short_name),
        "4.3.2": _text(GUIDELINES.replace("**", "")),
        "4.3.3": _text(str(len(question.choices))),
        "4.3.4": _text(labels),
        "4.3.5": _chosen(1),
        "4.3.6": _text(NOT_APPLICABLE),
        "4.3.7": _text(question.text),
        "4.3.8": _chosen(7 if is_label else 2),
        "4.3.9": _text("Shares of judgments; one label an item by the organiser's decision, else by the majority"),
        "4.3.10": _text(
            "95 % intervals: score intervals with a design effect for shares, bootstrap over items for agreement"
        ),
        "4.3.11.1": _text("Agreeing pairs, Fleiss' kappa, Krippendorff's alpha, Gwet's AC1, Cohen's kappa by pair"),
        "4.3.11.2": _text(scores or NOT_APPLICABLE),
        "4.3.12.1": _text(f"{NOT_APPLICABLE}: nobody judges an item twice"),
        "4.3.12.2": _text(NOT_APPLICABLE),
    }
