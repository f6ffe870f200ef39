"""The questions of the study as data: their answers, when each is asked, and the checks of an answer.

This is the only place that says which question is asked when. The browser gets the same data (`questions_for_browser`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from annotation.types import Judgment, StudyItem
from maps.types import is_pattern

DESCRIBED_CODES = ("absent_described", "present_described")
FORM_VERSION = "1"
GUIDELINES_VERSION = "3"
MAX_COMMENT_LENGTH = 2000  # characters

CONSENT_SENTENCE = (
    "By answering you agree that we store your answers, your comments, the times of your answers and a pseudonym made "
    "from your name (from your id, if a panel sent you); that others who take part see your answers (in a study, once "
    "it is over or its organiser shows them; elsewhere, once they have answered the same item themselves); and that "
    "the answers will be published without your name."
)

GUIDELINES = """\
Look at the mappings first, then at the description.

**When is there a pattern?** When two thirds of the mappings show it (20 of 30), and either

- you can see the function that leads from a source to its targets, or
- the targets are closely related to each other.

A pattern among the sources alone does not count.

**What counts as "no pattern described"?** The word "Unclear", or a sentence that says there is no pattern.

**What to ignore.** Remarks about hidden motives next to an explicit description.

**Precision** is about the pattern that you see: a description can be right and still be too general or too \
specific. **Category** is about the most prominent pattern in the mappings, whatever the description says.
"""


@dataclass(frozen=True)
class Choice:
    """One possible answer: the code that is stored and the words that are shown."""

    code: str
    label: str


@dataclass(frozen=True)
class AskedWhen:
    """The condition of a dependent question: an earlier question is asked and has one of these answers."""

    field: str
    codes: tuple[str, ...]


@dataclass(frozen=True)
class FormQuestion:
    """One question; `field` names its column, `short_name` is for axis titles and sentences.

    Without `asked_when` the question is always asked.
    """

    field: str
    short_name: str
    text: str
    choices: tuple[Choice, ...]
    asked_when: AskedWhen | None = None

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes in the order of the form; for precision from best to worst."""
        return tuple(choice.code for choice in self.choices)

    @property
    def labels(self) -> dict[str, str]:
        """The words of the form by code."""
        return {choice.code: choice.label for choice in self.choices}


PRESENCE = FormQuestion(
    "presence",
    "question one (presence)",
    "Was the presence or absence of a pattern recognised correctly?",
    (
        Choice("absent_none", "No pattern is visible and none was described"),
        Choice("absent_described", "No pattern is visible, but one was described"),
        Choice("present_missed", "A pattern is visible, but none was described"),
        Choice("present_described", "A pattern is visible and one was described"),
    ),
)
PRECISION = FormQuestion(
    "precision",
    "question two (precision)",
    "How precise is the description?",
    (
        Choice("accurate", "Correct and accurate"),
        Choice("inaccurate", "Correct, but too general or too specific"),
        Choice("partial", "Correct to a degree, with incorrect parts"),
        Choice("poor", "Does not describe the pattern"),
    ),
    asked_when=AskedWhen("presence", ("present_described",)),
)
CATEGORY = FormQuestion(
    "category",
    "question three (category)",
    "What kind is the most prominent pattern?",
    (
        Choice("semantic", "Semantic: needs knowledge (country to capital)"),
        Choice("language", "Language: needs language expertise (word to prefix)"),
        Choice("general", "General: applies to any string (a string to itself)"),
        Choice("unnatural", "Unnatural: no recognisable function"),
    ),
    asked_when=AskedWhen("presence", ("present_missed", "present_described")),
)
QUESTIONS = (PRESENCE, PRECISION, CATEGORY)  # in the order of the form: a condition names an earlier question


@dataclass(frozen=True)
class Answers:
    """What an annotator chose for one item, a field for each question; None where a question is not answered."""

    presence: str | None
    precision: str | None
    category: str | None
    comment: str

    def codes_by_field(self) -> dict[str, Any]:
        return {question.field: getattr(self, question.field) for question in QUESTIONS}


def answers_of_judgment(judgment: Judgment) -> Answers:
    codes: dict[str, Any] = {question.field: getattr(judgment, question.field) for question in QUESTIONS}
    return Answers(**codes, comment=judgment.comment)


def applicable_fields(codes_by_field: Mapping[str, object]) -> tuple[str, ...]:
    """The fields of the questions that are asked, given the answers so far."""
    fields: list[str] = []
    for question in QUESTIONS:
        condition = question.asked_when
        if condition is None or (condition.field in fields and codes_by_field.get(condition.field) in condition.codes):
            fields.append(question.field)
    return tuple(fields)


def keep_applicable_answers(codes_by_field: Mapping[str, str | None], comment: str | None) -> Answers:
    """The answers without those to questions that do not apply; empty strings count as no answer."""
    fields = applicable_fields(codes_by_field)
    codes: dict[str, Any] = {question.field: None for question in QUESTIONS}
    for field in fields:
        codes[field] = codes_by_field.get(field) or None
    return Answers(**codes, comment=comment or "")


def _question_problem(question: FormQuestion, answer: str | None, applies: bool) -> str | None:
    name = question.short_name[0].upper() + question.short_name[1:]
    if not applies:
        return f"{name} is not asked after your other answers." if answer is not None else None
    if answer is None:
        return f"Please answer {question.short_name}."
    if answer not in question.codes:
        return f"{name} has no answer {answer!r}; choose one of the answers on the form."
    return None


def answer_problems(answers: Answers) -> list[str]:
    """One plain sentence for each missing, unknown or inapplicable answer; empty if the answers can be stored."""
    codes = answers.codes_by_field()
    fields = applicable_fields(codes)
    problems = [_question_problem(question, codes[question.field], question.field in fields) for question in QUESTIONS]
    if len(answers.comment) > MAX_COMMENT_LENGTH:
        problems.append(
            f"Your comment has {len(answers.comment):,} characters; please shorten it to {MAX_COMMENT_LENGTH:,}."
        )
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in answers.comment):
        problems.append("Your comment contains characters that cannot be stored; please remove them.")
    return [sentence for sentence in problems if sentence is not None]


CONTRADICTION_FLAG = "contradicts_description"


def contradiction_hint(observed_pattern: str, presence: str | None) -> str | None:
    """What to ask somebody who says that a pattern was described where the description is "Unclear"; else None."""
    if is_pattern(observed_pattern) or presence not in DESCRIBED_CODES:
        return None
    return (
        f"This description says “{observed_pattern.strip()}”, which counts as none described. To keep your answer, "
        "submit it again; else change it."
    )


def questions_for_browser() -> list[dict[str, Any]]:
    """The questions as JSON data: field, codes, and the condition under which each is asked."""
    return [
        {"field": each.field, "codes": each.codes, "askedWhen": each.asked_when and vars(each.asked_when)}
        for each in QUESTIONS
    ]


def build_judgment(
    item: StudyItem,
    answers: Answers,
    *,
    judgment_id: str,
    annotator: str,
    started_at: datetime,
    submitted_at: datetime,
    supersedes: str | None,
    app_version: str,
    flag: str | None = None,
) -> Judgment:
    """The row to store; `answers` must have no `answer_problems`. `seconds` is at least 0, even if the clock jumps."""
    return Judgment(
        judgment_id=judgment_id,
        study=item.study,
        model=item.model,
        layer=item.layer,
        head=item.head,
        item_kind=item.item_kind,
        annotator=annotator,
        **answers.codes_by_field(),
        comment=answers.comment,
        started_at=started_at,
        submitted_at=submitted_at,
        seconds=max(0.0, (submitted_at - started_at).total_seconds()),
        supersedes=supersedes,
        mapping_hash=item.mapping_hash,
        description_id=item.description_id,
        guidelines_version=GUIDELINES_VERSION,
        form_version=FORM_VERSION,
        app_version=app_version,
        flag=flag,
    )
