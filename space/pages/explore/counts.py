"""What stands under the grid of a model: the counts behind it, as sentences and tables, and its figures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from maps.analysis.classification import classification_summary
from maps.atlas.reader import Atlas
from maps.text import relation_label
from maps.types import HeadId
from space.atlases import cache
from space.components.links import link_to_head, link_to_relation
from space.components.markup import anchor, escape_html, table
from space.web.downloads import download_links

MEASURE_PHRASES = {
    "classified": "implement or suppress a relation",
    "own_relations_only": "do own relations only, which have no category",
    "several_categories": "of these belong to several categories",
    "suppression": "of these suppress a relation",
}


def counts_section(atlas: Atlas, tau: float) -> str:
    """How many heads do what, and how many implement each relation."""
    if not cache.relation_names(atlas):
        return ""
    found = cache.classified_heads(atlas, tau)
    per_relation = cache.relation_summary(atlas, tau)
    lines = [
        (
            escape_html(MEASURE_PHRASES.get(row["measure"], row["measure"])),
            f"{row['count']:,}",
            percent_text(row["share"]),
        )
        for row in classification_summary(atlas.head_ids, found, per_relation).to_pylist()
        if row["measure"] not in ("heads", "relations_left_out")
    ]
    return (
        "<h2>The counts behind it</h2>"
        + table(("Heads that", "Heads", "Share"), lines, f"Heads of {atlas.model} at a threshold of {tau:g}")
        + baseline_table(atlas)
        + relation_table(atlas, tau)
    )


def baseline_table(atlas: Atlas) -> str:
    """How many random heads would pass each threshold, beside the model's own."""
    rows = atlas.random_baseline()
    if not rows:
        command = "python -m maps evaluate random MODEL --out ATLAS"
        return (
            f"<p class='hint'>How many random heads would do as much is not known; <code>{command}</code> counts.</p>"
        )
    lines = [(f"{row['tau']:g}", f"{row['trained_heads']:,}", f"{row['random_heads']:,}") for row in rows]
    head = ("Threshold", "Heads of the model", "Random heads")
    return f"<details><summary>Would random heads do it?</summary>{table(head, lines, 'Of as many heads')}</details>"


def percent_text(value: float | None) -> str:
    """A share in percent."""
    return "undefined" if value is None else f"{100 * value:.1f} %"


def relation_table(atlas: Atlas, tau: float) -> str:
    """Each relation with its heads and the best of them."""
    lines = []
    for row in cache.relation_summary(atlas, tau).to_pylist():
        name = anchor(link_to_relation(row["relation"]), relation_label(row["relation"]))
        best = best_head_link(atlas, row["best_head"], row["best_score"])
        lowest = best_head_link(atlas, row["best_suppression_head"], row["best_suppression"])
        numbers = ["too few pairs" if row[key] is None else f"{row[key]:,}" for key in ("heads", "suppression_heads")]
        lines.append((name, escape_html(row["category"] or "own"), f"{row['pairs']:,}", *numbers, best, lowest))
    head = ("Relation", "Category", "Pairs", "Heads", "Suppress it", "Best head", "Strongest suppression")
    return table(head, lines, "Heads by relation")


def best_head_link(atlas: Atlas, name: str | None, value: float | None) -> str:
    """A head with its value, as a link."""
    if name is None or value is None:
        return "none"
    return f"{anchor(link_to_head(atlas.model, HeadId.parse(name)), name)} {value:.2f}"


def usage_section(atlas: Atlas, dataset: str | None) -> str:
    """How to get at the data and how to cite it."""
    about = anchor("about", "From programs, and how to cite")
    hub = f" It is the dataset {anchor(dataset_address(dataset), dataset)} on the Hub." if dataset else ""
    return (
        f"<h2>Use these data</h2><p>The atlas of {escape_html(atlas.model)} as tables. {about}.{hub}</p>"
        f"<details><summary>Download the tables</summary>{download_links(atlas)}</details>"
    )


def dataset_address(name: str) -> str:
    """The address of a dataset's page."""
    from huggingface_hub.constants import ENDPOINT

    return f"{ENDPOINT}/datasets/{name}"


def model_figure_makers(atlas: Atlas, tau: float) -> list[Callable[[], Any]]:
    """What makes the figures of a model, those that its tables allow."""
    made: list[Callable[[], Any]] = []
    if cache.relation_names(atlas):
        made.append(partial(relations_figure, atlas, tau))
    if any(cache.head_descriptions(atlas)):
        made.append(partial(identification_figure, atlas))
    if any(value is not None for value in cache.head_column(atlas, "heads", "output_space")):
        made += [partial(output_space_figure, atlas, tau), partial(breadth_figure, atlas)]
    return made


def relations_figure(atlas: Atlas, tau: float) -> Any:
    """Heads by relation; the library of figures is imported when one is drawn."""
    from maps.figures.relations import heads_per_relation

    return heads_per_relation(cache.relation_summary(atlas, tau), atlas.model)


def identification_figure(atlas: Atlas) -> Any:
    """The share of heads with a described pattern by layer."""
    from maps.figures.identification import identification_rate

    return identification_rate(cache.pattern_rates(atlas), atlas.model)


def output_space_figure(atlas: Atlas, tau: float) -> Any:
    """Skewness against output space."""
    from maps.figures.heads import skewness_by_output_space

    return skewness_by_output_space(atlas.table("heads"), list(cache.classified_heads(atlas, tau)), atlas.model)


def breadth_figure(atlas: Atlas) -> Any:
    """Skewness and output space by layer, beside the two reference heads."""
    from maps.analysis.breadth import OutputSpaceReferences
    from maps.figures.breadth import breadth_by_layer

    return breadth_by_layer(atlas.table("heads"), atlas.model, OutputSpaceReferences.from_info(atlas.info))
