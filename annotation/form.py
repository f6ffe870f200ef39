"""The three questions as data, which of them apply, and what is missing from an answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from annotation.types import Judgment, StudyItem

FORM_VERSION = "1"
GUIDELINES_VERSION = "1"
MAX_COMMENT_LENGTH = 2000

CONSENT_SENTENCE = (
    "By answering you agree that your answers, your comment, the times of your answers and a pseudonym made "
    "from your name are stored, that others who take part see your answers (in a study when it is over or its "
    "organiser opens them, elsewhere once they have answered the item themselves), and that the answers will be "
    "published without your name."
)

GUIDELINES = """\
Look at the mappings first, at the description second.

**When is there a pattern?** When it shows in 20 or more of the 30 mappings, and either

- you can see the function that leads from a source to its targets, or
- the targets are closely related to each other.

A pattern among the sources alone does not count.

**What counts as "no pattern described"?** The word "Unclear", or a sentence that denies a pattern.

**What to ignore.** Remarks on hidden motives that stand beside an explicit description.

**Precision** is about the pattern that you see: a description can be right and still too general or too \
specific. **Category** is about the most prominent pattern in the mappings, whatever the description says.
"""


@dataclass(frozen=True)
class Choice:
    """One possible answer: the code that is stored and the words that are shown."""

    code: str
    label: str


@dataclass(frozen=True)
class FormQuestion:
    """One question; `field` names its column, `short_name` is for axis titles and sentences."""

    field: str
    short_name: str
    text: str
    choices: tuple[Choice, ...]

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes in the order of the form; for precision from best to worst."""
        return tuple(choice.code for choice in self.choices)


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
)
QUESTIONS = (PRESENCE, PRECISION, CATEGORY)


@dataclass(frozen=True)
class Answers:
    """What an annotator chose for one item; None where a question is not answered."""

    presence: str | None
    precision: str | None
    category: str | None
    comment: str


def applicable_fields(presence: str | None) -> tuple[str, ...]:
    """The fields of the questions that apply after this answer to question one."""
    if presence == "present_described":
        return ("presence", "precision", "category")
    if presence == "present_missed":
        return ("presence", "category")
    return ("presence",)


def keep_applicable_answers(
    presence: str | None, precision: str | None, category: str | None, comment: str | None
) -> Answers:
    """The answers without those to questions that do not apply; empty strings count as no answer."""
    fields = applicable_fields(presence)
    return Answers(
        presence or None,
        (precision or None) if "precision" in fields else None,
        (category or None) if "category" in fields else None,
        comment or "",
    )


def _question_problem(question: FormQuestion, answer: str | None, applies: bool) -> str | None:
    name = question.short_name[0].upper() + question.short_name[1:]
    if not applies:
        return f"{name} does not apply to this answer to question one." if answer is not None else None
    if answer is None:
        return f"Please answer {question.short_name}."
    if answer not in question.codes:
        return f"{name} has no answer {answer!r}; choose one of those on the form."
    return None


def answer_problems(answers: Answers) -> list[str]:
    """One plain sentence for each missing, unknown or inapplicable answer; empty where all is well."""
    fields = applicable_fields(answers.presence)
    found = [
        _question_problem(question, getattr(answers, question.field), question.field in fields)
        for question in QUESTIONS
    ]
    if len(answers.comment) > MAX_COMMENT_LENGTH:
        found.append(f"The comment has {len(answers.comment):,} characters; {MAX_COMMENT_LENGTH:,} is the most.")
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in answers.comment):
        found.append("The comment holds characters that are no text; please remove them.")
    return [sentence for sentence in found if sentence is not None]


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
) -> Judgment:
    """The row to record; answers must have no `answer_problems`. `seconds` is at least 0, also if the clock jumps."""
    return Judgment(
        judgment_id=judgment_id,
        study=item.study,
        model=item.model,
        layer=item.layer,
        head=item.head,
        item_kind=item.item_kind,
        annotator=annotator,
        presence=answers.presence or "",
        precision=answers.precision,
        category=answers.category,
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
    )
