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
from space.components.grid import (
    CATEGORY_COLOURING,
    DETECTION_COLOURING,
    MEASURES,
    RELATION_PREFIX,
    VERDICT_COLOURING,
    Grid,
)
from space.components.links import link_to_head
from space.components.markup import anchor, description_preview, escape_html, notice, select_options, table, tau_slider
from space.pages.explore.counts import counts_section, model_figure_makers, usage_section
from space.pages.explore.verdicts import verdict_grid
from space.services import Services
from space.web.addresses import SIDE_LABELS, threshold_in_query
from space.web.page import PageContent
from space.web.sessions import Annotator


def build_content(services: Services, query: Mapping[str, str], annotator: Annotator | None = None) -> PageContent:  # noqa: ARG001
    """The grid of the model in the address, in its colouring and at its threshold."""
    atlas = services.atlas(query.get("model") or next(iter(services.atlases)))
    judged = verdict_grid(services, atlas)
    choices = grid.colouring_choices(atlas, judged is not None)
    colour = query.get("colour") or choices[0][1]
    if colour not in {key for _, key in choices}:
        raise MapsError("There is no such colouring of this model; go back and pick one from the list.")
    side = query.get("side") or SCORE
    if side not in SIDE_LABELS:
        raise MapsError("The direction in the address is neither score nor suppression.")
    tau = threshold_in_query(query, atlas)
    value = build_grid(atlas, colour, side, tau, judged)
    html = "".join(
        (
            '<h1>What do attention heads do?</h1><p class="lead">Every cell is one attention head. What it does is '
            "read from its weights alone. Point at a cell to read it, click to open it.</p>",
            *(notice(sentence, "problem") for sentence in services.skipped_atlas_messages),
            controls_form(services, atlas, choices, colour, side, tau),
            grid.grid_html(value, atlas),
            head_picker(atlas),
            strongest_heads_table(atlas, value),
            counts_section(atlas, tau),
            usage_section(atlas, services.hub_datasets.get(atlas.model)),
        )
    )
    title = f"Attention heads of {atlas.model}"
    return PageContent(title, value.title, html, tuple(model_figure_makers(atlas, tau)))


def build_grid(atlas: Atlas, colour: str, side: str, tau: float, verdicts: Grid | None) -> Grid:
    """The grid of one colouring."""
    if colour == VERDICT_COLOURING and verdicts is not None:
        return verdicts
    simple: dict[str, Callable[[], Grid]] = {
        CATEGORY_COLOURING: partial(grid.category_grid, atlas, tau),
        DETECTION_COLOURING: partial(grid.detection_grid, atlas),
        **{column: partial(grid.measure_grid, atlas, column) for column in MEASURES},
    }
    return (
        simple[colour]()
        if colour in simple
        else grid.relation_grid(atlas, colour.removeprefix(RELATION_PREFIX), side, tau)
    )


def controls_form(
    services: Services, atlas: Atlas, choices: list[tuple[str, str]], colour: str, side: str, tau: float
) -> str:
    """The form over the grid; it works without a script too."""
    models = [(name, name) for name in services.atlases]
    fields = [f'<label>Model <select name="model">{select_options(models, atlas.model)}</select></label>'] * (
        len(models) > 1
    )
    fields.append(f'<label>Colour by <select name="colour">{select_options(choices, colour)}</select></label>')
    if colour.startswith(RELATION_PREFIX):
        sides = [(words, key) for key, words in SIDE_LABELS.items()]
        fields.append(f'<label>Direction <select name="side">{select_options(sides, side)}</select></label>')
    if colour == CATEGORY_COLOURING or colour.startswith(RELATION_PREFIX):
        fields.append(tau_slider(tau))
    button = "<noscript><button>Show</button></noscript>"
    return f'<form class="controls" action="./" data-auto>{"".join(fields)}{button}</form>'


def strongest_heads_table(atlas: Atlas, colouring_grid: Grid) -> str:
    """The strongest heads of a colouring, as links with their values and descriptions."""
    said = cache.head_descriptions(atlas)
    lines = []
    for place in colouring_grid.strongest_indices():
        head = atlas.head_ids[place]
        link = anchor(link_to_head(atlas.model, head), str(head))
        lines.append(
            (link, escape_html(colouring_grid.cell_text(place)), description_preview(said[place] or "not described"))
        )
    return table(("Head", "Value", "Description"), lines, "The strongest heads of this colouring")


def head_picker(atlas: Atlas, here: HeadId | None = None) -> str:
    """A form that opens a head by its numbers."""
    layer, head = here or HeadId(0, 0)

    def numbers(count: int, chosen: int) -> str:
        return select_options([(str(i), str(i)) for i in range(count)], str(chosen))

    return (
        f'<form class="picker" action="head"><input type="hidden" name="model" value="{escape_html(atlas.model)}">'
        f'<label>Layer <select name="layer">{numbers(atlas.info["layers"], layer)}</select></label>'
        f'<label>Head <select name="head">{numbers(atlas.info["heads"], head)}</select></label>'
        "<button>Open the head</button></form>"
    )
