"""The catalogue: every model that is here in one table, filtered and sorted by its address."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import escape

from maps.text import pluralize
from space.atlases.listing import SORT_KEYS, AtlasListing, list_atlas, sort_listings
from space.components import markup
from space.components.links import link_to_catalogue, link_to_model
from space.components.markup import Html, join_html
from space.pages.explore.counts import dataset_address
from space.services import Services
from space.web.page import PageContent
from space.web.sessions import Annotator

MAX_ROWS = 500
NO_MATCH = "No model has these words. Clear the filter to see all."
HEADERS = {
    "name": "Model",
    "reading": "Reading",
    "layers": "Layers",
    "heads": "Heads in a layer",
    "relations": "Relations found",
    "described": "Described patterns",
    "size": "Size",
    "day": "Mapped",
    "dataset": "Dataset",
}
HIGHEST_FIRST = ("layers", "heads", "relations", "described", "size", "day")  # when a column is first sorted by


def build_content(services: Services, query: Mapping[str, str], annotator: Annotator | None = None) -> PageContent:  # noqa: ARG001
    """All models in the order of the address, by default that of the app; those without its words are hidden."""
    listings = [list_atlas(atlas, services.hub_datasets.get(name, "")) for name, atlas in services.atlases.items()]
    words, sort = query.get("q", ""), query.get("sort", "")
    ordered = sort_listings(listings, sort)[:MAX_ROWS]
    html = Html(
        '<h1>Models</h1><p class="lead">Every model that is mapped here. Choose one to see its heads.</p>'
        '<div class="catalogue">{}{}</div>{}<p class="hint">Relations found are those that at least one head does or '
        "suppresses. Described patterns are the share of heads in which a describer sees a pattern.</p>"
    ).format(filter_form(words, sort), models_table(ordered, words, sort), too_many_notice(len(listings)))
    summary = f"{pluralize(len(listings), 'model')} to look into: {', '.join(each.name for each in ordered[:5])}."
    return PageContent("Models that are mapped here", summary, html)


def filter_form(words: str, sort: str) -> Html:
    field = Html('<label>Filter <input type="search" name="q" value="{}" autocomplete="off"></label>').format(
        escape(words)
    )
    return markup.controls_form("catalogue", [field, *([markup.hidden_field("sort", sort)] if sort else [])])


def models_table(listings: list[AtlasListing], words: str, sort: str) -> Html:
    """The table, with the rows without the words hidden, so that `catalogue.js` can show them."""
    titles = join_html(
        Html('<th scope="col"{}>{}</th>').format(sort_mark(key, sort), sort_link(key, words, sort)) for key in SORT_KEYS
    )
    is_shown = [each.has_words(words) for each in listings]
    rows = join_html(
        Html('<tr data-words="{}"{}>{}</tr>').format(
            escape(each.searched_text),
            Html("") if shown else Html(" hidden"),
            join_html(Html("<td>{}</td>").format(cell) for cell in listing_cells(each)),
        )
        for each, shown in zip(listings, is_shown, strict=True)
    )
    return Html(
        '<div class="scroll" tabindex="0" role="region" aria-label="Models"><table>'
        '<caption><span class="count" aria-live="polite">{:,} of {:,}</span> models</caption>'
        '<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div><p class="notice no-match"{}>{}</p>'
    ).format(sum(is_shown), len(listings), titles, rows, Html(" hidden") if any(is_shown) else Html(""), NO_MATCH)


def sort_mark(key: str, sort: str) -> Html:
    """Tells screen readers the order of a column."""
    orders = {key: "ascending", f"-{key}": "descending"}
    return Html(' aria-sort="{}"').format(orders[sort]) if sort in orders else Html("")


def sort_link(key: str, words: str, sort: str) -> Html:
    """The header of a column, which sorts by it, and the other way round if it is sorted by already."""
    first, second = (f"-{key}", key) if key in HIGHEST_FIRST else (key, f"-{key}")
    mark = {key: " ↑", f"-{key}": " ↓"}.get(sort, "")
    link = link_to_catalogue(q=words, sort=second if sort == first else first)
    return markup.anchor(link, HEADERS[key]) + mark


def listing_cells(listing: AtlasListing) -> tuple[Html | str, ...]:
    dataset = markup.anchor(dataset_address(listing.dataset), listing.dataset) if listing.dataset else Html("–")
    return (
        markup.anchor(link_to_model(listing.name), listing.name),
        listing.reading,
        f"{listing.layers:,}",
        f"{listing.heads:,}",
        f"{listing.relations:,} of {listing.scored:,}",
        "none described" if listing.described is None else f"{100 * listing.described:.0f} %",
        f"{listing.size / 1e6:.1f} MB",
        listing.day,
        dataset,
    )


def too_many_notice(count: int) -> Html:
    if count <= MAX_ROWS:
        return Html("")
    return markup.notice(f"The first {MAX_ROWS:,} are shown. Filter by a word of the name to see others.")
