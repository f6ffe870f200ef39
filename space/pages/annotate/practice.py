"""A worked example after it was answered: what is right, and why."""

from __future__ import annotations

from annotation.form import QUESTIONS, Answers
from annotation.study.practice import Example
from space.components.markup import text


def feedback(example: Example, given: Answers) -> str:
    """By question, whether the answer was the right one, which is, and a sentence why."""
    wrong = example.mistakes(given)
    parts = []
    for question in QUESTIONS:
        labels = {choice.code: choice.label for choice in question.choices}
        right, mine = getattr(example.answers, question.field), getattr(given, question.field)
        if right is None and mine is None:
            continue
        best = "it is not asked here" if right is None else labels[right]
        verdict = f"Not quite. Better: {best}." if question.field in wrong else "Right."
        why = example.feedback.get(question.field, "")
        name = question.short[0].upper() + question.short[1:]
        parts.append(f"<p>{text(name)}: <b>{text(verdict)}</b> {text(why)}</p>")
    return f'<div class="feedback notice" role="status"><p>This was a worked example.</p>{"".join(parts)}</div>'
