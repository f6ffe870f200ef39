"""The first page: one model's heads as a grid, coloured by what they do, and the counts behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from maps.analysis.classification import SCORE
from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.types import HeadId
from space.atlases import cache
from space.components import grid
from space.components.grid import CATEGORY, DETECTION, MEASURES, RELATION, VERDICT, Grid
from space.components.links import link_to_head
from space.components.markup import anchor, brief, notice, options, table, tau_slider, text
from space.pages.explore.counts import counts, figures, use
from space.pages.explore.verdicts import verdicts
from space.services import Services
from space.web.addresses import SIDES, threshold
from space.web.page import Look
from space.web.sessions import Annotator


def look(services: Services, query: Mapping[str, str], who: Annotator | None = None) -> Look:  # noqa: ARG001
    """The grid of the model in the address, in its colouring and at its threshold."""
    atlas = services.atlas(query.get("model") or next(iter(services.atlases)))
    judged = verdicts(services, atlas)
    choices = grid.colourings(atlas, judged is not None)
    colour = query.get("colour") or choices[0][1]
    if colour not in {key for _, key in choices}:
        raise MapsError("There is no such colouring of this model; go back and pick one from the list.")
    side = query.get("side") or SCORE
    if side not in SIDES:
        raise MapsError("The direction in the address is neither score nor suppression.")
    tau = threshold(query, atlas)
    value = coloured(atlas, colour, side, tau, judged)
    html = "".join(
        (
            '<h1>What do attention heads do?</h1><p class="lead">Every cell is one attention head. What it does is '
            "read from its weights alone. Point at a cell to read it, click to open it.</p>",
            *(notice(sentence, "problem") for sentence in services.left_out),
            controls(services, atlas, choices, colour, side, tau),
            grid.drawn(value, atlas),
            head_picker(atlas),
            strongest_table(atlas, value),
            counts(atlas, tau),
            use(atlas, services.datasets.get(atlas.model)),
        )
    )
    title = f"Attention heads of {atlas.model}"
    return Look(title, value.title, html, tuple(figures(atlas, tau)))


def coloured(atlas: Atlas, colour: str, side: str, tau: float, judged: Grid | None) -> Grid:
    """The grid of one colouring."""
    if colour == VERDICT and judged is not None:
        return judged
    simple: dict[str, Callable[[], Grid]] = {
        CATEGORY: partial(grid.categories, atlas, tau),
        DETECTION: partial(grid.detections, atlas),
        **{column: partial(grid.measure, atlas, column) for column in MEASURES},
    }
    return simple[colour]() if colour in simple else grid.relation(atlas, colour.removeprefix(RELATION), side, tau)


def controls(
    services: Services, atlas: Atlas, choices: list[tuple[str, str]], colour: str, side: str, tau: float
) -> str:
    """The form over the grid; it works without a script too."""
    models = [(name, name) for name in services.atlases]
    fields = [f'<label>Model <select name="model">{options(models, atlas.model)}</select></label>'] * (len(models) > 1)
    fields.append(f'<label>Colour by <select name="colour">{options(choices, colour)}</select></label>')
    if colour.startswith(RELATION):
        sides = [(words, key) for key, words in SIDES.items()]
        fields.append(f'<label>Direction <select name="side">{options(sides, side)}</select></label>')
    if colour == CATEGORY or colour.startswith(RELATION):
        fields.append(tau_slider(tau))
    button = "<noscript><button>Show</button></noscript>"
    return f'<form class="controls" action="./" data-auto>{"".join(fields)}{button}</form>'


def strongest_table(atlas: Atlas, value: Grid) -> str:
    """The strongest heads of a colouring, as links with their values and descriptions."""
    said = cache.sentences(atlas)
    lines = []
    for place in value.strongest():
        head = atlas.ids[place]
        link = anchor(link_to_head(atlas.model, head), str(head))
        lines.append((link, text(value.said(place)), brief(said[place] or "not described")))
    return table(("Head", "Value", "Description"), lines, "The strongest heads of this colouring")


def head_picker(atlas: Atlas, here: HeadId | None = None) -> str:
    """A form that opens a head by its numbers."""
    layer, head = here or HeadId(0, 0)

    def numbers(count: int, chosen: int) -> str:
        return options([(str(i), str(i)) for i in range(count)], str(chosen))

    return (
        f'<form class="picker" action="head"><input type="hidden" name="model" value="{text(atlas.model)}">'
        f'<label>Layer <select name="layer">{numbers(atlas.info["layers"], layer)}</select></label>'
        f'<label>Head <select name="head">{numbers(atlas.info["heads"], head)}</select></label>'
        "<button>Open the head</button></form>"
    )
