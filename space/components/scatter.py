"""A scatter of two numbers of heads as inline SVG, with a rectangle that selects heads; `scatter.js` moves it.

A place on an axis is a whole number from 0 to SPAN. Dots are drawn by few paths, a point of no length with a round cap
for each head, so that 5,120 heads take 60 kB.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from markupsafe import escape

from maps.text import pluralize
from maps.types import HeadId
from space.components.markup import Html, bullet_list, controls_form, head_link, join_html, notice, table

SPAN = 1000  # of an axis
STEP = 10  # of the sliders
LEFT, TOP, WIDTH, HEIGHT = 72, 12, 540, 340  # of the plot in the drawing, in its units
RIGHT, BOTTOM = 10, 30  # beside and below it
TICKS = (0, 250, 500, 750, 1000)
MAX_LISTED = 200  # heads in the rectangle
MAX_TABLE_ROWS = 500
NO_COLOUR = "none"
POINT_HINT = "Drag a rectangle over the points to list their heads. Click a point to open its head."
EDGES = ("x_from", "x_to", "y_from", "y_to")  # of the rectangle, in the address


@dataclass(frozen=True)
class Axis:
    """One number of each head (None: unknown, so not drawn), and the scale on which it is drawn."""

    label: str
    values: Sequence[float | None]
    is_logarithmic: bool = False

    @cached_property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest known value."""
        known = [value for value in self.values if value is not None]
        return min(known, default=0.0), max(known, default=0.0)

    @property
    def uses_logarithm(self) -> bool:
        return self.is_logarithmic and self.ends[0] > 0

    def place(self, value: float) -> int:
        """Where a value lies on the axis; the middle if all values are equal."""
        low, high = map(self._scaled, self.ends)
        return round(SPAN * (self._scaled(value) - low) / (high - low)) if high > low else SPAN // 2

    def value_at(self, place: int) -> float:
        low, high = map(self._scaled, self.ends)
        scaled = low + (high - low) * place / SPAN
        return math.exp(scaled) if self.uses_logarithm else scaled

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.uses_logarithm else float(value)


@dataclass(frozen=True)
class Rectangle:
    """The places on both axes between which heads are selected, both ends included."""

    x_from: int = 0
    x_to: int = SPAN
    y_from: int = 0
    y_to: int = SPAN

    @property
    def selects_all(self) -> bool:
        return self == Rectangle()

    def contains(self, x: int, y: int) -> bool:
        return self.x_from <= x <= self.x_to and self.y_from <= y <= self.y_to


@dataclass(frozen=True)
class Scatter:
    """The heads of a model on two axes. `colours` has a category for each head, NO_COLOUR for none."""

    model: str
    heads: Sequence[HeadId]
    x: Axis
    y: Axis
    colours: Sequence[str]
    rectangle: Rectangle

    def places(self) -> dict[int, tuple[int, int]]:
        """Where each head that has both numbers lies on both axes, by its index."""
        pairs = enumerate(zip(self.x.values, self.y.values, strict=True))
        return {i: (self.x.place(x), self.y.place(y)) for i, (x, y) in pairs if x is not None and y is not None}


def scatter_html(scatter: Scatter, controls: Sequence[Html]) -> Html:
    """The form, the drawing, the heads in the rectangle, and the table of all heads.

    `controls` choose what the axes show.
    """
    places = scatter.places()
    if not places:
        return controls_form("compare", controls) + notice(
            "No head has both numbers. Choose another number for one of the axes."
        )
    return Html(
        '<div class="scatter" data-scatter="{}">{}{}<p class="pointed" aria-live="off">{}</p>{}</div>{}'
    ).format(
        escape(browser_data(scatter, places)),
        controls_form("compare", [*controls, sliders(scatter)]),
        drawing(scatter, places),
        POINT_HINT,
        selected_list(scatter, places),
        numbers_table(scatter, list(places)),
    )


def browser_data(scatter: Scatter, places: dict[int, tuple[int, int]]) -> str:
    """What `scatter.js` needs, as JSON: the drawn heads, their places and their numbers."""
    drawn = list(places)
    data = {
        "model": scatter.model,
        "layer": [scatter.heads[i].layer for i in drawn],
        "head": [scatter.heads[i].head for i in drawn],
        "x": [places[i][0] for i in drawn],
        "y": [places[i][1] for i in drawn],
        "values": [[number_text(axis.values[i]) for i in drawn] for axis in (scatter.x, scatter.y)],
        "labels": [scatter.x.label, scatter.y.label],
        "ticks": [
            [number_text(axis.value_at(place)) for place in range(0, SPAN + 1, STEP)] for axis in (scatter.x, scatter.y)
        ],
        "plot": [LEFT, TOP, WIDTH, HEIGHT],
        "listed": MAX_LISTED,
    }
    return json.dumps(data, separators=(",", ":"))


def sliders(scatter: Scatter) -> Html:
    """Two sliders for each axis, which the rectangle follows."""
    parts = []
    for name, axis in (("x", scatter.x), ("y", scatter.y)):
        for end, word in (("from", "from"), ("to", "to")):
            place = getattr(scatter.rectangle, f"{name}_{end}")
            parts.append(
                Html(
                    '<label>{} {} <input type="range" name="{}_{}" min="0" max="{}" step="{}" value="{}">'
                    "<output>{}</output></label>"
                ).format(
                    "Across" if name == "x" else "Up",
                    word,
                    name,
                    end,
                    SPAN,
                    STEP,
                    place,
                    number_text(axis.value_at(place)),
                )
            )
    reset = Html('<button type="button" class="all-heads">Select all</button>')
    return Html('<span class="brush-controls" role="group" aria-label="The rectangle">{}{}</span>').format(
        join_html(parts), reset
    )


def drawing(scatter: Scatter, places: dict[int, tuple[int, int]]) -> Html:
    """The plot between the names of its axes, which are outside of it so that they wrap."""
    paths: dict[str, list[str]] = {}
    for index, (x, y) in places.items():
        across, down = LEFT + WIDTH * x / SPAN, TOP + HEIGHT * (SPAN - y) / SPAN
        paths.setdefault(scatter.colours[index], []).append(f"M{across:.1f} {down:.1f}h0")
    dots = join_html(
        Html('<path class="dots {}" d="{}"></path>').format(name, "".join(paths[name]))
        for name in sorted(paths, key=lambda name: name != NO_COLOUR)  # those of no category lie below
    )
    title = f"{scatter.y.label} against {scatter.x.label} for {pluralize(len(places), 'head')} of {scatter.model}"
    return Html(
        '<p class="axis">↑ {}</p><svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}'
        '<rect class="brush" data-page-only {}></rect>'
        '</svg><p class="axis">→ {}</p>{}'
    ).format(
        axis_name(scatter.y),
        LEFT + WIDTH + RIGHT,
        TOP + HEIGHT + BOTTOM,
        title,
        axes(scatter),
        dots,
        brush_box(scatter.rectangle),
        axis_name(scatter.x),
        key(paths),
    )


def axis_name(axis: Axis) -> str:
    return f"{axis.label} (logarithmic axis)" if axis.uses_logarithm else axis.label


def brush_box(rectangle: Rectangle) -> Html:
    return Html('x="{:g}" y="{:g}" width="{:g}" height="{:g}"').format(
        LEFT + WIDTH * rectangle.x_from / SPAN,
        TOP + HEIGHT * (SPAN - rectangle.y_to) / SPAN,
        WIDTH * (rectangle.x_to - rectangle.x_from) / SPAN,
        HEIGHT * (rectangle.y_to - rectangle.y_from) / SPAN,
    )


def axes(scatter: Scatter) -> Html:
    parts = [Html('<rect class="frame" x="{}" y="{}" width="{}" height="{}"></rect>').format(LEFT, TOP, WIDTH, HEIGHT)]
    text = Html('<text x="{:g}" y="{:g}" text-anchor="{}">{}</text>')
    for place in TICKS:
        across, down = LEFT + WIDTH * place / SPAN, TOP + HEIGHT * (SPAN - place) / SPAN
        anchor = "end" if place == SPAN else "middle"
        parts.append(text.format(across, TOP + HEIGHT + BOTTOM - 6, anchor, number_text(scatter.x.value_at(place))))
        parts.append(text.format(LEFT - 6, down + 5, "end", number_text(scatter.y.value_at(place))))
    return join_html(parts)


def key(paths: dict[str, list[str]]) -> Html:
    """What the colours mean, with the number of heads."""
    entries = [
        Html('<span><i class="key {}"></i> {} ({:,})</span>').format(
            "tied" if name == NO_COLOUR else name, "no relation" if name == NO_COLOUR else name, len(points)
        )
        for name, points in paths.items()
    ]
    return Html('<p class="legend">Strongest relation: {}</p>').format(join_html(entries))


def selected_list(scatter: Scatter, places: dict[int, tuple[int, int]]) -> Html:
    """The heads in the rectangle as links, in order."""
    chosen = [index for index, place in places.items() if scatter.rectangle.contains(*place)]
    listed = [] if scatter.rectangle.selects_all else chosen[:MAX_LISTED]
    links = bullet_list(head_link(scatter.model, scatter.heads[index]) for index in listed)
    sentence = selection_sentence(len(chosen), len(places), scatter.rectangle.selects_all)
    return Html('<p class="selection" aria-live="polite">{}</p><div class="selected">{}</div>').format(sentence, links)


def selection_sentence(chosen: int, drawn: int, is_all: bool) -> str:
    if is_all:
        return f"All {drawn:,} heads are inside the rectangle. Make it smaller to list them."
    more = f" The first {MAX_LISTED} are listed." if chosen > MAX_LISTED else ""
    return f"{chosen:,} of {drawn:,} heads are inside the rectangle.{more}"


def numbers_table(scatter: Scatter, drawn: list[int]) -> Html:
    """Both numbers of each head, highest first up the vertical axis; of a large model the first rows."""
    order = sorted(drawn, key=lambda i: (-(scatter.y.values[i] or 0), i))[:MAX_TABLE_ROWS]
    rows = [
        (
            head_link(scatter.model, scatter.heads[i]),
            number_text(scatter.x.values[i]),
            number_text(scatter.y.values[i]),
            "no relation" if scatter.colours[i] == NO_COLOUR else scatter.colours[i],
        )
        for i in order
    ]
    caption = f"{len(rows):,} of {len(scatter.heads):,} heads, by {scatter.y.label}"
    header = ("Head", scatter.x.label, scatter.y.label, "Strongest relation")
    return Html("<details><summary>The numbers as a table</summary>{}</details>").format(table(header, rows, caption))


def number_text(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"
