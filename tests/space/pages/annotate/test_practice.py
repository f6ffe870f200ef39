"""Feedback on a practice item: which answers were right, which is better, and why."""

from __future__ import annotations

from dataclasses import replace

from annotation.form import Answers
from annotation.study.practice import load_practice_examples
from space.pages.annotate.view import feedback_html

CAPITALS = load_practice_examples("pilot")[1]


def test_right_answers_are_confirmed_and_others_mended_with_the_reason() -> None:
    example = CAPITALS
    said = feedback_html(example, replace(example.answers, precision="inaccurate"))
    assert said.count("<b>Right.</b>") == 2
    assert "<b>Not quite. Better: Correct and accurate.</b> The description names just what can be seen" in said


def test_a_question_that_was_not_asked_but_should_have_been_is_mended_too() -> None:
    example = CAPITALS
    said = feedback_html(example, Answers("absent_none", None, None, ""))
    assert said.count("Not quite.") == 3


def test_what_the_example_says_is_escaped() -> None:
    example = load_practice_examples("pilot")[0]
    said = feedback_html(replace(example, feedback={"presence": "<b onclick=x>"}), example.answers)
    assert "&lt;b onclick=x&gt;" in said
