"""Text made safe and readable: tokens with every character visible, counts with plurals, numbers."""

from __future__ import annotations

import re
import unicodedata

WHITESPACE_SYMBOLS = {" ": "·", "\n": "⏎", "\t": "⇥"}
INVISIBLE_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"}  # control, formatting, unassigned, white space
COMBINING_CATEGORIES = {"Mn", "Me"}  # combining marks: seen only on a letter before them


def visible_token(token: str) -> str:
    """A stored token with nothing hidden: · for a space, ⏎ and ⇥ for newline and tab, \\u200F for what has no glyph.

    A token that holds one of these symbols itself shows it as an escape, so two tokens never look the same.
    """
    written = (WHITESPACE_SYMBOLS.get(c) or (unicode_escape(c) if is_invisible(c) else c) for c in token)
    shown = "".join(written)
    first = unicodedata.category(shown[0]) if shown else ""
    return unicode_escape(shown[0]) + shown[1:] if first in COMBINING_CATEGORIES else shown


def escape_for_terminal(text: str) -> str:
    """A describer's sentence on one line, with what can't be seen or would act on the screen escaped."""
    shown = (" ", *WHITESPACE_SYMBOLS.values())
    return "".join(unicode_escape(c) if c not in shown and is_invisible(c) else c for c in text)


def is_invisible(character: str) -> bool:
    """Whether a character would not be seen, or would be taken for one of the symbols."""
    selector = "\ufe00" <= character <= "\ufe0f"  # variation selectors
    return (
        selector or character in WHITESPACE_SYMBOLS.values() or unicodedata.category(character) in INVISIBLE_CATEGORIES
    )


def unicode_escape(character: str) -> str:
    """`\\u200F`; eight digits beyond the basic plane."""
    code = ord(character)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


# Markers that tokenizers of describers read as commands: <|im_end|>, <turn|>, </s>, <<SYS>>, <｜User｜>, ]<]image[>[ …
ANGLE_MARKER = re.compile(r"<([|｜][^<>]*|[^<>]*[|｜]|[^<>\s]+)>")
# [INST], [control_8], [|endofturn|], [@BOS@] …: a word in brackets, so neither [1] nor [i]; and ]~b], [e~[
SQUARE_MARKER = re.compile(r"\[(?=[^\[\]\s]*[^\W\d_]{2})([^\[\]\s]+)\]")
TILDE_MARKER = re.compile(r"([\[\]])([\w!]*~[\w!]*)([\[\]])")


def quote_for_prompt(token: str) -> str:
    """Puts a stored string between double quotes, with everything invisible escaped and no marker left whole.

    The stored form already doubles backslashes, so they are not touched. A describer's tokenizer finds no
    special token in the result: `<|endoftext|>` becomes `"< |endoftext| >"`.
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


def shorten(text: str, max_length: int) -> str:
    """The first characters of a text, on one line."""
    line = " ".join(text.split()).encode(errors="backslashreplace").decode()
    return line if len(line) <= max_length else line[:max_length] + "…"


def pluralize(count: int, noun: str) -> str:
    """A count with what is counted: `1 head`, `1,200 heads`, `2 replies`."""
    plural = f"{noun.removesuffix('y')}ies" if noun.endswith("ly") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def escape_invisible(text: str) -> str:
    """Text on one line in which nothing is hidden or acts on what stands beside it: `\\u202E` instead."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04X}" for c in text)


def relation_label(name: str) -> str:
    """`country_to_capital` as `country to capital`."""
    return escape_invisible(name).replace("_", " ")


def three_decimals(value: float) -> str:
    """A number from 0 to 1 with three decimals; one that they cannot show is not written as 0."""
    return "under 0.001" if 0 < value < 0.0005 else f"{value:.3f}"


def escape_unprintable(name: str) -> str:
    """A name from anybody's file, with what cannot be printed as escapes."""
    return name if name.isprintable() else ascii(name)[1:-1]
