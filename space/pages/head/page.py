"""One head's page: its descriptions, mappings and relations, and how people judged it."""

from __future__ import annotations

from collections.abc import Mapping

from maps.analysis.similar_heads import similar_heads
from maps.atlas.reader import Atlas
from maps.atlas.readings import reading_phrase, targets_phrase
from maps.report.headline import Headline
from maps.types import HeadId
from space.atlases import cache
from space.atlases.cache import group_mates
from space.atlases.first_describer import first_describer
from space.atlases.head_rows import HeadRows
from space.atlases.hidden import hidden_heads
from space.components import markup
from space.components.links import link_to_ask, link_to_describe, link_to_head, link_to_model
from space.components.markup import Html
from space.pages.head.attention import attention_section
from space.pages.head.descriptions import descriptions_side_by_side, evidence_list, headline_block
from space.pages.head.judgments import judgments_section
from space.pages.head.operations import operations_section
from space.pages.head.sentence import sentence_section
from space.pages.head.sharing import sharing_section
from space.services import Services
from space.studies.headlines import head_headlines
from space.web.addresses import requested_head
from space.web.page import PageContent
from space.web.sessions import Annotator

MAX_SIMILAR_HEADS = 5
TEMPLATE = Html(
    """\
{neighbours}<h1 data-address="{address}">{head} <small>of {model}</small></h1>{headline}
<h2>What it promotes</h2>
<p class="hint">On the left, the tokens on which the head acts most strongly. On the right, their targets:
{targets_phrase}, highest first.</p>{mappings}
<h2>Relations</h2>{relations}{operations}{attention}{sentence}
<h2>Descriptions</h2>{descriptions}{ask_link}{organisers_link}{evidence}
<h2>Human judgments</h2>{judgments}
<h2>Similar heads</h2>{similar_heads}
<h2>Heads that share its value head</h2>{group_mates}
<h2>Where this comes from</h2>{provenance}{sharing}"""
)

ASK_LINK = Html('<p><a href="{}">Ask a language model about this head</a>, with a key of your own.</p>')
# Shown by explorer.js in the browsers of organisers; the server asks again who they are.
ORGANISERS_LINK = Html(
    '<p class="for-organisers" hidden><a href="{}">Ask again about this head, or describe it</a></p>'
)


def build_content(services: Services, query: Mapping[str, str], annotator: Annotator | None = None) -> PageContent:
    atlas, head = requested_head(services, query)
    settings = atlas.info["settings"]
    rows, is_hidden = HeadRows.read(atlas, head), head in hidden_heads(atlas)
    judgments, headlines = judgments_section(services, atlas, head, annotator), head_headlines(services, atlas)
    html = TEMPLATE.format(
        neighbours=neighbour_links(atlas, head),
        head=head,
        address=link_to_head(atlas.model, head),  # recent.js keeps it in the browser
        model=markup.anchor(link_to_model(atlas.model), atlas.model),
        headline=headline_block(headlines[head], rows, is_hidden),
        targets_phrase=targets_phrase(atlas.reading),
        mappings=markup.mapping_list(rows.mappings),
        relations=markup.relation_bars(rows.relations, settings["tau"], settings["min_pairs"], atlas.model, head),
        operations=operations_section(rows),
        attention=attention_section(atlas, head),
        sentence=sentence_section(services, atlas, head),
        descriptions=descriptions_side_by_side(rows, is_hidden, first_describer(services.whole_atlas(atlas.model))),
        ask_link=ASK_LINK.format(link_to_ask(atlas.model, head)),
        organisers_link=ORGANISERS_LINK.format(link_to_describe(atlas.model, head)),
        evidence=evidence_list(rows, is_hidden),
        judgments=judgments.html,
        similar_heads=similar_heads_table(atlas, head, headlines),
        group_mates=group_mates_sentence(atlas, head),
        provenance=provenance_list(atlas, rows),
        sharing=sharing_section(services, atlas, head),
    )
    summary = headlines[head].plain_text or "Not described yet."
    image = link_to_head(atlas.model, head).replace("head?", "look/card.png?", 1)
    title = f"{head} of {atlas.model}"
    return PageContent(title, summary, html, image_address=image, is_personal=judgments.is_personal)


def neighbour_links(atlas: Atlas, head: HeadId) -> Html:
    """Links to the heads before and after, which the arrow keys follow too, and back to the grid."""
    index = atlas.head_ids.index(head)
    links = [markup.anchor(link_to_model(atlas.model), "All heads")]
    if index > 0:
        before = atlas.head_ids[index - 1]
        links.insert(0, markup.anchor(link_to_head(atlas.model, before), f"← {before}", rel="prev"))
    if index + 1 < len(atlas.head_ids):
        after = atlas.head_ids[index + 1]
        links.append(markup.anchor(link_to_head(atlas.model, after), f"{after} →", rel="next"))
    return Html('<nav class="neighbours" aria-label="Other heads">{}</nav>').format(markup.join_html(links))


def similar_heads_table(atlas: Atlas, head: HeadId, headlines: Mapping[HeadId, Headline]) -> Html:
    """The heads whose mappings overlap most with this head's, and what they do."""
    similar = similar_heads(cache.mapping_index(atlas), head, MAX_SIMILAR_HEADS)
    if not similar:
        return markup.notice("No other head acts strongly on any of the same tokens.")
    rows = [
        (
            markup.head_link(atlas.model, other.head),
            f"{100 * other.mappings:.1f} %",
            f"{100 * other.sources:.1f} %",
            markup.headline_html(headlines[other.head]),
        )
        for other in similar
    ]
    caption = "Heads with the most mappings in common; the shares are of all that either head has"
    header = ("Head", "Mappings in common", "Sources in common", "What it does")
    return markup.table(header, rows, caption, is_stacked=True)


def group_mates_sentence(atlas: Atlas, head: HeadId) -> Html:
    """The heads that read through the same value head (grouped-query attention), as links."""
    mates = group_mates(atlas, head)
    if not mates:
        return markup.notice("None: it has a value head of its own.")
    links = Html(", ").join(markup.head_link(atlas.model, mate) for mate in mates)
    value_head = cache.head_column(atlas, "kv_head")[atlas.head_ids.index(head)]
    return Html("<p>It shares value head {} of its layer with {}.</p>").format(value_head, links)


def provenance_list(atlas: Atlas, rows: HeadRows) -> Html:
    row = rows.statistics
    statistics = {
        "Mean saliency": row["saliency_mean"],
        "Highest saliency": row["saliency_max"],
        "Input skewness": row["input_skewness"],
        "Target kurtosis": row["target_kurtosis"],
        "Output space": row["output_space"],
    }
    numbers = {name: "not computed" if value is None else f"{value:.3g}" for name, value in statistics.items()}
    numbers["Value head"] = str(row["kv_head"])
    numbers["Reading"] = reading_phrase(atlas.reading)
    numbers["Model"] = f"{atlas.info['revision']}, mapped {atlas.info['created_at'][:10]}"
    return Html("<dl>{}</dl>").format(
        markup.join_html(Html("<dt>{}</dt><dd>{}</dd>").format(name, value) for name, value in numbers.items())
    )
