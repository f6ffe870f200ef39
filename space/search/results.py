"""The results of a search: for each kind of result one page, and the number of all results."""

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
PAGE_SIZE = 50  # results of a section that is shown alone
OVERVIEW_SIZE = 10  # results of each section when all are shown


@dataclass(frozen=True)
class PageSlice:
    """Which results of a section are shown: page number `page` (from 1), of `size` results."""

    page: int
    size: int

    @property
    def start(self) -> int:
        """The index of the first result, from 0."""
        return (self.page - 1) * self.size

    @property
    def as_slice(self) -> slice:
        return slice(self.start, self.start + self.size)


@dataclass(frozen=True)
class ResultSection(Generic[Item]):
    """A page of results, and how many there are in all."""

    items: tuple[Item, ...]
    total: int
    page_slice: PageSlice

    @classmethod
    def build(cls, items: Sequence[Item], total: int, page_slice: PageSlice) -> ResultSection[Item]:
        """Raises MapsError if there are fewer pages."""
        pages = max(1, -(-total // page_slice.size))
        if page_slice.page > pages:
            raise MapsError(f"There is no page {page_slice.page:,} of this search. It has {pluralize(pages, 'page')}.")
        return cls(tuple(items), total, page_slice)

    @property
    def count_text(self) -> str:
        """Which results are shown: `first 50 of 312`, `51 to 100 of 312`, or just `7` if these are all."""
        if len(self.items) == self.total:
            return f"{self.total:,}"
        last = self.page_slice.start + len(self.items)
        if self.page_slice.page == 1:
            return f"first {last:,} of {self.total:,}"
        return f"{self.page_slice.start + 1:,} to {last:,} of {self.total:,}"


@dataclass(frozen=True)
class DescriptionHit:
    """A head whose description matches, and `where` it does: `observed pattern`, `input strings` or both.

    `operation` is the number of the operation that is described, 0 for the whole head.
    """

    model: str
    head: HeadId
    operation: int
    describer: str
    observed_pattern: str
    input_strings: str
    where: tuple[str, ...]


@dataclass(frozen=True)
class MappingHit:
    """A mapping that contains the token: as its source (`place` is 0), or as its target number `place`."""

    rank: int
    source: str
    target: str
    place: int


@dataclass(frozen=True)
class HeadHit:
    """A head with the token in its mappings: the best of these mappings, and their number."""

    model: str
    head: HeadId
    hits: tuple[MappingHit, ...]
    mappings: int


@dataclass(frozen=True)
class TokenHit:
    """A token: its id by model, and how many heads have it among their sources and among their targets."""

    string: str
    errors: int  # typing errors between the search and the token
    ids: Mapping[str, int]
    sources: int
    targets: int


@dataclass(frozen=True)
class PairHit:
    """A pair of a relation with a word of the search; strings as in the atlas."""

    source: str
    target: str


@dataclass(frozen=True)
class BestHead:
    """The head of a model with the highest score on a relation: it hits `hits` of `pairs` pairs."""

    model: str
    head: HeadId
    hits: int
    pairs: int


@dataclass(frozen=True)
class RelationHit:
    """A relation, the models whose heads were scored on it, and the best head of each model in which one has a hit.

    `pairs` are some of its `pair_count` pairs that contain words of the search, those with the most words first.
    """

    name: str
    models: tuple[str, ...]
    best_heads: tuple[BestHead, ...]
    pairs: tuple[PairHit, ...]
    pair_count: int


@dataclass(frozen=True)
class NamedHeadHit:
    """A head whose name the search contains."""

    model: str
    head: HeadId


@dataclass(frozen=True)
class SearchResults:
    """Everything that a search found.

    `named_heads` are the heads whose names it contains, `missing_heads` those that no searched model has. `relations`
    contain all words of the search, in their names or pairs, or else the most (`has_every_word_of_relation`).
    `sources` and `targets` are heads with one of the `matching_tokens`: the tokens that equal the search apart from
    case and surrounding space or, if there are none (`has_exact_tokens` is False), the nearest ones. `alike` are the
    other tokens near the search. `highlighted_words` are to be marked in descriptions. `has_every_word`: the
    descriptions contain all words of the search but stop words; otherwise none does, and those with the most words are
    shown.
    """

    query: Query
    kind: str
    named_heads: ResultSection[NamedHeadHit]
    missing_heads: tuple[HeadId, ...]
    relations: ResultSection[RelationHit]
    has_every_word_of_relation: bool
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
        found = (self.named_heads.total, self.relations.total, self.descriptions.total)
        return sum(found) + self.sources.total + self.targets.total + self.alike.total
