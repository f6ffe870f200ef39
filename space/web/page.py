"""What an address of the explorer shows: a page's module makes one from the services and the address's query."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from threading import Semaphore
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from maps.errors import MapsError
from space.components.markup import anchor, notice
from space.services import Services
from space.web.sessions import Annotator

MAX_ADDRESS_LENGTH = 16_384  # characters
MAX_FIGURES = 5  # that a page may have at most

CONCURRENT_PAGES = 4  # looks that are made at a time: more would take as long, and more memory
_page_semaphore = Semaphore(CONCURRENT_PAGES)


@dataclass(frozen=True)
class PageContent:
    """What an address shows: title, one sentence for link previews, HTML, and figures made when asked for."""

    title: str
    summary: str
    html: str
    figure_makers: tuple[Callable[[], Any], ...] = ()  # each makes an altair chart
    image_address: str = ""  # the address of the preview image
    is_unfinished: bool = False  # whether `finish` of the page's module computes more
    is_personal: bool = False  # whether it may show more to somebody who signed in
    exists: bool = True


class ExplorerPage(Protocol):
    """A page's module."""

    def build_content(
        self, services: Services, query: Mapping[str, str], annotator: Annotator | None = None
    ) -> PageContent:
        """What the address shows; raises MapsError with one plain sentence where it leads nowhere."""


@dataclass(frozen=True)
class PageAddress:
    """An address taken apart: the page's name (empty for the first) and its query, of each name the last value."""

    page_name: str
    query: Mapping[str, str]

    @classmethod
    def parse(cls, address: str) -> PageAddress:
        """The place of an address such as `head?model=…&layer=26&head=2`; raises MapsError where it is too long."""
        if len(address) > MAX_ADDRESS_LENGTH:
            raise MapsError(
                f"The address has {len(address):,} characters; this app reads {MAX_ADDRESS_LENGTH:,} at most."
            )
        try:
            parts = urlsplit(address)
        except ValueError as error:
            raise MapsError(f"This is no address of a page ({error}).") from error
        return cls(parts.path.strip("./"), dict(parse_qsl(parts.query, keep_blank_values=True)))


def open_page(
    services: Services, page: ExplorerPage, query: Mapping[str, str], annotator: Annotator | None = None
) -> PageContent:
    """What a page shows; where the address leads nowhere, why, with a way back."""
    try:
        with _page_semaphore:
            return page.build_content(services, query, annotator)
    except MapsError as error:
        return missing_page(str(error))


def missing_page(reason: str) -> PageContent:
    """A page that says what is wrong with its address, and leads back."""
    back = f"<p>{anchor('./', 'Back to all heads')}</p>"
    return PageContent("Nothing here", reason, "<h1>Nothing here</h1>" + notice(reason, "problem") + back, exists=False)


def article_html(content: PageContent, page_name: str, turn: str = "") -> str:
    """The look as one element, with what the script in the page needs to know of it.

    `turn` is the number that the script gave its question, so that it knows the answer to the latest.
    """
    marks = {"turn": turn, "title": content.title, "figures": str(len(content.figure_makers))}
    marks |= {"unfinished": "yes"} if content.is_unfinished else {}
    marks |= {"personal": "yes"} if content.is_personal else {}
    given = "".join(f' data-{name}="{escape(value)}"' for name, value in marks.items())
    return f'<article class="look" id="{page_name or "explore"}-page"{given}>{content.html}</article>'
