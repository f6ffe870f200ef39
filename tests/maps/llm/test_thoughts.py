"""The answer behind a model's thoughts, in the spellings that servers leave in the text of a reply."""

from __future__ import annotations

import json
import time

import pytest

from maps.describers.prompt import parse_description
from maps.errors import ReplyError
from maps.llm.messages import parse_json_object
from maps.llm.thoughts import shows_thoughts, text_behind_thoughts
from maps.scoring.items import parse_named_items

ANSWER = '{"a": "the answer"}'
DRAFT = 'First {"a": "a draft"}, or\n```json\n{"a": "another draft"}\n```\nor { or }. '
HARMONY = "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>{}<|return|>"

THOUGHTFUL = [  # with a place for the thought and one for the answer
    *(f"<{name}>{{}}</{name}>{{}}" for name in ("think", "thinking", "thought", "reasoning", "seed:think", "THINK")),
    '<think type="deep">\n{}</think >\n\n{}\n',
    "{}</think>{}",  # the template opened the thought
    "{}</reasoning>\n\n{}",
    "<think></think><think>{}</think>Now: </think>{}",
    "<think>{}</think>{}<think>One more {{thought}}.</think>",
    "<think>Short.</think><think>{}</think>{}",
    "<think>{}</thinking>\n{}",
    "<think>The token <think> recurs. {}</think>{}",
    "[THINK]{}[/THINK]{}",
    "◁think▷{}◁/think▷{}",
    "<|begin_of_thought|>{}<|end_of_thought|>\n<|begin_of_solution|>{}<|end_of_solution|>",
    "<|START_THINKING|>{}<|END_THINKING|><|START_RESPONSE|>{}<|END_RESPONSE|>",
    HARMONY,
    HARMONY.replace("final<|message|>", "final <|constrain|>json<|message|>").replace("<|return|>", "<|end|>"),
    "<|channel|>analysis<|message|>{}<|channel|>final<|message|>{}",
    "<|start|>assistant<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary<|message|>{}"
    "<|end|><|start|>assistant<|channel|>final<|message|>{}",
    "<|channel>thought\n{}<channel|>{}",
    "analysisWe see: {}assistantfinal{}",
]


def filled(form: str, thought: str, answer: str) -> str:
    first, _, rest = form.partition("{}")
    middle, _, last = rest.partition("{}")
    return f"{first}{thought}{middle}{answer}{last}".replace("{{", "{").replace("}}", "}")


@pytest.mark.parametrize("form", THOUGHTFUL)
@pytest.mark.parametrize("answer", [ANSWER, f"```json\n{ANSWER}\n```", f"Here it is: {ANSWER} Done."])
def test_the_answer_behind_the_thoughts_is_read(form: str, answer: str) -> None:
    reply = filled(form, DRAFT, answer)
    assert parse_json_object(reply, ("a",)) == {"a": "the answer"}
    assert shows_thoughts(reply)


@pytest.mark.parametrize("form", THOUGHTFUL)
@pytest.mark.parametrize("thought", [ANSWER, f"```json\n{ANSWER}\n```"])
def test_an_object_in_the_thoughts_only_is_no_answer(form: str, thought: str) -> None:
    with pytest.raises(ReplyError):
        parse_json_object(filled(form, thought, ""), ("a",))


@pytest.mark.parametrize(
    "opening",
    ["<think>", "<thinking>", "<reasoning>", "[THINK]", "<|channel|>analysis<|message|>", "<|begin_of_thought|>"],
)
def test_a_thought_that_never_ends_is_no_answer(opening: str) -> None:
    for reply in (f"{opening}{ANSWER}", f"{opening}\n```json\n{ANSWER}\n```", f"Well. {opening} {ANSWER} and"):
        with pytest.raises(ReplyError):
            parse_json_object(reply, ("a",))
    message = r"^The reply contains the model's thoughts and no answer: raise --max-tokens, or switch off"
    with pytest.raises(ReplyError, match=message):
        parse_json_object(f"{opening}{ANSWER}", ("a",))


@pytest.mark.parametrize(
    "text", ["</think>", "<think>", "[/THINK] <think> {", "<|end|>", 'a </think> {"b": 1} <think>']
)
@pytest.mark.parametrize(
    "around", ["{}", "```json\n{}\n```", "Sure: {} Done.", "<think>Hm {{</think>{}", "x</think>{}"]
)
def test_a_marker_that_the_answer_quotes_stays_in_it(text: str, around: str) -> None:
    head, _, tail = around.replace("{{", "\0").partition("{}")
    reply = f"{head}{json.dumps({'a': text})}{tail}".replace("\0", "{")
    assert parse_json_object(reply, ("a",)) == {"a": text}


def test_text_without_thoughts_is_unchanged() -> None:
    for text in (ANSWER, "", "a < b > c [x]", "analysis: {}", "Words <|end|>", json.dumps({"a": "</think>"})):
        assert (text_behind_thoughts(text), shows_thoughts(text)) == (text, False)


def test_describers_and_scorers_read_the_same_way() -> None:
    description = {"Reasoning": "Line one.\nLine two.", "Input strings": "\tWords.", "Observed pattern": "</think>"}
    raw = json.dumps(description).replace("\\n", "\n").replace("\\t", "\t")
    read = parse_description(f'<think>{{"Reasoning": "x"}}</think>{raw}')
    assert (read.reasoning, read.input_strings, read.observed_pattern) == ("Line one.\nLine two.", "Words.", "</think>")
    assert parse_named_items('<think>{"belongs": [1]}</think>{"belongs": [2, 3]}', 20) == {2, 3}


@pytest.mark.parametrize("around", ["{}", "```json\n{}\n```", "Sure: {} Done."])
def test_a_raw_newline_or_tab_in_a_string_is_accepted(around: str) -> None:
    assert parse_json_object(around.format('{"a": "one\ntwo\tthree"}'), ("a",)) == {"a": "one\ntwo\tthree"}


def test_hostile_text_is_read_quickly() -> None:
    started = time.process_time()
    for text in ('{"a":', "{", "<think>", "{}</think>", "analysis", "analysisassistant", "[{", '{"b": [1]}'):
        half = text * (50_000 // len(text))
        shows_thoughts(f"{half}</think>{half}")
    assert time.process_time() - started < 2
