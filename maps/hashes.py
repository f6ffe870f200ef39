"""Hashes that name mappings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from maps.types import Mapping


def mapping_hash(mappings: Sequence[Mapping]) -> str:
    """SHA-256, in hexadecimal, of the ordered source and target ids, without scores or strings.

    The bytes are ASCII: for each mapping in the order given its source id, a colon and its target ids
    separated by commas, and the mappings separated by semicolons, as in `12:1,2,3;7:4,5,6`.
    """
    return mapping_ids_hash((m.source_id, m.target_ids) for m in mappings)


def mapping_ids_hash(mappings: Iterable[tuple[int, Sequence[int]]]) -> str:
    """The same of the source and target ids alone."""
    parts = (f"{source}:{','.join(map(str, targets))}" for source, targets in mappings)
    return hashlib.sha256(";".join(parts).encode("ascii")).hexdigest()
