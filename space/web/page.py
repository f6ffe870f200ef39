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

LONGEST_ADDRESS = 16_384  # characters
FIGURES = 5  # that a page may have at most

AT_ONCE = 4  # looks that are made at a time: more would take as long, and more memory
_making = Semaphore(AT_ONCE)


@dataclass(frozen=True)
class Look:
    """What an address shows: title, one sentence for link previews, HTML, and figures made when asked for."""

    title: str
    summary: str
    html: str
    figures: tuple[Callable[[], Any], ...] = ()  # each makes an altair chart
    image: str = ""  # the address of the preview image
    unfinished: bool = False  # whether `finish` of the page's module computes more
    personal: bool = False  # whether it may show more to somebody who signed in
    found: bool = True


class Page(Protocol):
    """A page's module."""

    def look(self, services: Services, query: Mapping[str, str], who: Annotator | None = None) -> Look:
        """What the address shows; raises MapsError with one plain sentence where it leads nowhere."""


@dataclass(frozen=True)
class Place:
    """An address taken apart: the page's name (empty for the first) and its query, of each name the last value."""

    page: str
    query: Mapping[str, str]

    @classmethod
    def of(cls, address: str) -> Place:
        """The place of an address such as `head?model=…&layer=26&head=2`; raises MapsError where it is too long."""
        if len(address) > LONGEST_ADDRESS:
            raise MapsError(f"The address has {len(address):,} characters; this app reads {LONGEST_ADDRESS:,} at most.")
        try:
            parts = urlsplit(address)
        except ValueError as error:
            raise MapsError(f"This is no address of a page ({error}).") from error
        return cls(parts.path.strip("./"), dict(parse_qsl(parts.query, keep_blank_values=True)))


def looked(services: Services, page: Page, query: Mapping[str, str], who: Annotator | None = None) -> Look:
    """What a page shows; where the address leads nowhere, why, with a way back."""
    try:
        with _making:
            return page.look(services, query, who)
    except MapsError as error:
        return nowhere(str(error))


def nowhere(sentence: str) -> Look:
    """A page that says what is wrong with its address, and leads back."""
    back = f"<p>{anchor('./', 'Back to all heads')}</p>"
    return Look("Nothing here", sentence, "<h1>Nothing here</h1>" + notice(sentence, "problem") + back, found=False)


def article(look: Look, page: str, turn: str = "") -> str:
    """The look as one element, with what the script in the page needs to know of it.

    `turn` is the number that the script gave its question, so that it knows the answer to the latest.
    """
    marks = {"turn": turn, "title": look.title, "figures": str(len(look.figures))}
    marks |= {"unfinished": "yes"} if look.unfinished else {}
    marks |= {"personal": "yes"} if look.personal else {}
    given = "".join(f' data-{name}="{escape(value)}"' for name, value in marks.items())
    return f'<article class="look" id="{page or "explore"}-page"{given}>{look.html}</article>'
