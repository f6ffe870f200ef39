"""Refuses tokenizer files that would take hours or all memory to load or to use, before they are loaded.

The tokenizers library builds what the file says, without limits: a Unigram model takes 400 bytes for each character of
its vocabulary, and normalizers that double a text forty times fill any memory. So the file is read as JSON first. The
limits are several times what the largest models have.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

MAX_TOKENIZER_BYTES = 100_000_000
MAX_TOKENS = 1 << 22  # and ids
MAX_ADDED_TOKENS = 100_000
MAX_UNIGRAM_TEXT, MAX_UNIGRAM_TOKEN = 4_000_000, 1_000  # characters in all, and of one token
MAX_STEPS = 64  # of normalizers and pre-tokenizers
MAX_GROWTH = 10_000  # how many times as long a text may become
GROWTH = {  # of normalizers without a text of their own; 4 for those that are not listed
    **{"NFKC": 18, "NFKD": 18, "Precompiled": 18},
    **dict.fromkeys(("Strip", "StripAccents", "Nmt"), 1),
}


def check_tokenizer(content: dict[str, Any]) -> None:
    """Checks the content of a tokenizer.json; raises ValueError that says what is too large."""
    added, model = content.get("added_tokens"), content.get("model")
    if isinstance(added, list) and len(added) > MAX_ADDED_TOKENS:
        raise ValueError(f"it has {len(added):,} added tokens; at most {MAX_ADDED_TOKENS:,} are read")
    if isinstance(model, dict):
        check_vocabulary(model.get("vocab"))
    normalizers = list(steps_in(content.get("normalizer")))
    steps = [*normalizers, *steps_in(content.get("pre_tokenizer"))]
    if len(steps) > MAX_STEPS:
        raise ValueError(f"it changes a text in {len(steps):,} steps; at most {MAX_STEPS} are read")
    if prod(growth(step) for step in normalizers) > MAX_GROWTH:
        raise ValueError(f"its normalizers may make a text over {MAX_GROWTH:,} times as long")
    if sum(step.get("type") == "Precompiled" for step in normalizers) > 1:
        raise ValueError("it has two precompiled normalizers")


def check_vocabulary(vocabulary: object) -> None:
    """Checks `vocab`: a list of tokens with scores (Unigram), or the id of each token."""
    if isinstance(vocabulary, list | dict) and len(vocabulary) > MAX_TOKENS:
        raise ValueError(f"it has {len(vocabulary):,} tokens; at most {MAX_TOKENS:,} are read")
    if isinstance(vocabulary, list):
        lengths = [len(entry[0]) for entry in vocabulary if isinstance(entry, list) and entry and has_text(entry)]
        if sum(lengths) > MAX_UNIGRAM_TEXT or max(lengths, default=0) > MAX_UNIGRAM_TOKEN:
            raise ValueError("its tokens are too long")
    elif isinstance(vocabulary, dict) and not all(type(i) is int and 0 <= i < MAX_TOKENS for i in vocabulary.values()):
        raise ValueError(f"a token has an id that is not a whole number below {MAX_TOKENS:,}")


def has_text(entry: list[Any]) -> bool:
    return isinstance(entry[0], str)


def steps_in(part: object) -> Iterator[dict[str, Any]]:
    """The steps of a normalizer or pre-tokenizer, those inside sequences too."""
    waiting = [part]
    while waiting:
        step = waiting.pop()
        if isinstance(step, dict):
            yield step
            waiting += [inner for value in step.values() if isinstance(value, list) for inner in value]


def growth(step: dict[str, Any]) -> int:
    """The most times as long as before that a text can be after a normalizer, in bytes."""
    kind, pattern = step.get("type"), step.get("pattern")
    if kind == "Sequence":
        return 1
    if kind in ("Replace", "Prepend"):
        added = len(str(step.get("content", step.get("prepend"))).encode(errors="replace"))
        replaced = len(str(pattern["String"])) if isinstance(pattern, dict) and pattern.get("String") else 0
        return -(-added // replaced) or 1 if replaced else added + 1
    return GROWTH.get(str(kind), 4)
