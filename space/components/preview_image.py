"""A head's picture for link previews: its name, its description, and its first mappings. The only room of Pillow."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from textwrap import wrap
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from maps.text import unicode_escape, visible_token
from maps.types import Mapping

IMAGE_SIZE = (1200, 630)
MARGIN, MAX_MAPPINGS_SHOWN, MAX_TOKEN_LENGTH = 60, 4, 16  # pixels; mappings shown; characters of a token
TEXT_COLOUR, MUTED_COLOUR, ACCENT_COLOUR, CHIP_COLOUR, BORDER_COLOUR = (
    "#1b2430",
    "#55606e",
    "#0b5cad",
    "#f1f4f8",
    "#d5dbe3",
)
FONT_SUBSTITUTES = {"·": "_", "⏎": "\\n", "⇥": "\\t", "→": "->"}


class PreviewText(NamedTuple):
    """What a picture says: the head, its model, its description, and its mappings as (source, targets)."""

    head: str
    model: str
    description: str
    mappings: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def from_head(cls, head: str, model: str, description: str, mappings: list[Mapping]) -> PreviewText:
        """Of a head; tokens as on its page."""
        shown = tuple(
            (visible_token(m.source), tuple(map(visible_token, m.targets))) for m in mappings[:MAX_MAPPINGS_SHOWN]
        )
        return cls(head, model, description, shown)


@lru_cache(maxsize=64)
def draw_preview(preview_text: PreviewText) -> bytes:
    """The picture as PNG."""
    image = Image.new("RGB", IMAGE_SIZE, "#ffffff")
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, IMAGE_SIZE[0], 12), fill=ACCENT_COLOUR)
    pen.text((MARGIN, 48), drawable_text(preview_text.head), font=ImageFont.load_default(84), fill=TEXT_COLOUR)
    pen.text(
        (MARGIN, 150),
        drawable_text(f"attention head of {preview_text.model}")[:70],
        font=ImageFont.load_default(34),
        fill=MUTED_COLOUR,
    )
    lines = wrap(drawable_text(preview_text.description), 62)
    cut = lines[:3] if len(lines) <= 3 else [*lines[:2], f"{lines[2][:58]} …"]
    for place, line in enumerate(cut):
        pen.text((MARGIN, 214 + 46 * place), line, font=ImageFont.load_default(36), fill=TEXT_COLOUR)
    for place, (source, targets) in enumerate(preview_text.mappings):
        draw_mapping(pen, 380 + 58 * place, source, targets)
    out = BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def draw_mapping(pen: ImageDraw.ImageDraw, top: int, source: str, targets: tuple[str, ...]) -> None:
    """One mapping as a row of chips; targets that find no room are left out."""
    left = draw_chip(pen, MARGIN, top, source)
    pen.text((left + 8, top + 2), "->", font=ImageFont.load_default(30), fill=MUTED_COLOUR)
    left += 56
    for target in targets:
        if left + chip_width(target) > IMAGE_SIZE[0] - MARGIN:
            break
        left = draw_chip(pen, left, top, target)


def draw_chip(pen: ImageDraw.ImageDraw, left: float, top: int, token: str) -> float:
    """A token in its box; returns where the next one begins."""
    right = left + chip_width(token)
    pen.rounded_rectangle((left, top, right, top + 44), 8, fill=CHIP_COLOUR, outline=BORDER_COLOUR)
    pen.text((left + 12, top + 4), shortened_token(token), font=ImageFont.load_default(28), fill=TEXT_COLOUR)
    return right + 10


def chip_width(token: str) -> float:
    """How wide a token's box is."""
    return ImageFont.load_default(28).getlength(shortened_token(token)) + 24


def shortened_token(token: str) -> str:
    """A token in characters that the font has, not too long."""
    shown = drawable_text(token)
    return shown if len(shown) <= MAX_TOKEN_LENGTH else f"{shown[: MAX_TOKEN_LENGTH - 1]}…"


def drawable_text(words: str) -> str:
    """Text in characters that Pillow's own font has; others as escapes."""
    return "".join(
        FONT_SUBSTITUTES.get(c, c if c.isprintable() and (c <= "\u017f" or c == "…") else unicode_escape(c))
        for c in words
    )
