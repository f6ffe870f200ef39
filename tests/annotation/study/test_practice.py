"""The worked examples are complete, answerable and taught by their feedback."""

from __future__ import annotations

from annotation.form import QUESTIONS, Answers, answer_problems
from annotation.study.practice import load_practice_examples


def test_three_examples_have_thirty_mappings_right_answers_and_feedback_to_each_question() -> None:
    found = load_practice_examples("pilot")
    assert [(e.item.study, e.item.item_kind, e.item.model, e.item.layer, e.item.head) for e in found] == [
        ("pilot", "practice", "practice", 0, head) for head in range(3)
    ]
    for each in found:
        assert [mapping.rank for mapping in each.content.mappings] == list(range(1, 31))
        assert {len(mapping.targets) for mapping in each.content.mappings} == {5}
        assert len({mapping.source for mapping in each.content.mappings}) == 30
        assert answer_problems(each.answers) == []
        assert list(each.feedback) == [question.field for question in QUESTIONS]
        assert all(sentence.endswith(".") for sentence in each.feedback.values())
    assert len({each.item.key for each in found}) == 3
    assert {each.answers.presence for each in found} == {"present_described", "absent_described"}


def test_what_was_answered_otherwise_is_named() -> None:
    first, second, third = load_practice_examples("pilot")
    assert first.wrong_fields(first.answers) == ()
    assert second.wrong_fields(Answers("present_described", "poor", "language", "a remark")) == ("precision",)
    assert third.wrong_fields(Answers("present_missed", None, "general", "")) == ("presence", "category")
