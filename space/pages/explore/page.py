"""The first page: one model's heads as a grid, coloured by what they do, and the counts behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from annotation.statistics.rates import CORRECT_CODES
from maps.analysis.classification import SCORE
from maps.atlas.reader import Atlas
from maps.atlas.readings import is_calibrated, reading_phrase
from maps.errors import MapsError
from maps.types import HeadId
from space.atlases.hidden import hidden_heads
from space.components.grid import (
    CATEGORY_COLOURING,
    RELATION_PREFIX,
    Grid,
    band_bits,
    build_grid,
    colouring_choices,
    grid_html,
)
from space.components.job_notice import running_job_notice
from space.components.markup import (
    Html,
    anchor,
    controls_form,
    head_link,
    headline_html,
    hidden_descriptions_notice,
    hidden_field,
    join_html,
    notice,
    select_field,
    table,
    tau_slider,
)
from space.pages.explore.counts import counts_section, model_figure_makers, usage_section
from space.services import Services
from space.studies.headlines import head_headlines
from space.studies.results import presence_labels, study_with_open_answers
from space.web.addresses import SIDE_LABELS, threshold_in_query
from space.web.page import PageContent
from space.web.sessions import Annotator

INTRODUCTION = Html(
    '<h1>What do attention heads do?</h1><p class="lead">Every cell is one attention head. What the head does is read '
    "from its weights{}. Point at a cell to see it; click to open it.</p>"
    '<p class="hint">The heads of {} are shown in {} ({}).</p>'
)


def build_content(services: Services, query: Mapping[str, str], annotator: Annotator | None = None) -> PageContent:  # noqa: ARG001
    """The grid of the model in the address, in its colouring and at its threshold."""
    atlas = services.atlas(query.get("model") or services.default_model())
    verdicts = verdict_grid(services, atlas)
    choices = colouring_choices(atlas, verdicts is not None)
    colouring = query.get("colour") or choices[0][1]
    if colouring not in {key for _, key in choices}:
        raise MapsError("This model has no such colouring. Go back and pick one from the list.")
    side = query.get("side") or SCORE
    if side not in SIDE_LABELS:
        raise MapsError("The direction in the address must be score or suppression.")
    tau = threshold_in_query(query, atlas)
    grid = build_grid(atlas, colouring, side, tau, verdicts)
    html = join_html(
        (
            introduction(atlas),
            *(notice(sentence, "problem") for sentence in services.atlas_problems()),
            running_job_notice(services.jobs),
            hidden_descriptions_notice(atlas),
            grid_controls(services, atlas, choices, colouring, side, tau),
            grid_html(grid, atlas),
            head_picker(atlas),
            strongest_heads_table(services, atlas, grid),
            counts_section(atlas, tau),
            usage_section(atlas, services.hub_datasets.get(atlas.model)),
        )
    )
    return PageContent(f"Attention heads of {atlas.model}", grid.title, html, tuple(model_figure_makers(atlas, tau)))


def introduction(atlas: Atlas) -> Html:
    """What the page shows, and in which reading, with a link to its explanation."""
    basis = " and a calibration" if is_calibrated(atlas.reading) else " alone"
    link = anchor("about", "what a reading is")
    return INTRODUCTION.format(basis, atlas.model, reading_phrase(atlas.reading), link)


def verdict_grid(services: Services, atlas: Atlas) -> Grid | None:
    """Each head by the majority's answer to question one: is the description right?

    In the newest study of the model whose answers everybody may see; None without one.
    """
    study = study_with_open_answers(services, atlas)
    if study is None:
        return None
    rows = presence_labels(services, study).to_dict("records")
    verdicts = {HeadId(int(row["layer"]), int(row["head"])): verdict(row["label"]) for row in rows}
    by_head = {head: band for head, band in verdicts.items() if head not in hidden_heads(atlas)}
    people = {HeadId(int(row["layer"]), int(row["head"])): int(row["n"]) for row in rows}
    bands, texts = [0] * len(atlas.head_ids), {}
    for index, head in enumerate(atlas.head_ids):
        if head in by_head:
            bands[index] = band_bits([by_head[head]])
            count = "1 person" if people[head] == 1 else f"{people[head]:,} people"
            texts[index] = f"description judged {by_head[head]} by {count}"
    right = sum(bands[index] == band_bits(["right"]) for index in texts)
    title = f"{right:,} of {len(texts):,} judged descriptions are right about whether the head has a pattern."
    return Grid(title, bands=bands, cell_texts=texts, default_text="not judged")


def verdict(label: Any) -> str:
    """The band for a majority's answer; a label that is not a string means that the answers are tied."""
    if not isinstance(label, str):
        return "tied"
    return "right" if label in CORRECT_CODES else "wrong"


def grid_controls(
    services: Services, atlas: Atlas, choices: list[tuple[str, str]], colouring: str, side: str, tau: float
) -> Html:
    is_relation = colouring.startswith(RELATION_PREFIX)
    fields = [select_field("Colour by", "colour", choices, colouring)]
    if len(services.atlases) > 1:
        fields.insert(0, select_field("Model", "model", [(name, name) for name in services.atlases], atlas.model))
    if is_relation:
        fields.append(select_field("Direction", "side", [(label, key) for key, label in SIDE_LABELS.items()], side))
    if is_relation or colouring == CATEGORY_COLOURING:
        fields.append(tau_slider(tau))
    return controls_form("./", fields)


def strongest_heads_table(services: Services, atlas: Atlas, grid: Grid) -> Html:
    headlines = head_headlines(services, atlas)
    rows = []
    for index in grid.strongest_indices():
        head = atlas.head_ids[index]
        rows.append((head_link(atlas.model, head), grid.cell_text(index), headline_html(headlines[head])))
    return table(("Head", "Value", "What it does"), rows, "The strongest heads in this colouring")


def head_picker(atlas: Atlas) -> Html:
    layers = [(str(layer), str(layer)) for layer in sorted({head.layer for head in atlas.head_ids})]
    heads = [(str(head), str(head)) for head in range(atlas.info["heads"])]
    return Html('<form class="picker" action="head">{}{}{}<button>Open the head</button></form>').format(
        hidden_field("model", atlas.model),
        select_field("Layer", "layer", layers, layers[0][0]),
        select_field("Head", "head", heads, "0"),
    )
