"""The hash that identifies a head's mappings, so that a description of other mappings is recognised as stale."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from maps.types import Mapping


def mapping_hash(mappings: Sequence[Mapping]) -> str:
    """SHA-256, in hexadecimal, of the source and target ids in their order, without scores or strings.

    The hashed text is ASCII such as `12:1,2,3;7:4,5,6`: source 12 with targets 1, 2, 3, then source 7.
    """
    return mapping_ids_hash((m.source_id, m.target_ids) for m in mappings)


def mapping_ids_hash(mappings: Iterable[tuple[int, Sequence[int]]]) -> str:
    """`mapping_hash` from source ids and their target ids."""
    parts = (f"{source}:{','.join(map(str, targets))}" for source, targets in mappings)
    return hashlib.sha256(";".join(parts).encode("ascii")).hexdigest()
