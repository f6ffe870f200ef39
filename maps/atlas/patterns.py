"""The table `patterns`: descriptions of single operations, groups of a head's mappings with targets in common."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import pyarrow as pa

from maps.atlas.reader import Atlas, newest_rows
from maps.atlas.schema import Row, head_of
from maps.hashes import mapping_hash
from maps.types import HeadId, Mapping

OPERATION_FAILURE = re.compile(r"Operation [0-9]+: ")


def current_patterns(atlas: Atlas, head: HeadId | None = None, mappings: Sequence[Mapping] = ()) -> list[Row]:
    """The newest row of each head, describer and operation, in this order, if its mappings are still the head's.

    `mappings`: those of the head, if they are at hand.
    """
    rows = atlas.table("patterns", head=head).sort_by("created_at").to_pylist()
    if not rows:
        return []
    every = atlas.mappings_by_head() if head is None else {head: mappings or atlas.mappings(head)}
    newest = {(row["layer"], row["head"], row["describer"], row["operation"]): row for row in rows}
    return [row for _, row in sorted(newest.items()) if operation_mappings(row, every.get(head_of(row), ()))]


def pattern_table(atlas: Atlas, columns: Sequence[str]) -> pa.Table:
    """The newest row of each head, describer and operation, whether its mappings have changed or not.

    `columns` come in addition to layer, head, describer and operation.
    """
    key = ["layer", "head", "describer", "operation"]
    return newest_rows(atlas.table("patterns", [*key, *columns, "created_at"]), key)


def operation_mappings(row: Row, mappings: Sequence[Mapping]) -> list[Mapping]:
    """The mappings that a row of `patterns` describes, from all of its head; empty if they have changed since."""
    sources = set(row["source_ids"])
    own = [mapping for mapping in mappings if mapping.source_id in sources]
    return own if mapping_hash(own) == row["mapping_hash"] else []


def count_operations(rows: Iterable[Row]) -> dict[HeadId, int]:
    """How many operations the rows of `patterns` describe, of each head of which they describe several."""
    numbers: dict[HeadId, set[int]] = {}
    for row in rows:
        numbers.setdefault(head_of(row), set()).add(row["operation"])
    return {head: len(own) for head, own in numbers.items() if len(own) > 1}


def operation_failure(number: int, reason: str) -> str:
    """The reason in `failures` why an operation was not described."""
    return f"Operation {number}: {reason}"


def is_operation_failure(row: Row) -> bool:
    """Whether a row of `failures` is about one operation of its head."""
    return OPERATION_FAILURE.match(row["reason"]) is not None
