"""The items of the default study: which heads of an atlas are judged, with which description, in which order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from annotation.assignment import study_order
from annotation.types import Item
from maps.atlas import Atlas
from maps.describers import OFFLINE
from maps.prompts import mapping_hash
from maps.tables import Row
from maps.types import HeadId

DEFAULT = "default"
SEED = 0


@dataclass(frozen=True)
class Study:
    """One atlas's heads with one describer's descriptions, in everybody's order."""

    name: str
    atlas: Atlas
    describer: str
    order: tuple[Item, ...]
    descriptions: dict[str, Row]

    @cached_property
    def by_key(self) -> dict[str, Item]:
        """The items by their key."""
        return {item.key: item for item in self.order}

    @cached_property
    def by_head(self) -> dict[HeadId, Item]:
        """The items by head."""
        return {HeadId(item.layer, item.head): item for item in self.order}

    def description(self, item: Item) -> Row:
        """The description that an item shows."""
        return self.descriptions[item.description_id]


def default_study(atlas: Atlas) -> Study:
    """Every described head of an atlas. The describer is the one that described most heads, the offline one last.

    A description of other mappings than the atlas's present ones is no item.
    """
    rows = atlas.descriptions()
    counts = Counter(row["describer"] for row in rows)
    describer = max(counts, key=lambda name: (name != OFFLINE, counts[name], name), default="")
    chosen = [row for row in rows if row["describer"] == describer]
    hashes = {head: mapping_hash(mappings) for head, mappings in atlas.every_mapping().items()}
    items, descriptions = [], {}
    for row in chosen:
        head = HeadId(row["layer"], row["head"])
        if row["mapping_hash"] == hashes[head]:
            item = Item(DEFAULT, atlas.model, *head, "head", row["mapping_hash"], row["description_id"])
            items.append(item)
            descriptions[row["description_id"]] = row
    return Study(DEFAULT, atlas, describer, tuple(study_order(items, SEED)), descriptions)
