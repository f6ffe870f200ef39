"""Sanitised server responses: the key, lone surrogates, nesting, error messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from maps.llm.sanitise import escape_surrogates, make_key_mask, message_in_body, read_json, sanitise_json

KEY = "sk-secret-k3y&x"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"your key is {KEY}", "your key is [key]"),
        (f"{KEY}{KEY}", "[key][key]"),
        ("Incorrect key sk-secret-k3y***", "Incorrect key [key]***"),
        ("…cret-k3y", "…[key]"),
        ("a secret of 7: -secret", "a secret of 7: -secret"),
        ("", ""),
    ],
)
def test_the_key_and_its_parts_of_eight_characters_are_masked(text: str, masked: str) -> None:
    assert make_key_mask(KEY)(text) == masked


def test_placeholders_are_not_masked_and_short_keys_only_whole() -> None:
    text = "none or EMPTY, ollama x"
    assert [make_key_mask(key)(text) for key in ("none", "EMPTY", "ollama", "", "x")] == [text] * 5
    assert make_key_mask("sk-ab")("sk-ab sk-a") == "[key] sk-a"


def test_strings_are_sanitised_at_any_depth() -> None:
    value = {"a": [f"x {KEY}", 1, None, {"b": KEY}]}
    assert sanitise_json(value, make_key_mask(KEY)) == {"a": ["x [key]", 1, None, {"b": "[key]"}]}
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="too deeply"):
        sanitise_json(deep, str)
    while deep:  # taken apart level by level
        [deep] = deep


def test_json_that_is_nested_too_deeply_is_refused() -> None:
    for text in ("[" * 100_000, b'{"a":' * 100_000):
        with pytest.raises(ValueError, match="too deeply"):
            read_json(text)


def test_lone_surrogates_become_escapes() -> None:
    assert (escape_surrogates("no \ud800 way"), escape_surrogates("é火")) == ("no \\ud800 way", "é火")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "seed unsupported", "param": "seed", "code": 5}}, "seed unsupported"),
        ({"error": "seed unsupported"}, "seed unsupported"),
        ({"detail": "seed unsupported"}, "seed unsupported"),
        ({"message": {"detail": "seed unsupported"}}, "seed unsupported"),
        ("seed unsupported", "seed unsupported"),
        (
            {
                "detail": [
                    {"loc": ["body", "seed"], "msg": "Extra inputs", "input": 5},
                    {"loc": ["body", 0], "msg": "b"},
                ]
            },
            "body.seed: Extra inputs; body.0: b",
        ),
        ({"error": None, "input": "the prompt"}, ""),
        (5, ""),
        (json.loads('{"error":' * 50 + '"x"' + "}" * 50), ""),
    ],
)
def test_the_error_message_is_found_in_every_form(body: object, message: str) -> None:
    assert message_in_body(body) == message
