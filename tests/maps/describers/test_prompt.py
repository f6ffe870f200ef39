"""The prompt that asks for a description, and the parser of the reply."""

from __future__ import annotations

import hashlib
import json

import pytest

from maps.describers.prompt import description_messages, parse_description
from maps.errors import ReplyError
from maps.hashes import mapping_hash
from maps.llm.messages import prompt_hash
from maps.text import quote_for_prompt
from maps.types import Description, Mapping

GOOD = {"Reasoning": "Seen often.", "Input strings": "Words.", "Observed pattern": "The first letter."}


def mapping(source: str, *targets: str, source_id: int = 0, target_ids: tuple[int, ...] = ()) -> Mapping:
    ids = target_ids or tuple(range(len(targets)))
    return Mapping(1, source_id, source, 1.0, ids, targets, tuple(0.5 for _ in targets))


def test_the_prompt_lists_the_sources_and_then_each_mapping() -> None:
    [message] = description_messages([mapping(" fire", " f", "F"), mapping("ice", "i")])
    assert message["role"] == "user"
    expected = 'Input strings: " fire", "ice"\n\nMappings:\n" fire": " f", "F"\n"ice": "i"'
    assert message["content"].endswith(expected)


def test_the_prompt_names_the_three_keys_and_the_word_for_no_pattern() -> None:
    [message] = description_messages([mapping("a", "b")])
    for phrase in ('"Reasoning"', '"Input strings"', '"Observed pattern"', '"Unclear"', "JSON"):
        assert phrase in message["content"]


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        (" fire", '" fire"'),
        ('say "a"', '"say \\"a\\""'),
        ("\\xE2", '"\\xE2"'),
        ("\\\\n", '"\\\\n"'),
        ("\n\t", '"\\n\\t"'),
        ("a\u200bb\u00a0", '"a\\u200bb\\u00a0"'),
        ("\U000e0001", '"\\U000e0001"'),
        ("é火", '"é火"'),
        ("a < b > c", '"a < b > c"'),
        ("x[i]", '"x[i]"'),
        (" [1] [...] [::-1]", '" [1] [...] [::-1]"'),
        ("<div>", '"< div >"'),
        ("<> -> ></ <=", '"<> -> ></ <="'),
    ],
)
def test_a_quoted_string_shows_invisible_characters(stored: str, shown: str) -> None:
    assert quote_for_prompt(stored) == shown


@pytest.mark.parametrize(
    "special",
    [
        *("<|endoftext|>", "<|im_start|>", "<|eot_id|>", "<|reserved_special_token_0|>", "<｜begin▁of▁sentence｜>"),
        *("<s>", "</s>", "<unk>", "<bos>", "<start_of_turn>", "<|fim_prefix|>", "<fim-suffix>", "<extra_id_0>"),
        *("<|turn>", "<turn|>", "<|channel>", "<channel|>", "<video|>", "[EOS_never_used_51bc]", "[unused5]", "[Img]"),
        *("[control_8]", "[|endofturn|]", "[@BOS@]", "[e~[", "]~b]", "]<]image[>["),
        *("<think>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[CLS]", "[gMASK]", "<<SYS>>", "<</SYS>>"),
    ],
)
def test_no_special_token_survives_in_the_prompt(special: str) -> None:
    [message] = description_messages([mapping(special, f"a{special}b")])
    assert special not in message["content"]
    assert special.strip("<>[]") in message["content"]


def test_hashes_are_those_of_the_documented_bytes() -> None:
    two = [
        mapping("a", "b", "c", "d", source_id=12, target_ids=(1, 2, 3)),
        mapping("e", "f", source_id=7, target_ids=(4,)),
    ]
    assert mapping_hash(two) == hashlib.sha256(b"12:1,2,3;7:4").hexdigest()
    assert mapping_hash([]) == hashlib.sha256(b"").hexdigest()
    messages = description_messages(two)
    body = f'[{{"content":{json.dumps(messages[0]["content"], ensure_ascii=False)},"role":"user"}}]'
    assert prompt_hash(messages) == hashlib.sha256(body.encode()).hexdigest()


def test_the_mapping_hash_depends_on_the_order_but_not_on_scores() -> None:
    first, second = mapping("a", "b", source_id=1), mapping("c", "d", source_id=2)
    rescored = Mapping(9, 1, "x", 7.0, (0,), ("y",), (0.0,))
    assert mapping_hash([first, second]) != mapping_hash([second, first])
    assert mapping_hash([first]) == mapping_hash([rescored])


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD),
        f"```json\n{json.dumps(GOOD, indent=1)}\n```",
        f"Here it is:\n```\n{json.dumps(GOOD)}\n```\nDone.",
        json.dumps(GOOD | {"Extra": 1, "Input strings": " Words. "}),
        f"Sure! {json.dumps(GOOD)} Bye",
    ],
)
def test_a_good_reply_is_read(text: str) -> None:
    assert parse_description(text) == Description("Words.", "The first letter.", "Seen often.")


def test_a_fence_inside_a_string_does_not_end_the_reply() -> None:
    reply = json.dumps(GOOD | {"Reasoning": "The token ``` recurs."})
    assert parse_description(f"```json\n{reply}\n```").reasoning == "The token ``` recurs."


def test_an_empty_pattern_is_an_answer_without_a_pattern() -> None:
    description = parse_description(json.dumps(GOOD | {"Observed pattern": ""}))
    assert (description.pattern, description.observed_pattern) == (False, "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (" \n", "The reply is empty."),
        ("I'm sorry, but I can't help.", "The reply is a refusal: I'm sorry, but I can't help."),
        ("The pattern is\nthis", "The reply is not a JSON object: The pattern is this"),
        (json.dumps(GOOD)[:-20], None),
        ("[1, 2]", "The reply is not a JSON object: [1, 2]"),
        ("[" * 100_000, f"The reply is not a JSON object: {'[' * 80}…"),
        (f"[{json.dumps(GOOD)}]", None),
        (f"A {json.dumps(GOOD)} or {json.dumps(GOOD)}", None),
        (f"A {{draft}} and {json.dumps(GOOD)}", None),
        (f"A {json.dumps(GOOD)} and }}", None),
        ('Sure! {"Reasoning": "x"} Bye', None),
        (json.dumps({"Reasoning": "x"}), "The reply lacks Input strings, Observed pattern."),
        (json.dumps(GOOD | {"Input strings": ["a"]}), "The reply's Input strings is not a string."),
        (json.dumps(GOOD | {"Observed pattern": None}), "The reply's Observed pattern is not a string."),
        (json.dumps(GOOD | {"Reasoning": "r" * 4001}), "The reply's Reasoning has more than 4,000 characters."),
        (json.dumps(dict.fromkeys(GOOD, " ")), "All three answers in the reply are empty."),
        (
            json.dumps(GOOD | {"Observed pattern": "I cannot assist with that."}),
            "The reply is a refusal: I cannot assist with that.",
        ),
        (
            json.dumps(GOOD | {"Reasoning": "\ud83d"}),
            "The reply's Reasoning contains half a character (a lone surrogate).",
        ),
    ],
)
def test_a_reply_without_a_description_is_an_error(text: str, reason: str | None) -> None:
    with pytest.raises(ReplyError) as caught:
        parse_description(text)
    message = str(caught.value)
    assert message == reason if reason else message.startswith("The reply is not a JSON object: ")
