"""Tokenizers out of GGUF metadata, against transformers' reading of the same."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import pytest
from transformers import GemmaTokenizer
from transformers.integrations.gguf.gguf_tokenizer_mapping import convert_gguf_tokenizer, get_gguf_tokenizer

from maps.data import predefined_relations
from maps.weights.bundled import bundled_file
from maps.weights.gguf_tokens import read_vocabulary
from maps.weights.open import open_checkpoint
from maps.weights.tokens import Vocabulary
from tests.small_models import SPECIAL_TOKEN, WORDS, tokenizer_with_words, tokens_and_merges

TEXTS = [
    *WORDS,
    "amber's",
    "AMBER",
    "1999",
    "12",
    "x",
    "é",
    "Zoë",
    "<|endoftext|>",
    "<think>",
    "a b",
    "don't",
    "!?",
    "",
]


def as_transformers_reads(architecture: str, entries: dict[str, Any]) -> Vocabulary:
    """The vocabulary by transformers' own converter, without what it adds to the file's tokens."""
    names = {"model": "tokenizer_type", "pre": "pre_tokenizer_type"}
    renamed = {names.get(key, key): value for key, value in entries.items()}
    tokenizer, _ = convert_gguf_tokenizer(architecture, renamed)
    tokens = entries["tokens"]
    padding = takewhile(lambda i: tokens[i] == f"[PAD{i}]", reversed(range(len(tokens))))
    return Vocabulary(tokenizer, len(tokens) - len(list(padding)))


def both(architecture: str, entries: dict[str, Any]) -> tuple[Vocabulary, Vocabulary]:
    metadata = {f"tokenizer.ggml.{key}": value for key, value in entries.items()}
    ours = read_vocabulary({"general.architecture": architecture, **metadata})
    return ours, as_transformers_reads(architecture, entries)


@pytest.mark.slow
def test_the_bundled_models_tokenizer_is_that_of_transformers() -> None:
    checkpoint = open_checkpoint("smollm2")
    architecture, entries, _ = get_gguf_tokenizer(str(bundled_file()))
    tokenizer, _ = convert_gguf_tokenizer(architecture, entries)
    ours, theirs = checkpoint.vocabulary, Vocabulary(tokenizer, len(entries["tokens"]))
    assert ours.tokens == theirs.tokens
    words = [word for relation in predefined_relations() for pair in relation.pairs for word in pair]
    assert len(words) > 10_000
    assert ours.single_token_ids(words) == theirs.single_token_ids(words)


PRE = ["default", "smollm", "llama-bpe", "falcon-h1", "qwen2", "kormo", "tekken", "gpt-4o", "kanana2", "dbrx"]


@pytest.mark.parametrize("pre", PRE)
def test_byte_level_tokenizers_are_those_of_transformers(pre: str) -> None:
    tokens, merges = tokens_and_merges()
    tokens = [*tokens, "<think>", "<control of spaces >", "[PAD348]", "[PAD349]"]
    kinds = [1] * (len(tokens) - 5) + [3, 4, 3, 5, 5]
    entries = {
        "model": "gpt2",
        "pre": pre,
        "tokens": tokens,
        "token_type": kinds,
        "merges": [" ".join(m) for m in merges],
    }
    ours, theirs = both("llama", entries)
    assert ours.tokens == theirs.tokens
    assert ours.tokens[-3:] == (SPECIAL_TOKEN, "<think>", "<control of spaces >")
    assert ours.single_token_ids(TEXTS) == theirs.single_token_ids(TEXTS)
    assert ours.single_token_ids(["amber", "xyz"]) == [260, None]
    for text in ("amber's basket 1999 12345", "  two  spaces\n\nAMBERbasket", "é!? <think> candle<|endoftext|>"):
        assert ours.tokenizer.encode(text).ids == theirs.tokenizer.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("pre", ["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "tekken"])
def test_words_that_no_merges_lead_to_are_tokens_as_in_a_folder(pre: str) -> None:
    """Llama 3 and others set `ignore_merges` in tokenizer.json; a GGUF file only has the name of the tokenizer."""
    tokens, merges = tokens_and_merges()
    listed = [*tokens, "Ġxylophone", "Ġquartz"]
    entries = {"model": "gpt2", "tokens": listed, "merges": [" ".join(merge) for merge in merges]}
    folders = Vocabulary(tokenizer_with_words([" xylophone", " quartz"]))
    asked = [*TEXTS, "xylophone", "quartz", "xylophones"]

    def read(kind: str) -> list[int | None]:
        metadata = {f"tokenizer.ggml.{key}": value for key, value in {**entries, "pre": kind}.items()}
        return read_vocabulary({"general.architecture": "llama", **metadata}).single_token_ids(asked)

    found = dict(zip(asked, read(pre), strict=True))
    known = [word for word in asked if word != SPECIAL_TOKEN]  # an added token here, a plain one without types there
    assert [found[word] for word in known] == folders.single_token_ids(known)
    assert (found["xylophone"], found["quartz"], found["xylophones"]) == (len(tokens), len(tokens) + 1, None)
    assert dict(zip(asked, read("qwen2"), strict=True))["xylophone"] is None


def pieces() -> tuple[list[str], list[float], list[int]]:
    """A vocabulary of SentencePiece's kind with its scores: bytes, letters, beginnings of words behind a ▁, spaces."""
    letters = sorted({c for word in WORDS for c in word} | {"▁", "é"})
    beginnings = [("▁" + word)[:end] for word in WORDS for end in range(2, len(word) + 2)]
    normal = [*letters, *dict.fromkeys(beginnings)]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "  ", "<think>", *normal]
    kinds = [2, 3, 3, *[6] * 256, 4, 4, *[1] * len(normal)]
    return tokens, [-float(i) for i in range(len(tokens))], kinds


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gemma3", "phi3"])
def test_sentencepiece_tokenizers_are_those_of_transformers(architecture: str) -> None:
    tokens, scores, kinds = pieces()
    entries = {"model": "llama", "tokens": tokens, "scores": scores, "token_type": kinds}
    ours, theirs = both(architecture, entries)
    assert ours.tokens == theirs.tokens
    assert ours.single_token_ids(TEXTS) == theirs.single_token_ids(TEXTS)
    assert ours.single_token_ids(["amber", "xyz"]) == [tokens.index("▁amber"), None]
    for text in (" amber basket", "amber", " é <think>candle  x"):
        assert ours.tokenizer.encode(text).ids == theirs.tokenizer.encode(text, add_special_tokens=False).ids


def test_merges_of_a_sentencepiece_file_are_taken_where_it_has_them() -> None:
    tokens = ["<unk>", "▁", "a", "b", "▁a", "ab", "▁ab"]
    entries = {"model": "llama", "tokens": tokens, "scores": [0.0] * 7, "token_type": [2] + [1] * 6}
    ours, theirs = both("llama", {**entries, "merges": ["a b", "▁ ab"]})
    assert ours.single_token_ids(["ab", "a"]) == theirs.single_token_ids(["ab", "a"]) == [6, None]


def test_the_tokenizer_of_gemma_4_is_that_of_transformers() -> None:
    tokens, _, kinds = pieces()
    merges = [(token[:-1], token[-1]) for token in tokens if len(token) > 1 and token[0] == "▁"]
    entries = {"model": "gemma4", "tokens": tokens, "token_type": kinds, "merges": [" ".join(each) for each in merges]}
    metadata = {f"tokenizer.ggml.{key}": value for key, value in entries.items()}
    ours = read_vocabulary({"general.architecture": "gemma4", **metadata})
    theirs = GemmaTokenizer({token: i for i, token in enumerate(tokens)}, merges)
    assert ours.single_token_ids(["amber", "xyz"]) == [tokens.index("▁amber"), None]
    for text in (" amber basket", "amber", " é candle  x"):
        assert ours.tokenizer.encode(text).ids == theirs.encode(text, add_special_tokens=False)


@pytest.mark.parametrize(
    "entries",
    [
        {},
        {"model": "gpt2"},
        {"model": "gpt2", "tokens": ["a"]},
        {"model": "bert", "tokens": ["a"]},
        {"model": "llama", "tokens": "a"},
    ],
)
def test_what_cannot_be_built_is_refused(entries: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^no tokens$|^the tokenizer kind "):
        read_vocabulary({f"tokenizer.ggml.{key}": value for key, value in entries.items()})
