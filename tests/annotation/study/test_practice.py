"""The practice items are complete, answerable and taught by their feedback."""

from __future__ import annotations

from annotation.form import QUESTIONS, Answers, answer_problems
from annotation.study.practice import load_practice_examples
from annotation.study.workload import PRACTICE_ITEMS


def test_each_example_has_thirty_mappings_right_answers_and_feedback_to_each_question() -> None:
    found = load_practice_examples("pilot")
    places = [(e.item.study, e.item.item_kind, e.item.model, e.item.layer) for e in found]
    assert places == [("pilot", "practice", "practice", 0)] * len(found)
    assert sorted(e.item.head for e in found) == list(range(len(found)))
    for each in found:
        assert [mapping.rank for mapping in each.content.mappings] == list(range(1, 31))
        assert {len(mapping.targets) for mapping in each.content.mappings} == {5}
        assert len({mapping.source for mapping in each.content.mappings}) == 30
        assert answer_problems(each.answers) == []
        assert list(each.feedback) == [question.field for question in QUESTIONS]
        assert all(sentence.endswith(".") for sentence in each.feedback.values())
    assert len({each.item.key for each in found}) == len(found)


def test_the_planned_work_counts_every_practice_item() -> None:
    assert len(load_practice_examples("pilot")) == PRACTICE_ITEMS


def test_practice_has_every_answer_of_the_form_and_begins_with_no_pattern() -> None:
    found = load_practice_examples("pilot")
    for question in QUESTIONS:
        answered = {getattr(each.answers, question.field) for each in found}
        assert answered - {None} == set(question.codes)
    assert (found[0].answers.presence, found[0].content.observed_pattern) == ("absent_none", "Unclear")


def test_a_pattern_that_the_feedback_counts_is_there() -> None:
    """25 of 30 lead to themselves in other spellings, 26 to their first letter, 26 to colours."""
    by_id = {each.item.description_id: each for each in load_practice_examples("pilot")}
    copies = [
        m for m in by_id["practice-5"].content.mappings if {t.strip().lower() for t in m.targets} == {m.source.strip()}
    ]
    letters = [
        m
        for m in by_id["practice-6"].content.mappings
        if {t.strip(" .").lower() for t in m.targets} == {m.source.strip()[0]}
    ]
    assert (len(copies), len(letters)) == (25, 26)
    assert "in 25 of the 30" in by_id["practice-5"].feedback["presence"]
    assert "in 26 of the 30" in by_id["practice-6"].feedback["presence"]


def test_what_was_answered_otherwise_is_named() -> None:
    by_id = {each.item.description_id: each for each in load_practice_examples("pilot")}
    first, second, third = (by_id[f"practice-{number}"] for number in (1, 2, 3))
    assert first.wrong_fields(first.answers) == ()
    assert second.wrong_fields(Answers("present_described", "poor", "language", "a remark")) == ("precision",)
    assert third.wrong_fields(Answers("present_missed", None, "general", "")) == ("presence", "category")
