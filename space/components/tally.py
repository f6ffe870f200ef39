"""How an item was judged, as HTML, for those who may see it."""

from __future__ import annotations

from collections import Counter

from annotation.form import QUESTIONS
from annotation.types import Judgment
from space.components.markup import Html, join_html


def answer_counts(judgments: list[Judgment]) -> dict[str, dict[str, int]]:
    """How often each answer to each question was given, by their codes."""
    counts = {each.field: Counter(getattr(row, each.field) for row in judgments) for each in QUESTIONS}
    return {each.field: {code: counts[each.field][code] for code in each.codes} for each in QUESTIONS}


def answer_counts_html(judgments: list[Judgment]) -> Html:
    """How often each answer was given, and the comments."""
    parts, counts = [], answer_counts(judgments)
    for question in QUESTIONS:
        given = [(counts[question.field][choice.code], choice.label) for choice in question.choices]
        lines = join_html(Html("<li>{} × {}</li>").format(count, label) for count, label in given if count)
        if lines:
            parts.append(Html("<p>{}</p><ul>{}</ul>").format(question.text, lines))
    comments = join_html(Html("<li>{}</li>").format(row.comment) for row in judgments if row.comment)
    if comments:
        parts.append(Html("<p>Comments</p><ul>{}</ul>").format(comments))
    return Html('<div class="tally">{}</div>').format(join_html(parts))
