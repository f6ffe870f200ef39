"""The first page: one model's heads as a grid, coloured by what they do."""

from __future__ import annotations

from typing import Any

import gradio as gr

from maps.atlas import Atlas
from maps.classification import SCORE, SUPPRESSION
from maps.types import HeadId, MapsError
from space.grid import BY_CATEGORY, BY_SALIENCY, cells, colourings, head_grid, strongest
from space.markup import anchor, link_to_head, notice, table, text
from space.services import Services
from space.spoken import spoken

SIDES = [("Promotes the targets", SCORE), ("Suppresses the targets", SUPPRESSION)]


def build(services: Services, page: gr.Blocks) -> None:
    """Lays out the page and wires its events."""
    models = list(services.atlases)
    gr.HTML(
        "<h1>What do attention heads do?</h1><p>Every cell is one attention head. What it does is read from its "
        "weights alone. Pick a colouring, then click a head to see its mappings.</p>"
    )
    problem = gr.HTML()
    with gr.Row(elem_classes="controls"):
        model = gr.Dropdown(models, value=models[0], label="Model", visible=len(models) > 1)
        colour = gr.Dropdown(label="Colour by", filterable=True)
        side = gr.Radio(SIDES, value=SCORE, label="Direction", visible=False)
    grid = head_grid()
    goto = gr.HTML()
    rows = gr.HTML()

    @spoken
    def opened(request: gr.Request) -> tuple[Any, ...]:
        """Fills the page for the model in its address."""
        wanted = request.query_params.get("model") or models[0]
        name = wanted if wanted in services.atlases else models[0]
        missing = "" if name == wanted else notice(f"There is no model {wanted!r} here; this is {name}.", "problem")
        return gr.update(value=name), missing, *start(services.atlases[name])

    @spoken
    def picked(name: str) -> tuple[Any, ...]:
        """Another model."""
        return start(services.atlas(name))

    @spoken
    def coloured(name: str, key: str, direction: str) -> tuple[Any, ...]:
        """Another colouring."""
        return shown(services.atlas(name), key, direction)

    outputs = [colour, side, grid, goto, rows]
    page.load(opened, outputs=[model, problem, *outputs], api_visibility="private")
    model.input(picked, model, outputs, api_visibility="private")
    for control in (colour, side):
        control.input(coloured, [model, colour, side], [side, grid, rows], api_visibility="private")


def start(atlas: Atlas) -> tuple[Any, ...]:
    """The page of an atlas at first sight: the map of categories, where it has relations."""
    choices = colourings(atlas)
    key = choices[0][1]
    side, grid, rows = shown(atlas, key, SCORE)
    return gr.update(choices=choices, value=key), side, grid, head_picker(atlas), rows


def shown(atlas: Atlas, key: str, direction: str) -> tuple[Any, ...]:
    """The grid and the table behind it, for one colouring."""
    if key not in [each for _, each in colourings(atlas)]:
        raise MapsError("There is no such colouring; pick one from the list.")
    value = cells(atlas, key, direction, lambda head: link_to_head(atlas.model, head))
    plain = key in (BY_CATEGORY, BY_SALIENCY)
    return gr.update(visible=not plain), value, strongest_table(atlas, value)


def strongest_table(atlas: Atlas, value: dict[str, Any]) -> str:
    """The strongest heads of a colouring, as links with their values and descriptions."""
    said = {HeadId(row["layer"], row["head"]): row for row in atlas.descriptions()}
    lines = []
    for cell in strongest(value):
        head = HeadId(cell["layer"], cell["head"])
        sentence = said[head]["observed_pattern"] if head in said else "not described"
        lines.append((anchor(cell["href"], str(head)), text(cell["words"]), text(sentence)))
    return table(("Head", "Value", "Description"), lines, "The strongest heads of this colouring")


def head_picker(atlas: Atlas, here: HeadId | None = None) -> str:
    """A form that opens a head by its numbers; works without a script."""

    def options(count: int, chosen: int) -> str:
        return "".join(f"<option{' selected' if i == chosen else ''}>{i}</option>" for i in range(count))

    layer, head = here or HeadId(0, 0)
    return (
        f'<form class="picker" action="head"><input type="hidden" name="model" value="{text(atlas.model)}">'
        f'<label>Layer <select name="layer">{options(atlas.info["layers"], layer)}</select></label>'
        f'<label>Head <select name="head">{options(atlas.info["heads"], head)}</select></label>'
        "<button>Open the head</button></form>"
    )
