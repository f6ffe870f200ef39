"""One head's page: its descriptions, mappings and relations, and how people judged it. Its address can be shared."""

from __future__ import annotations

from collections.abc import Mapping

from maps.analysis.similar_heads import similar_heads
from maps.atlas.reader import Atlas
from maps.types import HeadId
from space.atlases import cache
from space.atlases.cache import group_mates
from space.atlases.head_rows import HeadRows
from space.components.links import link_to_head, link_to_model
from space.components.markup import anchor, description_preview, escape_html, mapping_list, notice, relation_bars, table
from space.pages.head.descriptions import descriptions_side_by_side, evidence_list, leading_description
from space.pages.head.judgments import judgments_section
from space.services import Services
from space.web.addresses import requested_head
from space.web.page import PageContent
from space.web.sessions import Annotator

MAX_SIMILAR_HEADS = 5  # heads like it that are shown


def build_content(services: Services, query: Mapping[str, str], annotator: Annotator | None = None) -> PageContent:
    """The head in the address."""
    atlas, head = requested_head(services, query)
    settings = atlas.info["settings"]
    rows, told = HeadRows.read(atlas, head), judgments_section(services, atlas, head, annotator)
    html = "".join(
        (
            neighbour_links(atlas, head),
            f"<h1>{head} <small>of {anchor(link_to_model(atlas.model), atlas.model)}</small></h1>",
            leading_description(rows),
            "<h2>What it promotes</h2><p class='hint'>The tokens on which it acts most strongly, each with the tokens "
            "that it promotes most.</p>",
            mapping_list(rows.mappings),
            "<h2>Relations</h2>",
            relation_bars(rows.relations, settings["tau"], settings["min_pairs"], atlas.model, head),
            "<h2>Descriptions</h2>",
            descriptions_side_by_side(rows),
            evidence_list(rows),
            "<h2>What people say</h2>",
            told.html,
            "<h2>Heads like it</h2>",
            similar_heads_table(atlas, head),
            "<h2>Heads beside it</h2>",
            group_mates_sentence(atlas, head),
            "<h2>Provenance</h2>",
            provenance_list(atlas, rows),
        )
    )
    sentence = cache.head_descriptions(atlas)[atlas.head_ids.index(head)] or "Not described yet."
    image = link_to_head(atlas.model, head).replace("head?", "look/card.png?", 1)
    return PageContent(f"{head} of {atlas.model}", sentence, html, image_address=image, is_personal=told.is_personal)


def neighbour_links(atlas: Atlas, head: HeadId) -> str:
    """Links to the head before and after, also on the arrow keys, and back to the grid."""
    at = atlas.head_ids.index(head)
    before, after = atlas.head_ids[at - 1 : at] if at else (), atlas.head_ids[at + 1 : at + 2]
    links = [anchor(link_to_head(atlas.model, other), f"← {other}", rel="prev") for other in before]
    links.append(anchor(link_to_model(atlas.model), "All heads"))
    links += [anchor(link_to_head(atlas.model, other), f"{other} →", rel="next") for other in after]
    return f'<nav class="neighbours" aria-label="Other heads">{"".join(links)}</nav>'


def similar_heads_table(atlas: Atlas, head: HeadId) -> str:
    """The heads whose mappings overlap most with its own, with what they do."""
    found = similar_heads(cache.mapping_index(atlas), head, MAX_SIMILAR_HEADS)
    if not found:
        return notice("No other head shares a salient source with it.")
    said = cache.head_descriptions(atlas)
    lines = [
        (
            anchor(link_to_head(atlas.model, each.head), str(each.head)),
            f"{100 * each.mappings:.1f} %",
            f"{100 * each.sources:.1f} %",
            description_preview(said[atlas.head_ids.index(each.head)] or "not described"),
        )
        for each in found
    ]
    head_of_table = ("Head", "Mappings in common", "Sources in common", "Description")
    return table(head_of_table, lines, "Shares of what either of the two heads has")


def group_mates_sentence(atlas: Atlas, head: HeadId) -> str:
    """The heads that read through the same value head, as links."""
    mates = group_mates(atlas, head)
    if not mates:
        return notice("It has a value head of its own, so it has no group mates.")
    links = ", ".join(anchor(link_to_head(atlas.model, other), str(other)) for other in mates)
    mine = cache.head_column(atlas, "heads", "kv_head")[atlas.head_ids.index(head)]
    return f"<p>It shares value head {mine} of its layer with {links}.</p>"


def provenance_list(atlas: Atlas, rows: HeadRows) -> str:
    """Numbers of the head and where they come from."""
    row = rows.statistics
    shown = {
        "Mean saliency": row["saliency_mean"],
        "Highest saliency": row["saliency_max"],
        "Input skewness": row["input_skewness"],
        "Target kurtosis": row["target_kurtosis"],
        "Output space": row["output_space"],
    }
    numbers = "".join(
        f"<dt>{name}</dt><dd>{'not computed' if value is None else f'{value:.3g}'}</dd>"
        for name, value in shown.items()
    )
    info = atlas.info
    made = f"{info['revision']}, mapped {info['created_at'][:10]}"
    return f"<dl>{numbers}<dt>Value head</dt><dd>{row['kv_head']}</dd><dt>Model</dt><dd>{escape_html(made)}</dd></dl>"
