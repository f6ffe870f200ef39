"""A head's picture for link previews: its name, its description, and its first mappings. The only room of Pillow."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from textwrap import wrap
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from maps.text import escaped, visible
from maps.types import Mapping

SIZE = (1200, 630)
MARGIN, ROWS, LONGEST = 60, 4, 16  # pixels; mappings shown; characters of a token
INK, QUIET, ACCENT, CHIP, LINE = "#1b2430", "#55606e", "#0b5cad", "#f1f4f8", "#d5dbe3"
SYMBOLS = {"·": "_", "⏎": "\\n", "⇥": "\\t", "→": "->"}


class Said(NamedTuple):
    """What a picture says: the head, its model, its description, and its mappings as (source, targets)."""

    head: str
    model: str
    sentence: str
    mappings: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, head: str, model: str, sentence: str, mappings: list[Mapping]) -> Said:
        """Of a head; tokens as on its page."""
        shown = tuple((visible(m.source), tuple(map(visible, m.targets))) for m in mappings[:ROWS])
        return cls(head, model, sentence, shown)


@lru_cache(maxsize=64)
def card(said: Said) -> bytes:
    """The picture as PNG."""
    image = Image.new("RGB", SIZE, "#ffffff")
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, SIZE[0], 12), fill=ACCENT)
    pen.text((MARGIN, 48), printable(said.head), font=ImageFont.load_default(84), fill=INK)
    pen.text(
        (MARGIN, 150), printable(f"attention head of {said.model}")[:70], font=ImageFont.load_default(34), fill=QUIET
    )
    lines = wrap(printable(said.sentence), 62)
    cut = lines[:3] if len(lines) <= 3 else [*lines[:2], f"{lines[2][:58]} …"]
    for place, line in enumerate(cut):
        pen.text((MARGIN, 214 + 46 * place), line, font=ImageFont.load_default(36), fill=INK)
    for place, (source, targets) in enumerate(said.mappings):
        mapping(pen, 380 + 58 * place, source, targets)
    out = BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def mapping(pen: ImageDraw.ImageDraw, top: int, source: str, targets: tuple[str, ...]) -> None:
    """One mapping as a row of chips; targets that find no room are left out."""
    left = chip(pen, MARGIN, top, source)
    pen.text((left + 8, top + 2), "->", font=ImageFont.load_default(30), fill=QUIET)
    left += 56
    for target in targets:
        if left + width(target) > SIZE[0] - MARGIN:
            break
        left = chip(pen, left, top, target)


def chip(pen: ImageDraw.ImageDraw, left: float, top: int, token: str) -> float:
    """A token in its box; returns where the next one begins."""
    right = left + width(token)
    pen.rounded_rectangle((left, top, right, top + 44), 8, fill=CHIP, outline=LINE)
    pen.text((left + 12, top + 4), cut(token), font=ImageFont.load_default(28), fill=INK)
    return right + 10


def width(token: str) -> float:
    """How wide a token's box is."""
    return ImageFont.load_default(28).getlength(cut(token)) + 24


def cut(token: str) -> str:
    """A token in characters that the font has, not too long."""
    shown = printable(token)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"


def printable(words: str) -> str:
    """Text in characters that Pillow's own font has; others as escapes."""
    return "".join(SYMBOLS.get(c, c if c.isprintable() and (c <= "\u017f" or c == "…") else escaped(c)) for c in words)
