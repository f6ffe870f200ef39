"""What is shown below the grid of a model: the counts behind it, its data, and its figures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from maps.analysis.classification import classification_summary
from maps.atlas.reader import Atlas
from space.atlases import cache
from space.components.markup import Html, anchor, table
from space.components.relations_table import relations_table
from space.web.downloads import download_links

BREADTH_HTML = Html(
    "<h2>Broad and narrow heads</h2><p>Some heads act on nearly every token, others on few; some write into a small "
    "part of the vocabulary, others everywhere.</p>"
)
MEASURE_PHRASES = {
    "classified": "implement or suppress a relation",
    "own_relations_only": "match only user-defined relations",
    "several_categories": "of these belong to several categories",
    "suppression": "of these suppress a relation",
}


class FigureSection(NamedTuple):
    """A part of the page, and the function that makes the figure below it."""

    html: Html
    make_figure: Callable[[], Any]


def counts_section(atlas: Atlas, tau: float) -> Html:
    if not cache.relation_names(atlas):
        return Html("")
    heads, relations = cache.classified_heads(atlas, tau), cache.relation_summary(atlas, tau)
    summary = classification_summary(atlas.head_ids, heads, relations)
    rows = [
        (MEASURE_PHRASES.get(row["measure"], row["measure"]), f"{row['count']:,}", percent_text(row["share"]))
        for row in summary.to_pylist()
        if row["measure"] not in ("heads", "relations_left_out")
    ]
    return (
        Html("<h2>The counts behind the grid</h2>")
        + table(("Heads that", "Heads", "Share"), rows, f"Heads of {atlas.model} at a threshold of {tau:g}")
        + baseline_table(atlas)
        + Html("<details><summary>Each relation with its best heads</summary>{}</details>").format(
            relations_table(atlas, tau)
        )
    )


def baseline_table(atlas: Atlas) -> Html:
    """How many random heads would pass each threshold, next to the model's own."""
    baseline = atlas.random_baseline()
    if not baseline:
        return Html(
            '<p class="hint">Would random heads do as much by chance? This has not been measured for this model.</p>'
        )
    rows = [(f"{row['tau']:g}", f"{row['trained_heads']:,}", f"{row['random_heads']:,}") for row in baseline]
    header = ("Threshold", "Heads of the model", "Random heads")
    return Html("<details><summary>Would random heads do as much by chance?</summary>{}</details>").format(
        table(header, rows, "Heads that reach the threshold, of the model and of as many random heads")
    )


def percent_text(value: float | None) -> str:
    return "undefined" if value is None else f"{100 * value:.1f} %"


def usage_section(atlas: Atlas, dataset: str | None) -> Html:
    hub = Html("")
    if dataset:
        link = anchor(dataset_address(dataset), dataset)
        hub = Html(" They are also the dataset {} on the Hugging Face Hub.").format(link)
    about = anchor("about", "How to use them from a program, and how to cite them")
    return Html(
        "<h2>Use these data</h2><p>Everything shown here for {} can be downloaded as tables.{} {}.</p>"
        "<details><summary>Download the tables</summary>{}</details>"
    ).format(atlas.model, hub, about, download_links(atlas))


def dataset_address(name: str) -> str:
    from huggingface_hub.constants import ENDPOINT

    return f"{ENDPOINT}/datasets/{name}"


def figure_sections(atlas: Atlas, tau: float) -> list[FigureSection]:
    """What the model's tables say about all its heads, each part with the figure that shows it."""
    sections = []
    if cache.relation_names(atlas):
        sections.append(FigureSection(counts_section(atlas, tau), partial(relations_figure, atlas, tau)))
    if atlas.has_table("descriptions"):
        sections.append(FigureSection(described_section(atlas), partial(identification_figure, atlas)))
    if any(value is not None for value in cache.head_column(atlas, "output_space")):
        sections.append(FigureSection(BREADTH_HTML, partial(output_space_figure, atlas, tau)))
        sections.append(FigureSection(Html(""), partial(breadth_figure, atlas)))
    return sections


def described_section(atlas: Atlas) -> Html:
    """How many heads each describer sees a pattern in."""
    rates = [row for row in cache.pattern_rates(atlas).to_pylist() if row["layer"] is None]
    sentences = [f"{row['describer']} sees one in {row['patterns']:,} of {row['described']:,} heads" for row in rates]
    return Html(
        "<h2>Described patterns by layer</h2><p>A describer says in words what a head does, or that it sees no "
        "clear pattern: {}.</p>"
    ).format("; ".join(sentences))


def relations_figure(atlas: Atlas, tau: float) -> Any:
    """Heads by relation. As below, the figure library is slow to load, so it is imported when a figure is drawn."""
    from maps.figures.relations import heads_per_relation

    return heads_per_relation(cache.relation_summary(atlas, tau), atlas.model)


def identification_figure(atlas: Atlas) -> Any:
    """The share of heads with a described pattern by layer."""
    from maps.figures.by_layer import identification_rate

    return identification_rate(cache.pattern_rates(atlas), atlas.model)


def output_space_figure(atlas: Atlas, tau: float) -> Any:
    """Skewness against output space."""
    from maps.figures.heads import skewness_by_output_space

    return skewness_by_output_space(atlas.table("heads"), list(cache.classified_heads(atlas, tau)), atlas.model)


def breadth_figure(atlas: Atlas) -> Any:
    """Skewness and output space by layer, with two reference heads."""
    from maps.analysis.breadth import OutputSpaceReferences
    from maps.figures.by_layer import breadth_by_layer

    return breadth_by_layer(atlas.table("heads"), atlas.model, OutputSpaceReferences.from_info(atlas.info))
