"""A tokenizer's vocabulary: which strings are one token, and how each token is written in tables.

Tokens are written in a stored form that can be read back (docs/contract.md): UTF-8 with the leading space kept, bytes
that are not valid UTF-8 as `\\xE2`, and a backslash doubled.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

from tokenizers import Tokenizer

from maps.errors import MapsError
from maps.text import pluralize, shorten, visible_token
from maps.weights.tokenizer_limits import MAX_TOKENS

ESCAPED_BYTE_PATTERN = re.compile(r"\\\\|\\x([0-9a-f]{2})")
MAX_ENCODING_SECONDS, TEXTS_AT_ONCE = 20.0, 16
MAX_REASON_LENGTH = 200  # characters of the library's reason that an error message quotes
MAX_UNMARKED_SURPLUS, MAX_SURPLUS_SHARE = 16, 0.01  # ids without a row that need not be added tokens
# Letters of Chinese, Japanese, Thai, Lao, Burmese, Khmer: these are written without spaces between words.
UNSPACED_PATTERN = re.compile(
    "[\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u312f\u31f0-\u31ff\u3400-\u9fff"
    "\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff]"
)
SHOWN_TOKENS, MAX_TOKEN_SHOWN = 3, 40
logger = logging.getLogger(__name__)
BYTE_PIECE_PATTERN = re.compile(r"<0x([0-9A-F]{2})>")


def stored_form(raw: bytes) -> str:
    text = raw.replace(b"\\", b"\\\\").decode("utf-8", errors="backslashreplace")
    return ESCAPED_BYTE_PATTERN.sub(lambda match: f"\\x{match[1].upper()}" if match[1] else match[0], text)


def byte_alphabet() -> dict[str, int]:
    """The alphabet of byte-level tokenizers such as GPT-2's: the printable character that stands for each byte."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + i): byte for i, byte in enumerate(others)}


@contextmanager
def translate_panics(problem: str, remedy: str) -> Iterator[None]:
    """Turns errors of the tokenizers library into a MapsError. Its panics are no Exceptions and have no public type."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise MapsError(f"{problem} ({shorten(str(error), MAX_REASON_LENGTH)}); {remedy}.") from error


@dataclass(frozen=True)
class Vocabulary:
    """The ids that a tokenizer knows, from 0 to size - 1, special and reserved ones included."""

    tokenizer: Tokenizer
    limit: int | None = None  # the number of ids that belong to the model, if the tokenizer holds more
    rowless: int = 0  # how many tokens are left out because the embedding has no row for them

    @property
    def size(self) -> int:
        return len(self.tokens)

    @cached_property
    def token_bytes(self) -> tuple[bytes, ...]:
        """The bytes of every token, by id; an id that the tokenizer skips becomes `<unused 17>`."""
        entries = {i: token for token, i in self.tokenizer.get_vocab(with_added_tokens=True).items()}
        if max(entries, default=0) >= MAX_TOKENS:
            raise MapsError(f"The tokenizer has a token with the id {max(entries):,}; ids go up to {MAX_TOKENS - 1:,}.")
        added = self.tokenizer.get_added_tokens_decoder()
        byte_level = "ByteLevel" in decoder_types(self.tokenizer)
        alphabet = byte_alphabet()

        def bytes_of(i: int) -> bytes:
            if i in added:
                return added[i].content.encode()
            token = entries.get(i)
            if token is None:
                return f"<unused {i}>".encode()
            if byte_level:
                return bytes(alphabet[c] for c in token) if all(c in alphabet for c in token) else token.encode()
            piece = BYTE_PIECE_PATTERN.fullmatch(token)
            return bytes([int(piece[1], 16)]) if piece else token.replace("▁", " ").encode()

        return tuple(bytes_of(i) for i in range(max(entries, default=-1) + 1)[: self.limit])

    @property
    def known_ids(self) -> set[int]:
        return set(self.tokenizer.get_vocab(with_added_tokens=True).values())

    @property
    def added_ids(self) -> set[int]:
        """The ids of the tokens that were added to the tokenizer's model, such as [PAD]."""
        return set(self.tokenizer.get_added_tokens_decoder())

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """The stored form of every token, by id."""
        return tuple(stored_form(raw) for raw in self.token_bytes)

    @property
    def capitalised_share(self) -> float:
        """The share of tokens that are a space followed by a capital letter, 25 % in GPT-2.

        A "global head", which maps every token to its capitalised form, has this output space size (paper, appendix on
        global and specific functionality).
        """
        texts = [raw[1:].decode("utf-8", errors="ignore") for raw in self.token_bytes if raw.startswith(b" ")]
        return sum(text[:1].isupper() for text in texts) / self.size

    def single_token_ids(self, words: Sequence[str]) -> list[int | None]:
        """The id of each word, stripped and given one leading space, if it is exactly one token; else None.

        Some tokenizers (Llama-2, Mistral) put a piece with a lone space first; it is dropped. The token must read back
        as the spaced word.
        """
        return self.exact_token_ids([" " + word.strip() for word in words])

    def unspaced_token_ids(self, words: Sequence[str]) -> list[int | None]:
        """The same without the leading space, for words in scripts that put no spaces between words; else None."""
        stripped = [word.strip() for word in words]
        return self.exact_token_ids([word if UNSPACED_PATTERN.search(word) else "" for word in stripped])

    def exact_token_ids(self, texts: Sequence[str]) -> list[int | None]:
        """The id of each text that is exactly one token, after a piece with a lone space if there is one; else None."""
        ids: list[int | None] = []
        for text, pieces_of_text in zip(texts, self.encode(texts), strict=True):
            pieces = [self.token_bytes[i] if i < self.size else b"" for i in pieces_of_text]
            if len(pieces) == 2 and pieces[0] == b" ":
                pieces = pieces[1:]
            ids.append(pieces_of_text[-1] if pieces == [text.encode()] else None)
        return ids

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text, without special tokens.

        Raises MapsError if the tokenizer cannot read a text, or takes too long: its regular expressions may be hostile.
        The library gives up on one search after ten million steps, which takes under a second.
        """
        deadline = time.monotonic() + MAX_ENCODING_SECONDS
        ids: list[list[int]] = []
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            if time.monotonic() > deadline:
                raise MapsError(f"The tokenizer takes over {MAX_ENCODING_SECONDS:g} seconds for {len(texts):,} words.")
            with translate_panics("The tokenizer cannot read a word", "use the tokenizer that the model came with"):
                some = self.tokenizer.encode_batch(list(texts[start : start + TEXTS_AT_ONCE]), add_special_tokens=False)
            ids += [encoding.ids for encoding in some]
        return ids

    def pieces(self, word: str) -> list[str]:
        """The tokens of a word, stripped and given one leading space, in the stored form."""
        return [self.tokens[i] if i < self.size else f"<unused {i}>" for i in self.encode([" " + word.strip()])[0]]

    def token_id(self, word: str) -> int | None:
        """The id of a word by `single_token_ids`, or else of the token whose stored form is exactly this."""
        single = self.single_token_ids([word])[0]
        return self.ids_by_stored_form.get(word) if single is None else single

    @cached_property
    def ids_by_stored_form(self) -> dict[str, int]:
        """The id of every stored form; the lowest, if several tokens share it."""
        return {token: i for i, token in reversed(list(enumerate(self.tokens)))}


def decoder_types(tokenizer: Tokenizer) -> set[str]:
    """The names of the decoding steps of a tokenizer, such as `ByteLevel`."""
    if tokenizer.decoder is None:
        return set()
    state = json.loads(tokenizer.decoder.__getstate__())
    return {state["type"], *(step["type"] for step in state.get("decoders", ()))}


def fit_to_embedding(vocabulary: Vocabulary, rows: int, model: str) -> Vocabulary:
    """The vocabulary without the tokens that have no row in the embedding; says how many are left out.

    Tokens are often added to a tokenizer, such as [PAD], while the embedding stays as it is. Raises MapsError if the
    tokenizer knows no ids, or if what lies beyond the last row does not look like added tokens.
    """
    if 0 < vocabulary.size <= rows:
        return vocabulary
    known = vocabulary.known_ids
    rowless = [i for i in range(rows, vocabulary.size) if i in known]
    is_small = len(rowless) <= min(MAX_UNMARKED_SURPLUS, rows * MAX_SURPLUS_SHARE)
    if not rows or not rowless or not (is_small or vocabulary.added_ids.issuperset(rowless)):
        raise MapsError(
            f"The tokenizer of {model} knows {vocabulary.size:,} ids and its embedding has {rows:,} rows: "
            "they do not belong together. Use the tokenizer that the model was trained with."
        )
    names = ", ".join(visible_token(shorten(vocabulary.tokens[i], MAX_TOKEN_SHOWN)) for i in rowless[:SHOWN_TOKENS])
    more = ", …" if len(rowless) > SHOWN_TOKENS else ""
    tokens = pluralize(len(rowless), "token")
    logger.warning(
        "The tokenizer of %s has %s without a row in its embedding (%s%s): left out.", model, tokens, names, more
    )
    return replace(vocabulary, limit=rows, rowless=len(rowless))
