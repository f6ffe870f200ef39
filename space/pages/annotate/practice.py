"""Feedback on a worked example: which answers are right, and why."""

from __future__ import annotations

from annotation.form import QUESTIONS, Answers
from annotation.study.practice import PracticeExample
from space.components.markup import Html, join_html


def feedback_html(example: PracticeExample, answers: Answers) -> Html:
    """For each question: whether the answer is right, which answer is better, and a sentence why."""
    right_codes, own_codes, wrong = (
        example.answers.codes_by_field(),
        answers.codes_by_field(),
        example.wrong_fields(answers),
    )
    parts = []
    for question in QUESTIONS:
        right = right_codes[question.field]
        if right is None and own_codes[question.field] is None:
            continue
        verdict = "Right."
        if question.field in wrong:
            labels = {choice.code: choice.label for choice in question.choices}
            verdict = f"Not quite. Better: {'this question is not asked here' if right is None else labels[right]}."
        name = question.short_name[0].upper() + question.short_name[1:]
        why = example.feedback.get(question.field, "")
        parts.append(Html("<p>{}: <b>{}</b> {}</p>").format(name, verdict, why))
    return Html('<div class="feedback notice" role="status"><p>This was a worked example.</p>{}</div>').format(
        join_html(parts)
    )
