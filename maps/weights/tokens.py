"""A tokenizer's entries as text that can be read back: which strings are one token, and how each is written.

Stored form (docs/contract.md): UTF-8 with the leading space kept, bytes that are no text as `\\xE2`,
a backslash doubled. Knows the tokenizers library; reads no file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from tokenizers import Tokenizer

from maps.errors import MapsError

ESCAPED_BYTE_PATTERN = re.compile(r"\\\\|\\x([0-9a-f]{2})")
BYTE_PIECE_PATTERN = re.compile(r"<0x([0-9A-F]{2})>")


def stored_form(raw: bytes) -> str:
    """The stored form of a token's bytes."""
    text = raw.replace(b"\\", b"\\\\").decode("utf-8", errors="backslashreplace")
    return ESCAPED_BYTE_PATTERN.sub(lambda match: f"\\x{match[1].upper()}" if match[1] else match[0], text)


def byte_alphabet() -> dict[str, int]:
    """The printable character that byte-level tokenizers (GPT-2's) write for each byte, to that byte."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + i): byte for i, byte in enumerate(others)}


@dataclass(frozen=True)
class Vocabulary:
    """The ids that a tokenizer knows, 0 to size - 1, special and reserved ones included.

    `limit`: how many ids the model's own list has, where the tokenizer may hold others beyond them.
    """

    tokenizer: Tokenizer
    limit: int | None = None

    @property
    def size(self) -> int:
        return len(self.tokens)

    @cached_property
    def token_bytes(self) -> tuple[bytes, ...]:
        """The bytes of every token, by id; an id that the tokenizer skips is written as `<unused 17>`."""
        entries = {i: token for token, i in self.tokenizer.get_vocab(with_added_tokens=True).items()}
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

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """The stored form of every token, by id."""
        return tuple(stored_form(raw) for raw in self.token_bytes)

    @property
    def capitalised_share(self) -> float:
        """The share of tokens that are a space and what begins with a capital: all that a "global head" maps to
        (paper, appendix on global and specific functionality; 25 % of GPT-2's vocabulary).
        """
        texts = [raw[1:].decode("utf-8", errors="ignore") for raw in self.token_bytes if raw.startswith(b" ")]
        return sum(text[:1].isupper() for text in texts) / self.size

    def single_token_ids(self, words: Sequence[str]) -> list[int | None]:
        """For each word, stripped and given one leading space, its id where it is exactly one token.

        A dummy-prefix piece (Llama-2, Mistral) is dropped; the id must decode to the spaced word.
        """
        spaced = [" " + word.strip() for word in words]
        found: list[int | None] = []
        for text, encoding in zip(spaced, self.tokenizer.encode_batch(spaced, add_special_tokens=False), strict=True):
            pieces = [self.token_bytes[i] if i < self.size else b"" for i in encoding.ids]
            if len(pieces) == 2 and pieces[0] == b" ":
                pieces = pieces[1:]
            found.append(encoding.ids[-1] if pieces == [text.encode()] else None)
        return found

    def pieces(self, word: str) -> list[str]:
        """The entries into which a word, stripped and given one leading space, falls apart, in the stored form."""
        ids = self.tokenizer.encode(" " + word.strip(), add_special_tokens=False).ids
        return [self.tokens[i] if i < self.size else f"<unused {i}>" for i in ids]

    def token_id(self, word: str) -> int | None:
        """The id of a word as `single_token_ids` reads it, or else of the entry whose stored form it is as it stands."""
        found = self.single_token_ids([word])[0]
        return self.ids_by_stored_form.get(word) if found is None else found

    @cached_property
    def ids_by_stored_form(self) -> dict[str, int]:
        """The lowest id of every stored form."""
        return {token: i for i, token in reversed(list(enumerate(self.tokens)))}


def decoder_types(tokenizer: Tokenizer) -> set[str]:
    """The names of the decoding steps of a tokenizer, such as `ByteLevel`."""
    if tokenizer.decoder is None:
        return set()
    state = json.loads(tokenizer.decoder.__getstate__())
    return {state["type"], *(step["type"] for step in state.get("decoders", ()))}


def limit_to_embedding_rows(vocabulary: Vocabulary, rows: int, rowless: Sequence[str]) -> Vocabulary:
    """A vocabulary cut to the embedding's rows, where it is known that the tokens beyond them have none."""
    beyond = vocabulary.tokens[rows:]
    return replace(vocabulary, limit=rows) if beyond and set(beyond) <= set(rowless) else vocabulary


def check_embedding_fits(vocabulary: Vocabulary, rows: int, model: str) -> None:
    """Raises where the tokenizer knows ids that the embedding has no row for."""
    if not 0 < vocabulary.size <= rows:
        raise MapsError(
            f"The tokenizer of {model} knows {vocabulary.size:,} ids and its embedding has {rows:,} rows: "
            "they do not belong together. Take the tokenizer that the model was trained with."
        )
