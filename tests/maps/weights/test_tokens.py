"""Tokens as text, and which strings are one token."""

from __future__ import annotations

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from maps.errors import MapsError
from maps.weights.tokens import Vocabulary, fit_to_embedding, stored_form
from tests.small_models import SPECIAL_TOKEN, VOCABULARY_SIZE, WORDS, byte_level_tokenizer, tokenizer_with_words

PIECES = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "b", "▁a", "▁ab", "é", "▁é"]
MERGES = [("▁", "a"), ("▁a", "b"), ("▁", "é")]


def sentencepiece(dummy_prefix: bool) -> Tokenizer:
    """A tokenizer of the Llama-2 kind: ▁ for a space, bytes as `<0xE2>`, a piece put before the text."""
    bpe = models.BPE({piece: i for i, piece in enumerate(PIECES)}, MERGES, byte_fallback=True, unk_token="<unk>")
    tokenizer = Tokenizer(bpe)
    space = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), space]) if dummy_prefix else space
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    return tokenizer


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b" word", " word"),
        (" Zoë".encode(), " Zoë"),
        (b"\xe2", r"\xE2"),
        (b" \xe2\x80", r" \xE2\x80"),
        (b"a\xffb", r"a\xFFb"),
        (b"\\", r"\\"),
        (rb"\xe2", r"\\xe2"),
        (rb"\xE2", r"\\xE2"),
        (b"\\\xe2", r"\\\xE2"),
        (b"\\\\xab", r"\\\\xab"),
        (rb"\x41", r"\\x41"),
        (b"\xed\xa0\x80", r"\xED\xA0\x80"),  # half a surrogate pair
        (b"\xc0\xaf", r"\xC0\xAF"),  # an overlong slash
        (b"\x00\n\t", "\x00\n\t"),
        ("�".encode(), "�"),  # a token that is this character itself
        (b"", ""),
    ],
)
def test_a_token_is_stored_so_that_its_bytes_can_be_read_back(raw: bytes, text: str) -> None:
    assert stored_form(raw) == text


def test_no_two_short_strings_of_bytes_are_stored_alike() -> None:
    some = [bytes([byte]) for byte in (*b"\\xXeE24 ", 0x00, 0x80, 0xE2, 0xEE, 0xFF)]
    raw = [a + b + c + d for a in (b"", *some) for b in some for c in some for d in some]
    assert len({stored_form(token) for token in raw}) == len(set(raw))


def test_a_byte_level_vocabulary_has_its_bytes() -> None:
    vocabulary = Vocabulary(byte_level_tokenizer())
    assert vocabulary.size == VOCABULARY_SIZE
    assert sorted(vocabulary.token_bytes[:256]) == [bytes([byte]) for byte in range(256)]
    assert set(vocabulary.token_bytes[256:-1]) == {
        f" {word[:n]}".encode() for word in WORDS for n in range(1, len(word) + 1)
    }
    assert vocabulary.tokens[-1] == SPECIAL_TOKEN
    assert vocabulary.tokens[256:262] == (" a", " am", " amb", " ambe", " amber", " b")


def test_a_sentencepiece_vocabulary_has_its_bytes() -> None:
    vocabulary = Vocabulary(sentencepiece(True))
    assert vocabulary.token_bytes[:3] == (b"<unk>", b"<s>", b"</s>")
    assert vocabulary.token_bytes[3:259] == tuple(bytes([byte]) for byte in range(256))
    assert vocabulary.tokens[259:] == (" ", "a", "b", " a", " ab", "é", " é")
    assert (vocabulary.tokens[3 + 0xE2], vocabulary.tokens[3 + 0x41]) == (r"\xE2", "A")


def test_ids_that_the_tokenizer_skips_are_named_so() -> None:
    bpe = models.BPE({"a": 0, "Ġb": 3, "<odd one>": 4}, [])
    tokenizer = Tokenizer(bpe)
    tokenizer.decoder = decoders.ByteLevel()
    vocabulary = Vocabulary(tokenizer)
    assert vocabulary.tokens == ("a", "<unused 1>", "<unused 2>", " b", "<odd one>")
    assert vocabulary.size == 5


def test_added_tokens_are_kept_as_they_are_written() -> None:
    tokenizer = byte_level_tokenizer()
    tokenizer.add_tokens([AddedToken("Ġé▁", normalized=False)])
    vocabulary = Vocabulary(tokenizer)
    assert vocabulary.tokens[VOCABULARY_SIZE:] == ("Ġé▁",)


def test_ids_beyond_the_models_own_list_are_no_tokens() -> None:
    vocabulary = Vocabulary(byte_level_tokenizer(), VOCABULARY_SIZE - 1)
    assert vocabulary.size == len(vocabulary.tokens) == VOCABULARY_SIZE - 1
    assert SPECIAL_TOKEN not in vocabulary.tokens
    assert vocabulary.single_token_ids([SPECIAL_TOKEN, "amber"]) == [None, 260]


def test_a_usable_word_is_one_token_behind_a_space() -> None:
    vocabulary = Vocabulary(byte_level_tokenizer())
    ids = vocabulary.single_token_ids(["amber", "  amber ", "am", "Amber", "amberk", SPECIAL_TOKEN, "basket", "z"])
    assert ids == [260, 260, 257, None, None, None, 266, None]
    assert [vocabulary.tokens[i] for i in ids if i is not None] == [" amber", " amber", " am", " basket"]


@pytest.mark.parametrize("dummy_prefix", [True, False])
def test_a_dummy_piece_before_the_word_is_dropped(dummy_prefix: bool) -> None:
    vocabulary = Vocabulary(sentencepiece(dummy_prefix))
    assert len(vocabulary.tokenizer.encode(" ab", add_special_tokens=False).ids) == 1 + dummy_prefix
    assert vocabulary.single_token_ids(["ab", "a", "é", "b", "ü", "abb"]) == [263, 262, 265, None, None, None]


def test_a_tokenizer_that_sets_a_space_only_where_none_is_gives_the_same() -> None:
    tokenizer = sentencepiece(False)
    tokenizer.normalizer = None
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    assert Vocabulary(tokenizer).single_token_ids(["ab", "b"]) == [263, None]


def test_special_tokens_are_not_put_around_a_word() -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = sentencepiece(True)
    tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    assert Vocabulary(tokenizer).single_token_ids(["ab"]) == [263]


def test_a_wholly_different_tokenizer_is_refused() -> None:
    vocabulary = Vocabulary(byte_level_tokenizer())
    assert fit_to_embedding(vocabulary, VOCABULARY_SIZE, "small") is vocabulary
    assert fit_to_embedding(vocabulary, VOCABULARY_SIZE + 9, "small") is vocabulary
    with pytest.raises(MapsError, match=r"^The tokenizer of small knows 346 ids and its embedding has 300 rows: they"):
        fit_to_embedding(vocabulary, 300, "small")
    with pytest.raises(MapsError, match=r"^The tokenizer of small knows 0 ids"):
        fit_to_embedding(Vocabulary(Tokenizer(models.BPE())), 10, "small")
    with pytest.raises(MapsError, match=r"^The tokenizer of small knows 346 ids and its embedding has 0 rows"):
        fit_to_embedding(vocabulary, 0, "small")


@pytest.mark.parametrize("added", [1, 300])
def test_added_tokens_without_a_row_are_left_out_and_counted(added: int, caplog: pytest.LogCaptureFixture) -> None:
    tokenizer = byte_level_tokenizer()
    tokenizer.add_special_tokens([f"[PAD{i}]" for i in range(added)])
    vocabulary = fit_to_embedding(Vocabulary(tokenizer), VOCABULARY_SIZE, "small")
    assert (vocabulary.size, vocabulary.rowless) == (VOCABULARY_SIZE, added)
    assert vocabulary.tokens == Vocabulary(byte_level_tokenizer()).tokens
    assert vocabulary.single_token_ids(["amber", "[PAD0]"]) == [260, None]
    counted = {1: "1 token without a row in its embedding ([PAD0])", 300: "300 tokens without a row in its embedding ("}
    assert caplog.messages[0].startswith(f"The tokenizer of small has {counted[added]}")


def test_a_few_tokens_without_a_row_need_not_be_added_ones() -> None:
    vocabulary = Vocabulary(byte_level_tokenizer())  # its last id is an added token, those before it are not
    assert fit_to_embedding(vocabulary, VOCABULARY_SIZE - 3, "small").rowless == 3
    with pytest.raises(MapsError, match="346 ids and its embedding has 342 rows"):
        fit_to_embedding(vocabulary, VOCABULARY_SIZE - 4, "small")


@pytest.mark.parametrize("script", ["中国", "東京", "ひと", "ไทย", "ລາວ", "ខ"])
def test_words_of_scripts_without_spaces_are_tokens_without_a_space(script: str) -> None:
    vocabulary = Vocabulary(tokenizer_with_words([script, "garden's"]))
    assert vocabulary.single_token_ids([script]) == [None]
    assert vocabulary.unspaced_token_ids([f" {script} ", "am", "z", "한", ""]) == [
        VOCABULARY_SIZE,
        None,
        None,
        None,
        None,
    ]


def test_a_dummy_piece_before_a_word_without_a_space_is_dropped() -> None:
    pieces = [*PIECES, "中"]
    bpe = models.BPE({piece: i for i, piece in enumerate(pieces)}, MERGES, byte_fallback=True, unk_token="<unk>")
    tokenizer = Tokenizer(bpe)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = sentencepiece(True).decoder
    assert Vocabulary(tokenizer).single_token_ids(["中"]) == [None]
    assert Vocabulary(tokenizer).unspaced_token_ids(["中"]) == [len(PIECES)]


def test_capitalised_tokens_are_a_space_and_what_begins_with_a_capital() -> None:
    entries = {"Ġ": 0, "ĠA": 1, "ĠaB": 2, "Bc": 3, "ĠÃī": 4, "ĠÃ": 5, "ĠĠA": 6, "Ġ1": 7, "ĠDe": 8}
    tokenizer = Tokenizer(models.BPE(entries, []))
    tokenizer.decoder = decoders.ByteLevel()
    vocabulary = Vocabulary(tokenizer)
    assert (vocabulary.tokens[4], vocabulary.tokens[5]) == (" É", r" \xC3")
    assert vocabulary.capitalised_share == 3 / 9
