"""The colours, the titles and the axes that all figures share."""

from __future__ import annotations

import json
from typing import Any

import altair as alt

from maps.analysis.classification import CATEGORIES
from maps.text import escape_controls

# The palette of Okabe and Ito, which colour-blind readers can tell apart. https://jfly.uni-koeln.de/color/
BLUE, SKY, GREEN = "#0072B2", "#56B4E9", "#009E73"
ORANGE, VERMILION, PURPLE = "#E69F00", "#D55E00", "#CC79A7"
SERIES = (BLUE, VERMILION, GREEN, PURPLE)  # of several series in one figure
CATEGORY_COLOURS = {
    **dict(zip(CATEGORIES, (BLUE, ORANGE, GREEN, PURPLE), strict=True)),
    "own relation": "#8C6BB1",  # as in the app
    "none": "#E4E8ED",
}
OTHER_COLOUR = "#56606E"
INK_COLOUR, QUIET_COLOUR, LINE_COLOUR = "#1B2430", "#55606E", "#D5DBE3"
Figure = alt.LayerChart | alt.FacetChart | alt.HConcatChart | alt.Chart
Rows = list[dict[str, Any]]


class SharedRows(alt.InlineData):
    """Rows that all copies of a chart share, unchecked: altair would copy and check thousands of rows at each step."""

    _class_is_valid_at_instantiation = False

    def __deepcopy__(self, memo: object) -> SharedRows:
        return self


def vega_spec(figure: Figure, validate: bool = True) -> dict[str, Any]:
    """The figure as Vega-Lite, with any number of rows; `validate` says whether altair checks each of them.

    Names may come from anybody's atlas: characters that no SVG can hold are escaped, since one would end vl-convert's
    whole process.
    """
    with alt.data_transformers.enable("default", max_rows=None):
        return {key: without_controls(value) for key, value in figure.to_dict(validate=validate).items()}


def without_controls(value: Any) -> Any:
    """A part of a figure with `escape_controls` applied to every text in it."""
    if isinstance(value, str):
        return escape_controls(value)
    if isinstance(value, dict):
        return {escape_controls(key): without_controls(part) for key, part in value.items()}
    return [without_controls(part) for part in value] if isinstance(value, list) else value


def themed_json(figure: Figure) -> str:
    """The figure as JSON, without a background and in the text colours of the page that shows it, light or dark.

    The page defines the CSS variables `--ink`, `--quiet` and `--line`.
    """
    text = json.dumps(vega_spec(figure, validate=False))
    for name, colour in (("ink", INK_COLOUR), ("quiet", QUIET_COLOUR), ("line", LINE_COLOUR)):
        text = text.replace(json.dumps(colour), json.dumps(f"var(--{name}, {colour})"))
    whole = json.loads(text) | {"background": "transparent"}
    whole["usermeta"]["embedOptions"]["renderer"] = "svg"  # the canvas renderer knows no CSS variables
    return json.dumps(whole)


def layer_panel(rows: Rows, title: str, subtitle: str, width: int) -> alt.Chart:
    """An empty panel with the layers of some rows on the x axis."""
    last = max((row["layer"] for row in rows), default=0)
    scale = alt.Scale(domain=[-0.5, last + 0.5], nice=False)
    x = alt.X("layer:Q", title="Layer", scale=scale, axis=alt.Axis(tickMinStep=1, format="d", grid=False))
    look: dict[str, Any] = {"fontSize": 13, "fontWeight": "normal", "subtitleFontSize": 11, "offset": 8}
    head = alt.TitleParams(title, subtitle=subtitle, **look)
    return alt.Chart(SharedRows(values=rows), width=width, height=200, title=head).encode(x=x)


def two_kinds(field: str, title: str, kinds: list[str], *colours: str) -> dict[str, Any]:
    """The colour and the shape of points of two kinds."""
    colour = alt.Color(field, title=title, scale=alt.Scale(domain=kinds, range=list(colours)))
    shape = alt.Shape(field, title=title, scale=alt.Scale(domain=kinds, range=["circle", "diamond"]))
    return {"color": colour, "shape": shape}


def style_chart(chart: Any, title: str, subtitle: list[str], description: str) -> Any:
    """The chart with its title, its description for screen readers, and the look that all figures share."""
    titles: dict[str, Any] = {"titleColor": INK_COLOUR, "titleFontWeight": "normal"}
    lines = dict.fromkeys(("gridColor", "domainColor", "tickColor"), LINE_COLOUR)
    return (
        chart.properties(
            title=alt.TitleParams(title, subtitle=subtitle, anchor="start", offset=14),
            description=description,
            background="white",
            padding=14,
            usermeta={"embedOptions": {"actions": False}},  # the menu's button has no name for screen readers
        )
        .configure(font="Helvetica, Arial, sans-serif")
        .configure_view(stroke=None)
        .configure_title(
            fontSize=16, color=INK_COLOUR, subtitleFontSize=12, subtitleColor=QUIET_COLOUR, subtitlePadding=5
        )
        .configure_axis(labelColor=QUIET_COLOUR, **titles, labelFontSize=11, titleFontSize=12, **lines)
        .configure_legend(labelColor=INK_COLOUR, **titles, labelFontSize=12, titleFontSize=12)
    )
