"""A worked example after it was answered: what is right, and why."""

from __future__ import annotations

from annotation.form import QUESTIONS, Answers
from annotation.study.practice import PracticeExample
from space.components.markup import escape_html


def feedback_html(example: PracticeExample, answers: Answers) -> str:
    """By question, whether the answer was the right one, which is, and a sentence why."""
    wrong = example.wrong_fields(answers)
    parts = []
    for question in QUESTIONS:
        labels = {choice.code: choice.label for choice in question.choices}
        right, mine = getattr(example.answers, question.field), getattr(answers, question.field)
        if right is None and mine is None:
            continue
        best = "it is not asked here" if right is None else labels[right]
        verdict = f"Not quite. Better: {best}." if question.field in wrong else "Right."
        why = example.feedback.get(question.field, "")
        name = question.short_name[0].upper() + question.short_name[1:]
        parts.append(f"<p>{escape_html(name)}: <b>{escape_html(verdict)}</b> {escape_html(why)}</p>")
    return f'<div class="feedback notice" role="status"><p>This was a worked example.</p>{"".join(parts)}</div>'
