"""Finds the answer behind a model's thoughts, which some servers leave in the text of a reply.

<think>First idea: {"a": 1}</think>{"a": 2}        →  {"a": 2}
First idea: {"a": 1}</think>{"a": 2}               →  {"a": 2}      the prompt's template opened the thought
<think>First idea: {"a": 1}                        →  nothing       the reply ends inside the thought
{"a": "the token </think>"}                        →  unchanged     a marker inside a JSON object is its text
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left

DECODER = json.JSONDecoder(strict=False)  # accepts a raw newline or tab inside a string, as many models write it
OBJECT_START = re.compile(r'\{\s*["}]')
TAG_NAMES = r"(?:seed:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad)"
MARKER_PATTERN = re.compile(
    rf"(?P<open><{TAG_NAMES}(?:\s[^<>]*)?>|\[THINK\]|◁think▷|<\|(?:begin_of_thought|START_THINKING)\|>"
    # gpt-oss thinks in one channel and answers in another; Gemma 4 writes its markers with one bar.
    r"|<\|channel\|>\s*(?:analysis|commentary)\b[^<]*<\|message\|>|<\|channel>\s*thought\b)"
    rf"|(?P<close></{TAG_NAMES}\s*>|\[/THINK\]|◁/think▷|<\|(?:end_of_thought|END_THINKING)\|>"
    r"|<\|channel\|>\s*final\b[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>|<channel\|>)"
    r"|(?P<end><\|(?:end|return|call)\|>)",
    re.IGNORECASE,
)
# gpt-oss on a server that drops its markers: "analysisThe user wants …assistantfinal{…}"
BARE_CHANNELS = re.compile(
    r"\s*analysis(?!\s*[:{]).*?assistant(?:commentary.*?assistant)?final(?P<answer>.*)", re.DOTALL
)


def text_behind_thoughts(text: str) -> str:
    """The text of a reply without the model's thoughts; empty if nothing stands behind them."""
    return _split_thoughts(text)[0]


def shows_thoughts(text: str) -> bool:
    """Whether the text of a reply contains thoughts of the model, ended or not."""
    return _split_thoughts(text)[1]


def _split_thoughts(text: str) -> tuple[str, bool]:
    """The text outside the thoughts, and whether there are thoughts."""
    markers = _markers_outside_objects(text) if MARKER_PATTERN.search(text) else []
    if not any(m["open"] or m["close"] for m in markers):
        bare = BARE_CHANNELS.fullmatch(text)
        return (bare["answer"], True) if bare else (text, False)
    kept: list[str] = []
    position, is_thought = 0, False
    for marker in markers:
        # A thought that ends without a beginning began where the last one ended, or at the start of the text.
        if not is_thought and not marker["close"]:
            kept.append(text[position : marker.start()])
        is_thought = bool(marker["open"]) or (is_thought and not (marker["close"] or marker["end"]))
        position = marker.end()
    if not is_thought:
        kept.append(text[position:])
    return "".join(kept), True


def _markers_outside_objects(text: str) -> list[re.Match[str]]:
    spans = _object_spans(text)
    starts = [start for start, _ in spans]

    def is_inside(position: int) -> bool:
        before = bisect_left(starts, position)  # how many objects begin before it
        return before > 0 and position < spans[before - 1][1]

    return [marker for marker in MARKER_PATTERN.finditer(text) if not is_inside(marker.start())]


def _object_spans(text: str) -> list[tuple[int, int]]:
    """Where the JSON objects of a text begin and end; an object inside another one is not listed."""
    spans, end = [], 0
    while match := OBJECT_START.search(text, end):
        try:
            _, end = DECODER.raw_decode(text, match.start())
        except ValueError:
            end = match.start() + 1
            continue
        except RecursionError:
            break
        spans.append((match.start(), end))
    return spans
