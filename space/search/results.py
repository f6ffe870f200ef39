"""What a search found, as values: a page of each kind with the count of all before the cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from maps.errors import MapsError
from maps.text import many
from maps.types import HeadId
from space.search.query import Query

Item = TypeVar("Item")
KINDS = {  # in the order of the sections
    "relations": "relations",
    "descriptions": "descriptions of heads",
    "sources": "heads that act on the token",
    "targets": "heads that promote the token",
    "tokens": "similar tokens",
}
PER_PAGE, AT_A_GLANCE = 50, 10  # entries of a section, where it is looked at alone and beside the others


@dataclass(frozen=True)
class Cut:
    """Which entries of a section are shown: `size` of them from `first` on."""

    page: int
    size: int

    @property
    def first(self) -> int:
        """The place of the first, from 0."""
        return (self.page - 1) * self.size

    @property
    def part(self) -> slice:
        """Their places."""
        return slice(self.first, self.first + self.size)


@dataclass(frozen=True)
class Section(Generic[Item]):
    """A page of what was found, with how many there are in all."""

    items: tuple[Item, ...]
    total: int
    cut: Cut

    @classmethod
    def of(cls, items: Sequence[Item], total: int, cut: Cut) -> Section[Item]:
        """The page; raises MapsError where there are fewer pages."""
        pages = max(1, -(-total // cut.size))
        if cut.page > pages:
            raise MapsError(f"There is no page {cut.page:,} of this search; it has {many(pages, 'page')}.")
        return cls(tuple(items), total, cut)

    @property
    def words(self) -> str:
        """What is shown of how many: `first 50 of 312`, `51 to 100 of 312`, or all, `7`."""
        if len(self.items) == self.total:
            return f"{self.total:,}"
        last = self.cut.first + len(self.items)
        if self.cut.page == 1:
            return f"first {last:,} of {self.total:,}"
        return f"{self.cut.first + 1:,} to {last:,} of {self.total:,}"


@dataclass(frozen=True)
class Said:
    """A head by its description; `where` it has the words: `observed pattern`, `input strings` or both."""

    model: str
    head: HeadId
    describer: str
    observed_pattern: str
    input_strings: str
    where: tuple[str, ...]


@dataclass(frozen=True)
class Hit:
    """A mapping with the token; `place` counts the targets from 1, and is 0 where the token is the source."""

    rank: int
    source: str
    target: str
    place: int


@dataclass(frozen=True)
class Mapped:
    """A head with the token in its mappings: the best of them, and how many there are."""

    model: str
    head: HeadId
    hits: tuple[Hit, ...]
    mappings: int


@dataclass(frozen=True)
class Token:
    """A token: its id in each model, and how many heads have it as a source, and among their targets."""

    string: str
    errors: int  # typing errors away from the search
    ids: Mapping[str, int]
    sources: int
    targets: int


@dataclass(frozen=True)
class Named:
    """A relation by its name, with the models whose heads were scored on it."""

    name: str
    models: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """All that a search found.

    `tokens` are those that the sections of heads are about, as typed or of other case or space; where none is, the
    nearest, and `typed` is False. `words` are those to be marked in descriptions; `every_word` says whether the
    descriptions have all words of the search, and is False where none has and those with most are shown.
    """

    query: Query
    kind: str
    relations: Section[Named]
    descriptions: Section[Said]
    words: frozenset[str]
    every_word: bool
    tokens: tuple[Token, ...]
    typed: bool
    sources: Section[Mapped]
    targets: Section[Mapped]
    alike: Section[Token]

    @property
    def total(self) -> int:
        """How much was found in all sections."""
        sections = (self.relations, self.descriptions, self.sources, self.targets, self.alike)
        return sum(section.total for section in sections)
