"""What the catalogue says about an atlas: from `atlas.json` and the sizes of its files, and two counts that are kept.

The counts read a few columns of two tables, once until those change, so a list of dozens of atlases costs little.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from maps.analysis.classification import classify
from maps.atlas.reader import Atlas, list_atlas_files
from maps.atlas.readings import reading_label
from maps.errors import MapsError
from space.atlases import cache

COUNTED_TABLES = ("relations", "descriptions")
MAX_COUNTS = 2_000  # kept; a few numbers each


class AtlasListing(NamedTuple):
    """One row of the catalogue. `name` is what the app calls the atlas, `model` its model without the reading.

    `relations`: how many of the `scored` relations at least one head implements or suppresses. `described`: the share
    of the heads in which a describer sees a pattern, None if none was described. `size` is in bytes, `day` such as
    `2026-11-24`, and `dataset` the Hub dataset that the atlas was read from, else empty.
    """

    name: str
    reading: str
    layers: int
    heads: int
    relations: int
    scored: int
    described: float | None
    size: int
    day: str
    dataset: str

    @property
    def searched_text(self) -> str:
        return " ".join((self.name, self.reading, self.day, self.dataset)).lower()

    def has_words(self, words: str) -> bool:
        """Whether the row contains every word."""
        return all(word in self.searched_text for word in words.lower().split())


SORT_KEYS = ("name", "reading", "layers", "heads", "relations", "described", "size", "day", "dataset")


def list_atlas(atlas: Atlas, dataset: str = "") -> AtlasListing:
    settings = atlas.info["settings"]
    times = cache.table_times(atlas, COUNTED_TABLES)
    relations, described = _counts(atlas.folder, times, float(settings["tau"]), settings["min_pairs"])
    files = [*list_atlas_files(atlas.folder), "atlas.json"]
    return AtlasListing(
        atlas.model,
        reading_label(atlas.reading),
        len(atlas.sizes.layers),
        atlas.info["heads"],
        relations,
        len(settings["relations"]),
        described,
        sum((atlas.folder / name).stat().st_size for name in files),
        atlas.info["created_at"][:10],
        dataset,
    )


@lru_cache(maxsize=MAX_COUNTS)
def _counts(folder: Path, times: Sequence[int], tau: float, min_pairs: int) -> tuple[int, float | None]:  # noqa: ARG001 - part of the key
    """The number of relations that a head implements or suppresses, and the share of heads with a described pattern."""
    atlas = Atlas.open(folder)
    classified = classify(atlas.table("relations"), tau, min_pairs)
    found = {relation.relation for relations in classified.values() for relation in relations}
    rows = atlas.description_table(["pattern"])
    if not len(rows):
        return len(found), None
    with_pattern = rows.filter(rows["pattern"]).select(["layer", "head"])
    return len(found), len(with_pattern.group_by(["layer", "head"]).aggregate([])) / atlas.sizes.mapped_heads


def sort_listings(listings: Iterable[AtlasListing], order: str) -> list[AtlasListing]:
    """The listings in the order of one of SORT_KEYS, with `-` before it the highest first; as they are without one.

    Those without a value come last; of equal ones the order is kept. Raises MapsError for an unknown order.
    """
    key = order.removeprefix("-")
    if not key:
        return list(listings)
    if key not in SORT_KEYS:
        raise MapsError(f"The order in the address must be one of {', '.join(SORT_KEYS)}.")
    known: list[AtlasListing] = []
    unknown: list[AtlasListing] = []
    for each in listings:
        (unknown if getattr(each, key) in (None, "") else known).append(each)
    return sorted(known, key=lambda each: sort_value(each, key), reverse=order.startswith("-")) + unknown


def sort_value(listing: AtlasListing, key: str) -> str | float:
    value: str | float = getattr(listing, key)
    return value.casefold() if isinstance(value, str) else value
