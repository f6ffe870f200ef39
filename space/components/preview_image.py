"""The images for link previews: of a head its name, description and first mappings; of the site the grid of a model.

The only module with Pillow.
"""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from textwrap import wrap
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from maps.text import unicode_escape, visible_token
from maps.types import Mapping

IMAGE_SIZE = (1200, 630)  # pixels
MARGIN = 60  # pixels
MAX_MAPPINGS_SHOWN = 4
MAX_TOKEN_LENGTH = 16  # characters
TEXT_COLOUR, MUTED_COLOUR, ACCENT_COLOUR = "#1b2430", "#55606e", "#0b5cad"
CHIP_COLOUR, BORDER_COLOUR = "#f1f4f8", "#d5dbe3"
FONT_SUBSTITUTES = {"·": "_", "⏎": "\\n", "⇥": "\\t", "→": "->"}


class PreviewText(NamedTuple):
    """The text of an image: the head, its model, its description, and its mappings as (source, targets)."""

    head: str
    model: str
    description: str
    mappings: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def from_head(cls, head: str, model: str, description: str, mappings: list[Mapping]) -> PreviewText:
        """Shows tokens as on the head's page."""
        shown = tuple(
            (visible_token(mapping.source), tuple(map(visible_token, mapping.targets)))
            for mapping in mappings[:MAX_MAPPINGS_SHOWN]
        )
        return cls(head, model, description, shown)


@lru_cache(maxsize=64)
def draw_preview(preview_text: PreviewText) -> bytes:
    """The image as PNG."""
    image = Image.new("RGB", IMAGE_SIZE, "#ffffff")
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, IMAGE_SIZE[0], 12), fill=ACCENT_COLOUR)
    draw_line(pen, 48, preview_text.head, 84, TEXT_COLOUR)
    draw_line(pen, 150, drawable_text(f"attention head of {preview_text.model}")[:70], 34, MUTED_COLOUR)
    lines = wrap(drawable_text(preview_text.description), 62)
    if len(lines) > 3:
        lines = [*lines[:2], f"{lines[2][:58]} …"]
    for index, line in enumerate(lines):
        draw_line(pen, 214 + 46 * index, line, 36, TEXT_COLOUR)
    for index, (source, targets) in enumerate(preview_text.mappings):
        draw_mapping(pen, 380 + 58 * index, source, targets)
    png = BytesIO()
    image.save(png, "PNG", optimize=True)
    return png.getvalue()


class SitePreview(NamedTuple):
    """What the site's image shows: a model with the colours of its heads by (layer, head), and sentences about it."""

    model: str
    cells: tuple[tuple[int, int, tuple[str, ...]], ...]
    sentences: tuple[str, ...]


@lru_cache(maxsize=4)
def draw_site(preview: SitePreview) -> bytes:
    """The image as PNG."""
    image = Image.new("RGB", IMAGE_SIZE, "#ffffff")
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, IMAGE_SIZE[0], 12), fill=ACCENT_COLOUR)
    draw_line(pen, 44, "What do attention heads do?", 64, TEXT_COLOUR)
    subtitle = f"{len(preview.cells):,} heads of {preview.model}, read from their weights"
    draw_line(pen, 126, subtitle[:76], 28, MUTED_COLOUR)
    for index, sentence in enumerate(preview.sentences):
        draw_line(pen, 190 + 46 * index, sentence[:62], 34, TEXT_COLOUR)
    draw_cells(pen, preview.cells, top=210 + 46 * len(preview.sentences))
    png = BytesIO()
    image.save(png, "PNG", optimize=True)
    return png.getvalue()


def draw_cells(pen: ImageDraw.ImageDraw, cells: tuple[tuple[int, int, tuple[str, ...]], ...], top: int) -> None:
    """The heads as squares, layers from left to right; a head with several colours has bands of them."""
    columns = 1 + max((layer for layer, _, _ in cells), default=0)
    rows = 1 + max((head for _, head, _ in cells), default=0)
    size = min((IMAGE_SIZE[0] - 2 * MARGIN) / columns, (IMAGE_SIZE[1] - top - 40) / rows)
    for layer, head, colours in cells:
        left, upper, inner = MARGIN + layer * size, top + head * size, size * 8 / 9
        for number, colour in enumerate(colours):
            height = inner / len(colours)
            box = (left, upper + number * height, left + inner, upper + (number + 1) * height)
            pen.rectangle(box, fill=colour)


def draw_line(pen: ImageDraw.ImageDraw, top: int, text: str, size: int, colour: str) -> None:
    pen.text((MARGIN, top), drawable_text(text), font=ImageFont.load_default(size), fill=colour)


def draw_mapping(pen: ImageDraw.ImageDraw, top: int, source: str, targets: tuple[str, ...]) -> None:
    """One mapping as a row of chips; targets for which there is no room are left out."""
    left = draw_chip(pen, MARGIN, top, source)
    pen.text((left + 8, top + 2), "->", font=ImageFont.load_default(30), fill=MUTED_COLOUR)
    left += 56
    for target in targets:
        if left + chip_width(target) > IMAGE_SIZE[0] - MARGIN:
            break
        left = draw_chip(pen, left, top, target)


def draw_chip(pen: ImageDraw.ImageDraw, left: float, top: int, token: str) -> float:
    """A token in its box; returns the left edge of the next box."""
    right = left + chip_width(token)
    pen.rounded_rectangle((left, top, right, top + 44), 8, fill=CHIP_COLOUR, outline=BORDER_COLOUR)
    pen.text((left + 12, top + 4), shortened_token(token), font=ImageFont.load_default(28), fill=TEXT_COLOUR)
    return right + 10


def chip_width(token: str) -> float:
    return ImageFont.load_default(28).getlength(shortened_token(token)) + 24


def shortened_token(token: str) -> str:
    """A token in characters that the font has, cut to MAX_TOKEN_LENGTH."""
    shown = drawable_text(token)
    return shown if len(shown) <= MAX_TOKEN_LENGTH else f"{shown[: MAX_TOKEN_LENGTH - 1]}…"


def drawable_text(text: str) -> str:
    """Text in characters that Pillow's own font has; other characters become escapes."""
    return "".join(map(drawable_character, text))


def drawable_character(character: str) -> str:
    if character in FONT_SUBSTITUTES:
        return FONT_SUBSTITUTES[character]
    in_font = character.isprintable() and (character <= "\u017f" or character == "…")
    return character if in_font else unicode_escape(character)
