"""What a search found, as values: a page of each kind with the count of all before the cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from maps.errors import MapsError
from maps.text import pluralize
from maps.types import HeadId
from space.search.query import Query

Item = TypeVar("Item")
RESULT_KINDS = {  # in the order of the sections
    "relations": "relations",
    "descriptions": "descriptions of heads",
    "sources": "heads that act on the token",
    "targets": "heads that promote the token",
    "tokens": "similar tokens",
}
PAGE_SIZE, OVERVIEW_SIZE = 50, 10  # entries of a section, where it is looked at alone and beside the others


@dataclass(frozen=True)
class PageSlice:
    """Which entries of a section are shown: `size` of them from `start` on."""

    page: int
    size: int

    @property
    def start(self) -> int:
        """The place of the first, from 0."""
        return (self.page - 1) * self.size

    @property
    def as_slice(self) -> slice:
        """Their places."""
        return slice(self.start, self.start + self.size)


@dataclass(frozen=True)
class ResultSection(Generic[Item]):
    """A page of what was found, with how many there are in all."""

    items: tuple[Item, ...]
    total: int
    page_slice: PageSlice

    @classmethod
    def build(cls, items: Sequence[Item], total: int, page_slice: PageSlice) -> ResultSection[Item]:
        """The page; raises MapsError where there are fewer pages."""
        pages = max(1, -(-total // page_slice.size))
        if page_slice.page > pages:
            raise MapsError(f"There is no page {page_slice.page:,} of this search; it has {pluralize(pages, 'page')}.")
        return cls(tuple(items), total, page_slice)

    @property
    def count_text(self) -> str:
        """What is shown of how many: `first 50 of 312`, `51 to 100 of 312`, or all, `7`."""
        if len(self.items) == self.total:
            return f"{self.total:,}"
        last = self.page_slice.start + len(self.items)
        if self.page_slice.page == 1:
            return f"first {last:,} of {self.total:,}"
        return f"{self.page_slice.start + 1:,} to {last:,} of {self.total:,}"


@dataclass(frozen=True)
class DescriptionHit:
    """A head by its description; `where` it has the words: `observed pattern`, `input strings` or both."""

    model: str
    head: HeadId
    describer: str
    observed_pattern: str
    input_strings: str
    where: tuple[str, ...]


@dataclass(frozen=True)
class MappingHit:
    """A mapping with the token; `place` counts the targets from 1, and is 0 where the token is the source."""

    rank: int
    source: str
    target: str
    place: int


@dataclass(frozen=True)
class HeadHit:
    """A head with the token in its mappings: the best of them, and how many there are."""

    model: str
    head: HeadId
    hits: tuple[MappingHit, ...]
    mappings: int


@dataclass(frozen=True)
class TokenHit:
    """A token: its id in each model, and how many heads have it as a source, and among their targets."""

    string: str
    errors: int  # typing errors away from the search
    ids: Mapping[str, int]
    sources: int
    targets: int


@dataclass(frozen=True)
class RelationHit:
    """A relation by its name, with the models whose heads were scored on it."""

    name: str
    models: tuple[str, ...]


@dataclass(frozen=True)
class SearchResults:
    """All that a search found.

    `matching_tokens` are those that the sections of heads are about, as typed or of other case or space; where none is, the
    nearest, and `has_exact_tokens` is False. `highlighted_words` are those to be marked in descriptions; `has_every_word` says whether the
    descriptions have all words of the search, and is False where none has and those with most are shown.
    """

    query: Query
    kind: str
    relations: ResultSection[RelationHit]
    descriptions: ResultSection[DescriptionHit]
    highlighted_words: frozenset[str]
    has_every_word: bool
    matching_tokens: tuple[TokenHit, ...]
    has_exact_tokens: bool
    sources: ResultSection[HeadHit]
    targets: ResultSection[HeadHit]
    alike: ResultSection[TokenHit]

    @property
    def total(self) -> int:
        """How much was found in all sections."""
        sections = (self.relations, self.descriptions, self.sources, self.targets, self.alike)
        return sum(section.total for section in sections)
