"""Texts about a study for reviewers: its preregistration, the datasheet in LaTeX, and the answers of a checklist."""

from __future__ import annotations

from datetime import datetime

from annotation.form import CONSENT_SENTENCE, GUIDELINES_VERSION, QUESTIONS
from annotation.report.heds_form import QUESTIONS as HEDS_QUESTIONS
from annotation.report.heds_form import Answers, HedsAnswer
from annotation.report.study_plan import (
    TABLE_HEADER,
    PlannedStudy,
    expectation_rows,
    plan_sentences,
    recruitment_words,
    summary_sentences,
)
from annotation.statistics.summary import AgreementReport
from annotation.study.study import NOTICE_FIELDS, Study

ANALYSIS = (
    "The report of `python -m annotation agreement` on all judgments that count: without practice items, superseded "
    "answers, judgments of items that became stale, and those of people who withdrew. Primary: the four headline rates "
    "with 95 % intervals, and Krippendorff's alpha and Gwet's AC1 of question one. The acceptance of true items is "
    "compared with that of controls by Newcombe's interval of the difference. All else in the report is secondary."
)
LATEX_ESCAPES = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def preregistration_text(plan: PlannedStudy, study_hash: str, created_at: datetime) -> str:
    """The plan as Markdown. `study_hash`: of the study's file, which it commits to without showing the items."""
    study = plan.study
    words = {name: getattr(study.settings.notice, name) for name in NOTICE_FIELDS}
    notice = [f"- {name.replace('_', ' ')}: {text}" for name, text in words.items() if text]
    rows = ["| " + " | ".join(row) + " |" for row in (TABLE_HEADER, ("---",) * 4, *expectation_rows(plan))]
    questions = [f"- {question.text} ({'; '.join(question.labels.values())})" for question in QUESTIONS]
    parts = [
        f"# Preregistration of the study {study.name}",
        f"Written on {created_at:%Y-%m-%d at %H:%M:%S} UTC. SHA-256 of the frozen study (settings, items, texts): "
        f"`{study_hash}`. Version {GUIDELINES_VERSION} of the guidelines.",
        "## Design",
        "\n".join(["- " + sentence for sentence in summary_sentences(study, plan.assumptions.model.seconds)] + notice),
        "## Questions",
        "\n".join(questions),
        "## Analysis",
        ANALYSIS,
        "## What the study is expected to show",
        "\n".join("- " + sentence for sentence in plan_sentences(plan)),
        "\n".join(rows),
    ]
    return "\n\n".join(parts) + "\n"


def datasheet_latex(answers: Answers, criteria: dict[str, Answers]) -> str:
    """The datasheet as a long table, without a document around it; needs the package longtable."""
    lines = [
        r"\begin{longtable}{p{0.08\linewidth}p{0.3\linewidth}p{0.54\linewidth}}",
        r"\textbf{No.} & \textbf{Question} & \textbf{Answer} \\ \hline \endhead",
    ]
    for question in (each for each in HEDS_QUESTIONS if not each.is_of_criterion and each.number < "4"):
        lines.append(_latex_row(question.number, question.words, answers.get(question.number)))
    for name, given in criteria.items():
        lines.append(rf"\multicolumn{{3}}{{l}}{{\textbf{{Criterion: {latex_text(name)}}}}} \\")
        lines += [_latex_row(q.number, q.words, given.get(q.number)) for q in HEDS_QUESTIONS if q.is_of_criterion]
    for question in (each for each in HEDS_QUESTIONS if each.number.startswith("5")):
        lines.append(_latex_row(question.number, question.words, answers.get(question.number)))
    return "\n".join([*lines, r"\end{longtable}", ""])


def _latex_row(number: str, words: str, answer: HedsAnswer | None) -> str:
    answer = answer or HedsAnswer()
    options = ", ".join(map(str, answer.options))
    text = " ".join(part for part in (f"Option {options}." if options else "", answer.text) if part)
    return f"{number} & {latex_text(words)} & {latex_text(text or '(open)')} \\\\"


def latex_text(text: str) -> str:
    """Any text as LaTeX; control characters and lines become spaces."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    return "".join(LATEX_ESCAPES.get(character, character) for character in plain)


def checklist_text(study: Study, plan: PlannedStudy, report: AgreementReport | None) -> str:
    """Answers to the part on human annotators of the ACL's responsible research checklist, section D."""
    notice = study.settings.notice
    planned, achieved = plan.annotators, None if report is None else report.annotators
    people = f"Planned: {planned or 'unknown'}; took part so far: {0 if achieved is None else achieved}."
    judgments = 0 if report is None else report.judgments
    size = plan.size
    wanted = (size.items - size.controls) * size.per_item + size.overlap * (planned or 1)
    how = recruitment_words(study.settings)
    rows = (
        (
            "D1. Instructions given to participants",
            "The form's guidelines and practice items; see the datasheet, 4.3.",
        ),
        ("D2. Recruitment and payment", f"By {how}. {people} {notice.payment or '(payment: fill in)'}"),
        ("D3. Consent", CONSENT_SENTENCE),
        ("D4. Ethics review", notice.ethics or "(fill in)"),
        ("D5. Characteristics of annotators", "Not collected by the app. (fill in)"),
        ("Judgments of true items", f"Planned: {wanted:,}; counted so far: {judgments:,}."),
    )
    return (
        "\n\n".join([f"# Checklist for the study {study.name}", *(f"**{name}.** {text}" for name, text in rows)]) + "\n"
    )
