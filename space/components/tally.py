"""How an item was judged, as HTML, for those who may see it."""

from __future__ import annotations

from collections import Counter

from annotation.form import QUESTIONS
from annotation.types import Judgment
from space.components.markup import escape_html


def answer_counts(judgments: list[Judgment]) -> dict[str, dict[str, int]]:
    """How often each answer to each question was given, by their codes."""
    given = {question.field: Counter(getattr(row, question.field) for row in judgments) for question in QUESTIONS}
    return {
        question.field: {choice.code: given[question.field][choice.code] for choice in question.choices}
        for question in QUESTIONS
    }


def answer_counts_html(judgments: list[Judgment]) -> str:
    """How often each answer was given, and the comments."""
    parts, found = [], answer_counts(judgments)
    for question in QUESTIONS:
        given = [(c.label, found[question.field][c.code]) for c in question.choices if found[question.field][c.code]]
        if given:
            lines = "".join(f"<li>{count} × {escape_html(label)}</li>" for label, count in given)
            parts.append(f"<p>{escape_html(question.text)}</p><ul>{lines}</ul>")
    comments = "".join(f"<li>{escape_html(row.comment)}</li>" for row in judgments if row.comment)
    if comments:
        parts.append(f"<p>Comments</p><ul>{comments}</ul>")
    return f'<div class="tally">{"".join(parts)}</div>'
