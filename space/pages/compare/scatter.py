"""Any two numbers of one model's heads, or of the same heads of two models, as a scatter."""

from __future__ import annotations

from collections.abc import Mapping

from maps.analysis.classification import CATEGORIES
from maps.atlas.reader import Atlas
from maps.errors import MapsError
from space.atlases import cache
from space.atlases.comparison import are_comparable
from space.atlases.head_numbers import BEST, LAYER, LOGARITHMIC, Numbers, head_numbers, number_labels
from space.components import markup
from space.components.grid import OWN_BAND
from space.components.markup import Html
from space.components.scatter import EDGES, NO_COLOUR, SPAN, STEP, Axis, Rectangle, Scatter, scatter_html

FIRST, SECOND = "first", "second"  # of which model an axis shows a number


def scatter_view(first: Atlas, second: Atlas, query: Mapping[str, str]) -> Html:
    """The heads of the first model; an axis may show the same heads' numbers in the second if both are comparable."""
    models = {FIRST: first}
    if first.model != second.model and are_comparable(first, second):
        models[SECOND] = second
    labels = {name: number_labels(atlas) for name, atlas in models.items()}
    all_labels = {key: label for each in labels.values() for key, label in each.items()}
    axes, fields = {}, [markup.hidden_field(name, value) for name, value in fixed_fields(first, second)]
    for side, default in (("x", list(models)[-1] if len(models) > 1 else FIRST), ("y", FIRST)):
        of = require_known(query.get(f"{side}_of") or default, models, "model")
        number = require_known(query.get(side) or default_number(side, labels[of], len(models)), all_labels, "number")
        if number not in labels[of]:  # the other model has it
            number = default_number(side, labels[of], len(models))
        axes[side] = make_axis(models, labels, of, number)
        fields += axis_fields(side, number, of, models, labels[of])
    scatter = Scatter(
        first.model, first.head_ids, axes["x"], axes["y"], strongest_categories(first), rectangle_in(query)
    )
    return scatter_html(scatter, fields)


def fixed_fields(first: Atlas, second: Atlas) -> tuple[tuple[str, str], ...]:
    return ("model", first.model), ("other", second.model), ("view", "scatter")


def default_number(side: str, labels: Mapping[str, str], models: int) -> str:
    """With two models the best relation score of each, with one that by mean saliency."""
    if models == 1 and side == "x" and "saliency_mean" in labels:
        return "saliency_mean"
    return BEST if BEST in labels else LAYER


def require_known(value: str, known: Mapping[str, object], noun: str) -> str:
    if value not in known:
        raise MapsError(f"The {noun} of an axis in the address is not known here. Choose one from the lists.")
    return value


def make_axis(models: Mapping[str, Atlas], labels: Mapping[str, Mapping[str, str]], of: str, number: str) -> Axis:
    label = labels[of][number]
    if len(models) > 1:
        label = f"{label}, {models[of].model}"
    values = head_numbers(models[of], number)
    if of == SECOND:
        values = in_order_of(models[FIRST], models[SECOND], values)
    return Axis(label, values, number in LOGARITHMIC)


def in_order_of(first: Atlas, second: Atlas, values: Numbers) -> Numbers:
    """Numbers of the second model's heads in the order of the first's."""
    by_head = dict(zip(second.head_ids, values, strict=True))
    return [by_head.get(head) for head in first.head_ids]


def axis_fields(side: str, number: str, of: str, models: Mapping[str, Atlas], labels: Mapping[str, str]) -> list[Html]:
    name = "Across" if side == "x" else "Up"
    fields = [markup.select_field(name, side, [(label, key) for key, label in labels.items()], number)]
    if len(models) > 1:
        choices = [(atlas.model, key) for key, atlas in models.items()]
        fields.append(markup.select_field("of", f"{side}_of", choices, of))
    return fields


def strongest_categories(atlas: Atlas) -> list[str]:
    """The category of each head's strongest relation at the atlas's threshold."""
    classified = cache.classified_heads(atlas, float(atlas.info["settings"]["tau"]))
    names = {head: relations[0].category for head, relations in classified.items()}
    strongest = {head: name if name in CATEGORIES else OWN_BAND for head, name in names.items()}
    return [strongest.get(head, NO_COLOUR) for head in atlas.head_ids]


def rectangle_in(query: Mapping[str, str]) -> Rectangle:
    """The rectangle in the address; an edge that is missing or out of range lies at the end of its axis."""
    edges = {}
    for name in EDGES:
        text = query.get(name, "")
        if text.isascii() and text.isdecimal() and len(text) <= len(str(SPAN)):
            edges[name] = min(SPAN, round(int(text) / STEP) * STEP)
    return Rectangle(**edges)
