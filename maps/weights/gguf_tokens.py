"""Builds the tokenizer of a GGUF file from its metadata.

There is byte-level BPE (`gpt2`) and SentencePiece's BPE (`llama`; `gemma4` if the file has the merges).

It splits words as transformers' reader of such files does (a test compares the two), but that reader would parse the
whole file a second time. If the embedding has more rows than there are tokens, converters fill the list of tokens up
with entries such as `[PAD17]`; these are cut off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from maps.weights.tokenizer_limits import MAX_ADDED_TOKENS, MAX_TOKENS
from maps.weights.tokens import Vocabulary, byte_alphabet

CONTROL_TOKEN, USER_DEFINED_TOKEN = 3, 4
GEMMA_ARCHITECTURES = ("gemma", "gemma2", "gemma3", "gemma4")
SPACE_SYMBOL = "▁"
MAX_TOKEN_LENGTH = 10_000  # characters
MAX_SQUARED_LENGTHS = 500_000_000  # in all: `infer_merges` cuts every token at every place

# How a byte-level tokenizer splits text before its merges, by `tokenizer.ggml.pre`; GPT-2's way if it is not listed.
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA_3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + REST
QWEN_2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + REST
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
CASED = rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+%s|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*%s"
SIGNS = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = CASED % ("", "") + r"|\p{N}" + SIGNS
GPT_4O = CASED % (f"{CONTRACTIONS}?", f"{CONTRACTIONS}?") + r"|\p{N}{1,3}" + SIGNS
LLAMA_3_KINDS = (
    *("llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"),
)
SPLIT_PATTERNS = {
    **dict.fromkeys((*LLAMA_3_KINDS, "dbrx", "smaug-bpe"), LLAMA_3),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez"), QWEN_2),
    **dict.fromkeys(("gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"), GPT_4O),
    "tekken": TEKKEN,
}
# Tokenizers that take a piece which is a token as that token, whatever the merges say (`ignore_merges` in
# tokenizer.json). GGUF files do not store it; this is the list of llama.cpp, src/llama-vocab.cpp.
MERGE_IGNORING_KINDS = {*LLAMA_3_KINDS, "tekken", "youtu", "minicpm5", "granite-embed-multi-97m"}


def read_vocabulary(metadata: Mapping[str, Any]) -> Vocabulary:
    """A file's tokenizer, limited to the file's own tokens; raises ValueError if it has none that can be built."""
    entries = {key.removeprefix("tokenizer.ggml."): value for key, value in metadata.items()}
    tokens, kind = entries.get("tokens"), entries.get("model")
    if not tokens or not isinstance(tokens, list):
        raise ValueError("no tokens")
    check_sizes(tokens, entries.get("token_type") or [])
    if kind == "gpt2" and "merges" in entries:
        tokenizer = build_byte_level(tokens, entries["merges"], str(entries.get("pre")))
    elif kind in ("llama", "gemma4"):
        tokenizer = build_sentencepiece(tokens, entries, str(metadata.get("general.architecture")))
    else:
        raise ValueError(f"the tokenizer kind {kind} is not supported")
    add_whole_tokens(tokenizer, tokens, entries.get("token_type") or [], kind == "gpt2")
    padding = takewhile(lambda i: tokens[i] == f"[PAD{i}]", reversed(range(len(tokens))))
    return Vocabulary(tokenizer, len(tokens) - len(list(padding)))


def check_sizes(tokens: Sequence[str], kinds: Sequence[int]) -> None:
    """Raises ValueError if tokens are so long or many that building the tokenizer would take hours."""
    if (
        len(tokens) > MAX_TOKENS
        or sum(kind in (CONTROL_TOKEN, USER_DEFINED_TOKEN) for kind in kinds) > MAX_ADDED_TOKENS
    ):
        raise ValueError("too many tokens")
    if max(map(len, tokens)) > MAX_TOKEN_LENGTH or sum(len(token) ** 2 for token in tokens) > MAX_SQUARED_LENGTHS:
        raise ValueError("tokens are too long")


def build_byte_level(tokens: Sequence[str], merges: Sequence[str], kind: str) -> Tokenizer:
    """A tokenizer like GPT-2's, or of another `tokenizer.ggml.pre`.

    Tokens with characters outside its byte alphabet are spelled in that alphabet first.
    """
    alphabet = byte_alphabet()
    letter = {byte: c for c, byte in alphabet.items()}
    known = set(alphabet)
    vocabulary = {
        token if known.issuperset(token) else "".join(letter[byte] for byte in token.encode()): i
        for i, token in enumerate(tokens)
    }
    pairs = [(left, right) for left, _, right in (merge.partition(" ") for merge in merges)]
    bpe = models.BPE(vocabulary, pairs, fuse_unk=False, ignore_merges=kind in MERGE_IGNORING_KINDS)
    tokenizer, split_pattern = Tokenizer(bpe), SPLIT_PATTERNS.get(kind)
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split_pattern is None)
    tokenizer.pre_tokenizer = byte_level
    if split_pattern is not None:
        split = pre_tokenizers.Split(Regex(split_pattern), "isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def build_sentencepiece(tokens: Sequence[str], entries: Mapping[str, Any], architecture: str) -> Tokenizer:
    """A tokenizer like Llama-2's or Gemma's: ▁ stands for a space, `<0xE2>` for a byte.

    Gemma's puts nothing before a text, and merges by the ids of tokens. Its GGUF files spell runs of spaces as spaces.
    """
    gemma = architecture in GEMMA_ARCHITECTURES
    if gemma:
        tokens = [SPACE_SYMBOL * len(t) if " " in t and not t.strip() else t for t in tokens]
    order = [-i for i in range(len(tokens))] if gemma else entries["scores"]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    pairs = [(left, right) for left, _, right in (merge.partition(" ") for merge in entries.get("merges", ()))]
    bpe = models.BPE(vocabulary, pairs or infer_merges(vocabulary, order), fuse_unk=True, byte_fallback=True)
    tokenizer, replace_spaces = Tokenizer(bpe), normalizers.Replace(" ", SPACE_SYMBOL)
    if gemma:
        tokenizer.normalizer = replace_spaces
    elif architecture == "phi3":
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE_SYMBOL), replace_spaces])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(SPACE_SYMBOL, prepend_scheme="first", split=False)
    steps = [decoders.Replace(SPACE_SYMBOL, " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence(steps)
    return tokenizer


def infer_merges(vocabulary: Mapping[str, int], order: Sequence[float]) -> list[tuple[str, str]]:
    """The merges that a vocabulary implies: every way to cut a piece in two known pieces, best piece first.

    `order` is each piece's score by id; the higher, the earlier its merges.
    """
    scored_merges = []
    for piece, i in vocabulary.items():
        cuts = ((piece[:at], piece[at:]) for at in range(1, len(piece)))
        pairs = [(left, right) for left, right in cuts if left in vocabulary and right in vocabulary]
        pairs.sort(key=lambda pair: (vocabulary[pair[0]], vocabulary[pair[1]]))
        scored_merges += [(order[i], len(left), len(right), left, right) for left, right in pairs]
    scored_merges.sort(key=lambda merge: merge[:3], reverse=True)
    return [(left, right) for *_, left, right in scored_merges]


def add_whole_tokens(tokenizer: Tokenizer, tokens: Sequence[str], kinds: Sequence[int], bytes_only: bool) -> None:
    """Adds the tokens that are matched whole in a text: control tokens, such as `<|endoftext|>`, and user-defined ones.

    With `bytes_only`, control tokens that the byte alphabet cannot spell are left out: adding one would give it a new
    id.
    """
    alphabet = byte_alphabet()
    marked = list(zip(tokens, kinds, strict=False))
    control = [t for t, kind in marked if kind == CONTROL_TOKEN and (not bytes_only or alphabet.keys() >= set(t))]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])
    known = tokenizer.get_vocab()
    own = [token for token, kind in marked if kind == USER_DEFINED_TOKEN and token in known]
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in own])
