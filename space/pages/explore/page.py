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
    KNOWN_COLOURING,
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
from space.pages.explore.counts import FigureSection, figure_sections, usage_section
from space.pages.explore.findings import findings_section, try_section
from space.services import Services
from space.studies.headlines import head_headlines
from space.studies.results import presence_labels, study_with_open_answers
from space.web.addresses import SIDE_LABELS, threshold_in_query
from space.web.header import PAPER_ADDRESS
from space.web.page import PageContent
from space.web.sessions import Annotator

INTRODUCTION = Html(
    "<h1>What do attention heads do?</h1>"
    '<p class="lead">A language model has hundreds of attention heads. We work out what each one does from its '
    'weights{basis}, with the method <a href="{paper}">MAPS</a>. Each square below is one head of <b>{model}</b>.</p>'
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
    grid = build_grid(atlas, colouring, side, tau, verdicts, described_heads(services, atlas))
    sections = figure_sections(atlas, tau)
    html = join_html(
        (
            introduction(atlas),
            *(notice(sentence, "problem") for sentence in services.atlas_problems()),
            running_job_notice(services.jobs),
            hidden_descriptions_notice(atlas),
            first_words(services, atlas),
            grid_controls(atlas, choices, colouring, side, tau),
            grid_html(grid, atlas),
            head_picker(atlas),
            reading_hint(atlas),
            strongest_heads_table(services, atlas, grid, colouring),
            *(section_part(section, number) for number, section in enumerate(sections)),
            last_part(usage_section(atlas, services.hub_datasets.get(atlas.model)), len(sections)),
        )
    )
    makers = tuple(section.make_figure for section in sections)
    return PageContent(f"Attention heads of {atlas.model}", grid.title, html, makers)


def introduction(atlas: Atlas) -> Html:
    """What the page shows, of which model, and how it was made."""
    basis = " and a short calibration" if is_calibrated(atlas.reading) else " alone"
    return INTRODUCTION.format(basis=basis, paper=PAPER_ADDRESS, model=atlas.model)


def reading_hint(atlas: Atlas) -> Html:
    link = anchor("about", "what a reading is")
    return Html('<p class="hint">Shown in {} ({}).</p>').format(reading_phrase(atlas.reading), link)


def first_words(services: Services, atlas: Atlas) -> Html:
    """Findings and a question, side by side; they do not change with the controls of the grid."""
    tau = float(atlas.info["settings"]["tau"])
    parts = findings_section(services, atlas, tau) + try_section(services, atlas, tau)
    return Html('<div class="first-words">{}</div>').format(parts) if parts else parts


def section_part(section: FigureSection, number: int) -> Html:
    """A section in front of its figure, which Gradio shows in its place (`style.css`)."""
    return Html('<div class="part" style="order:{}">{}</div>').format(2 * number, section.html)


def last_part(html: Html, figures: int) -> Html:
    return Html('<div class="part" id="data" style="order:{}">{}</div>').format(2 * figures, html)


def described_heads(services: Services, atlas: Atlas) -> frozenset[HeadId]:
    """The heads with a pattern that is described in words, as far as visitors may see it."""
    hidden = hidden_heads(atlas)
    return frozenset(
        head for head, headline in head_headlines(services, atlas).items() if headline.pattern and head not in hidden
    )


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


def grid_controls(atlas: Atlas, choices: list[tuple[str, str]], colouring: str, side: str, tau: float) -> Html:
    is_relation = colouring.startswith(RELATION_PREFIX)
    fields = [hidden_field("model", atlas.model), select_field("Colour by", "colour", choices, colouring)]
    if is_relation:
        fields.append(select_field("Direction", "side", [(label, key) for key, label in SIDE_LABELS.items()], side))
    if is_relation or colouring in (KNOWN_COLOURING, CATEGORY_COLOURING):
        fields.append(tau_slider(tau))
    return controls_form("./", fields)


def strongest_heads_table(services: Services, atlas: Atlas, grid: Grid, colouring: str) -> Html:
    """The first heads of the grid; of colourings by relations, their values are in the sentences already."""
    headlines = head_headlines(services, atlas)
    says_values = colouring in (KNOWN_COLOURING, CATEGORY_COLOURING)
    rows = []
    for index in grid.strongest_indices():
        head = atlas.head_ids[index]
        value = () if says_values else (grid.cell_text(index),)
        rows.append((head_link(atlas.model, head), *value, headline_html(headlines[head])))
    header = ("Head", "What it does") if says_values else ("Head", "Value", "What it does")
    return table(header, rows, "Strongest heads in this view", is_stacked=True)


def head_picker(atlas: Atlas) -> Html:
    layers = [(str(layer), str(layer)) for layer in sorted({head.layer for head in atlas.head_ids})]
    heads = [(str(head), str(head)) for head in range(atlas.info["heads"])]
    return Html('<form class="picker" action="head">{}{}{}<button>Open the head</button></form>').format(
        hidden_field("model", atlas.model),
        select_field("Layer", "layer", layers, layers[0][0]),
        select_field("Head", "head", heads, "0"),
    )
