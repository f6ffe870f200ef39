"""Text for people and prompts: invisible characters made visible, counts with plurals, numbers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

WHITESPACE_SYMBOLS = {" ": "·", "\n": "⏎", "\t": "⇥"}
NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
COMBINING_CATEGORIES = {"Mn", "Me"}  # marks that are only seen on a letter before them
VARIATION_SELECTOR = re.compile("[\ufe00-\ufe0f]")
# Markers that tokenizers read as commands: <|im_end|>, <turn|>, </s>, <<SYS>>, <｜User｜>, ]<]image[>[ …
ANGLE_MARKER = re.compile(r"<([|｜][^<>]*|[^<>]*[|｜]|[^<>\s]+)>")
# [INST], [control_8], [|endofturn|], [@BOS@] …: a word in brackets, so neither [1] nor [i]; and ]~b], [e~[
SQUARE_MARKER = re.compile(r"\[(?=[^\[\]\s]*[^\W\d_]{2})([^\[\]\s]+)\]")
QUOTED_TOKEN = re.compile(r'"((?:[^"\\]|\\.){1,80})"')  # as `quote_for_prompt` writes it
PROMPT_ESCAPE = re.compile(r'\\(["ntr\\]|u[0-9a-f]{4}|U0[0-9a-f]{7})')
TILDE_MARKER = re.compile(r"([\[\]])([\w!]*~[\w!]*)([\[\]])")


def visible_token(token: str) -> str:
    """A token with · for a space, ⏎ for a newline, ⇥ for a tab, and \\u200F for any other character without a glyph.

    A token that contains one of these symbols shows it as an escape, so two tokens never look the same.
    """
    if token.isascii() and token.isprintable():  # as most are
        return token.replace(" ", WHITESPACE_SYMBOLS[" "])
    shown = "".join(WHITESPACE_SYMBOLS.get(c) or (unicode_escape(c) if is_invisible(c) else c) for c in token)
    first = unicodedata.category(shown[0]) if shown else ""
    return unicode_escape(shown[0]) + shown[1:] if first in COMBINING_CATEGORIES else shown


def escape_invisible(text: str) -> str:
    """Text on one line in which nothing is hidden, turns the direction or acts on a terminal: \\u202E instead.

    The symbols of `visible_token` stay.
    """
    symbols = WHITESPACE_SYMBOLS.values()
    return "".join(unicode_escape(c) if c not in symbols and is_invisible(c) else c for c in text)


def escape_controls(text: str) -> str:
    """Text without the characters that XML forbids (control characters, half characters): `\\u0000` instead."""
    return NOT_IN_XML.sub(lambda match: unicode_escape(match.group()), text)


def is_invisible(character: str) -> bool:
    """Whether a character has no glyph of its own, or looks like one of the symbols of `visible_token`."""
    is_symbol = character in WHITESPACE_SYMBOLS.values()
    return is_symbol or not character.isprintable() or VARIATION_SELECTOR.match(character) is not None


def unicode_escape(character: str) -> str:
    """`\\u200F`; eight digits above U+FFFF."""
    code = ord(character)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def quote_for_prompt(token: str) -> str:
    """A stored token in double quotes, with invisible characters escaped and markers of tokenizers broken up.

    No tokenizer finds a special token in the result: `<|endoftext|>` becomes `"< |endoftext| >"`. Backslashes are
    doubled in the stored form already.
    """
    broken = SQUARE_MARKER.sub(r"[ \1 ]", ANGLE_MARKER.sub(r"< \1 >", token))
    broken = TILDE_MARKER.sub(r"\1 \2 \3", broken)
    return '"' + "".join(_escape_for_prompt(character) for character in broken) + '"'


def _escape_for_prompt(character: str) -> str:
    if character == '"':
        return '\\"'
    if character.isprintable():
        return character
    named = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    code = ord(character)
    return named.get(character) or (f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")


def unquote_from_prompt(quoted: str) -> str:
    """The stored token that `quote_for_prompt` wrote, without its quotes; broken markers stay broken."""
    return PROMPT_ESCAPE.sub(_unescape_from_prompt, quoted)


def _unescape_from_prompt(match: re.Match[str]) -> str:
    escape = match[1]
    named = {'"': '"', "n": "\n", "t": "\t", "r": "\r", "\\": "\\\\"}  # a backslash stays doubled
    return named.get(escape) or chr(int(escape[1:], 16))


def shorten(text: str, max_length: int) -> str:
    """The first `max_length` characters of a text, on one line."""
    line = " ".join(text.split()).encode(errors="backslashreplace").decode()
    return line if len(line) <= max_length else line[:max_length] + "…"


def pluralize(count: int, noun: str) -> str:
    """A count with its noun: `1 head`, `1,200 heads`, `2 replies`."""
    return f"{count:,} {noun if count == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """The plural of a noun of this project: `heads`, `replies`, `passes`."""
    if noun.endswith("ly"):
        return f"{noun.removesuffix('y')}ies"
    return f"{noun}es" if noun.endswith("ss") else f"{noun}s"


def relation_label(name: str) -> str:
    """`country_to_capital` as `country to capital`."""
    return escape_invisible(name).replace("_", " ")


RELATION_TITLES = {"product_by_company": "product → company", "year_to_following": "year → following year"}
TITLE_WORDS = {"adj": "adjective", "to": "→", "english": "English", "french": "French", "spanish": "Spanish"}


def relation_title(name: str) -> str:
    """`country_to_capital` as `country → capital`, `adj_to_comparative` as `adjective → comparative`."""
    words = escape_invisible(name).split("_")
    return RELATION_TITLES.get(name) or " ".join(TITLE_WORDS.get(word, word) for word in words)


def three_decimals(value: float) -> str:
    """A number from 0 to 1 with three decimals; one that would round to 0 is written as `under 0.001`."""
    return "under 0.001" if 0 < value < 0.0005 else f"{value:.3f}"


def join_words(words: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, or `a, b and c`."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def size_category(rows: int) -> str:
    """The Hub's name for a number of rows, such as `1K<n<10K`."""
    limits = ["1K", "10K", "100K", "1M", "10M", "100M"]
    exceeded = sum(rows >= 1000 * 10**power for power in range(len(limits)))
    if exceeded == 0:
        return "n<1K"
    return f"n>{limits[-1]}" if exceeded == len(limits) else f"{limits[exceeded - 1]}<n<{limits[exceeded]}"
