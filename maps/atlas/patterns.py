"""The table `patterns`: descriptions of single operations, groups of a head's mappings with targets in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from maps.atlas.reader import Atlas
from maps.atlas.schema import Row
from maps.hashes import mapping_hash
from maps.types import HeadId, Mapping


def current_patterns(atlas: Atlas, head: HeadId | None = None) -> list[Row]:
    """The newest row of each head, describer and operation, in this order, if its mappings are still the head's."""
    rows = atlas.table("patterns", head=head).sort_by("created_at").to_pylist()
    if not rows:
        return []
    mappings = atlas.mappings_by_head() if head is None else {head: atlas.mappings(head)}
    newest = {(row["layer"], row["head"], row["describer"], row["operation"]): row for row in rows}
    return [row for _, row in sorted(newest.items()) if operation_mappings(row, mappings.get(head_of(row), ()))]


def operation_mappings(row: Row, mappings: Sequence[Mapping]) -> list[Mapping]:
    """The mappings that a row of `patterns` describes, from all of its head; empty if they have changed since."""
    sources = set(row["source_ids"])
    own = [mapping for mapping in mappings if mapping.source_id in sources]
    return own if mapping_hash(own) == row["mapping_hash"] else []


def count_operations(rows: Iterable[Row]) -> dict[HeadId, int]:
    """By head, how many operations the rows of `patterns` describe."""
    counts: dict[HeadId, int] = {}
    for row in rows:
        counts[head_of(row)] = max(counts.get(head_of(row), 0), row["operation"])
    return counts


def head_of(row: Row) -> HeadId:
    return HeadId(row["layer"], row["head"])
