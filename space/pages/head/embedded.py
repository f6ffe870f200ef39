"""A head for a frame on another site: what it does and its first mappings, with a link to its page."""

from __future__ import annotations

from collections.abc import Mapping

from space.atlases.head_rows import HeadRows
from space.atlases.hidden import hidden_heads
from space.components.links import link_to_head
from space.components.markup import Html, anchor, mapping_list
from space.pages.head.descriptions import headline_block
from space.services import Services
from space.studies.headlines import head_headlines
from space.web.addresses import requested_head
from space.web.page import PageContent
from space.web.sessions import Annotator

MAPPINGS_SHOWN = 5


def build_content(services: Services, query: Mapping[str, str], annotator: Annotator | None = None) -> PageContent:  # noqa: ARG001
    """The content for an address such as that of the head's page; raises MapsError if it leads nowhere."""
    atlas, head = requested_head(services, query)
    rows, headline = HeadRows.read(atlas, head), head_headlines(services, atlas)[head]
    html = Html("<h1>{} <small>of {}</small></h1>{}{}<p>{}</p>").format(
        head,
        atlas.model,
        headline_block(headline, rows, head in hidden_heads(atlas)),
        mapping_list(rows.mappings[:MAPPINGS_SHOWN]),
        anchor(link_to_head(atlas.model, head), "All about this head"),
    )
    return PageContent(f"{head} of {atlas.model}", headline.plain_text, html)
