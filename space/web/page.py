"""The content of an explorer page, made by the page's module from the query in its address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from maps.errors import MapsError
from maps.text import escape_controls
from space.components.markup import Html, anchor, join_html, notice
from space.services import Services
from space.web.sessions import Annotator

MAX_ADDRESS_LENGTH = 16_384  # characters
MAX_FIGURES = 5  # on one page


@dataclass(frozen=True)
class PageContent:
    """The content of a page; `summary` is one sentence for link previews."""

    title: str
    summary: str
    html: Html
    figure_makers: tuple[Callable[[], Any], ...] = ()  # each makes an altair chart, when it is needed
    image_address: str = ""  # the address of the preview image
    is_unfinished: bool = False  # whether the module's `finish` computes the rest
    is_personal: bool = False  # whether somebody who is signed in may see more
    exists: bool = True


class ExplorerPage(Protocol):
    """A page's module."""

    def build_content(
        self, services: Services, query: Mapping[str, str], annotator: Annotator | None = None
    ) -> PageContent:
        """The content for a query; raises MapsError if the address leads nowhere."""


@dataclass(frozen=True)
class PageAddress:
    """A page's name (empty for the home page) and its query; of a name that occurs twice, the last value counts."""

    page_name: str
    query: Mapping[str, str]

    @classmethod
    def parse(cls, address: str) -> PageAddress:
        """Splits an address such as `head?model=…&layer=26&head=2`; raises MapsError if it is too long or malformed."""
        if len(address) > MAX_ADDRESS_LENGTH:
            raise MapsError(f"The address has {len(address):,} characters; the limit is {MAX_ADDRESS_LENGTH:,}.")
        try:
            parts = urlsplit(address)
        except ValueError as error:
            raise MapsError(f"This is not a valid address ({error}).") from error
        return cls(parts.path.strip("./"), dict(parse_qsl(parts.query, keep_blank_values=True)))


def open_page(
    services: Services, page: ExplorerPage, query: Mapping[str, str], annotator: Annotator | None = None
) -> PageContent:
    """The content of a page; if the address leads nowhere, an explanation with a link back."""
    try:
        return page.build_content(services, query, annotator)
    except MapsError as error:
        return missing_page(str(error))


def missing_page(reason: str) -> PageContent:
    html = Html("<h1>Nothing here</h1>{}<p>{}</p>").format(notice(reason, "problem"), anchor("./", "Back to all heads"))
    return PageContent("Nothing here", reason, html, exists=False)


def article_html(content: PageContent, page_name: str, turn: str = "") -> Html:
    """The content as one element, with data attributes for `explorer.js`.

    `turn` is the number of the script's request; the script uses only the answer to its latest request.
    """
    marks = {"turn": turn, "title": escape_controls(content.title), "figures": str(len(content.figure_makers))}
    marks |= {"unfinished": "yes"} if content.is_unfinished else {}
    marks |= {"personal": "yes"} if content.is_personal else {}
    attributes = join_html(Html(' data-{}="{}"').format(name, value) for name, value in marks.items())
    return Html('<article class="look" id="{}-page"{}>{}</article>').format(
        page_name or "explore", attributes, content.html
    )
