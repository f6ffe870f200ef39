"""The header of every page, in the HTML that the server sends: the site's name, its pages, search, models and links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from markupsafe import escape

from maps.errors import MapsError
from space.components.links import link_to_catalogue, link_to_model
from space.components.markup import Html, anchor, join_html
from space.search.query import MAX_QUERY_LENGTH
from space.services import Services

SITE_TITLE = "Attention heads, read from their weights"
SITE_SUMMARY = (
    "What each attention head of a language model does, worked out from its weights, described in words and judged by "
    "people. Explore the heads, ask the weights about your own words, or judge descriptions."
)
PAPER_ADDRESS = "https://arxiv.org/abs/2412.11965"
PAPER_TITLE = "Inferring Functionality of Attention Heads from their Parameters"
HUB_ADDRESS = "https://huggingface.co"
TEMPLATE = Html(
    '<header class="site-header" id="site-header"><a class="skip" href="#main">Skip to the content</a>'
    '<a class="brand" href="./"><svg viewBox="0 0 16 16" width="20" height="20" aria-hidden="true">'
    '<rect width="7" height="7" rx="1" fill="#0072b2"/><rect x="9" width="7" height="7" rx="1" fill="#e69f00"/>'
    '<rect y="9" width="7" height="7" rx="1" fill="#009e73"/><rect x="9" y="9" width="7" height="7" rx="1" '
    'fill="#cc79a7"/></svg>Attention heads</a><nav aria-label="Pages">{pages}</nav>{models}'
    '<form action="search" role="search"><input type="search" name="q" maxlength="{limit}" autocomplete="off" '
    'spellcheck="false" placeholder="Search a word, a token, L23H4" aria-label="Search the heads"></form>'
    '<p class="sources">{sources}</p></header>'
)


LISTED_MODELS = 8  # with more, the catalogue is easier to choose from


class PageText(NamedTuple):
    """The title of a page and one sentence about it, for browsers' tabs and link previews."""

    title: str
    summary: str


def header_html(services: Services, links: Mapping[str, str], path: str, model: str) -> Html:
    """The header of the page at `path`, with the model in its address; `links` are pages by label."""
    shown = {label: target for label, target in links.items() if target != "compare" or len(services.atlases) > 1}
    pages = join_html(
        anchor(target or "./", label, **({"aria-current": "page"} if target == path else {}))
        for label, target in shown.items()
    )
    pages += anchor("organise", "Organise", **{"class": "for-organisers", "hidden": ""})  # the script shows it to them
    sources = Html(" ").join(anchor(target, label) for label, target in source_links(services, model))
    models = model_picker(services, model)
    return TEMPLATE.format(pages=pages, models=models, limit=MAX_QUERY_LENGTH, sources=sources)


def model_picker(services: Services, model: str) -> Html:
    """Leads to the heads of another model; nothing where one model is shown."""
    names = list(services.atlases)
    if len(names) < 2:
        return Html("")
    options = join_html(
        Html('<option value="{}"{}>{}</option>').format(escape(name), Html(" selected") if name == model else "", name)
        for name in names
    )
    return Html(
        '<form class="model-picker" action="./" data-auto><select name="model" aria-label="Model">{}</select>'
        "<noscript><button>Show</button></noscript>{}</form>"
    ).format(options, anchor(link_to_catalogue(), "All models") if len(names) > LISTED_MODELS else Html(""))


def source_links(services: Services, model: str) -> list[tuple[str, str]]:
    """Label and address of the paper, of the code where its address is known, and of a model's data."""
    try:
        shown = services.atlas(model or services.default_model()).model
    except MapsError:
        shown = ""
    links = [("Paper", PAPER_ADDRESS)]
    if services.code_address:
        links.append(("Code", services.code_address))
    dataset = services.hub_datasets.get(shown)
    if dataset:
        links.append(("Data", f"{HUB_ADDRESS}/datasets/{dataset}"))
    elif shown:
        links.append(("Data", link_to_model(shown) + "#data"))
    return links
