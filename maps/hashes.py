"""What identifies a head's mappings and a model, so that what was made of others is recognised. Imports no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Dictionary
from typing import Any

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


def is_same_model(one: Dictionary[str, Any], other: Dictionary[str, Any]) -> bool:
    """Whether the `revision` and `weights` of two models, as in `atlas.json`, are of the same one.

    The hash of the weights tells if both are known. Of a model on the Hub only the needed tensors are fetched, so its
    weights are unknown; its revision is a commit.
    """
    if one.get("weights") is None or other.get("weights") is None:
        return bool(one["revision"] == other["revision"])
    return bool(one["weights"] == other["weights"])
