"""Which atlases are null: made of mappings in which there is no pattern (`maps.scoring.null_atlas`)."""

from __future__ import annotations

from maps.atlas.reader import Atlas
from maps.errors import MapsError

RANDOM, SHUFFLED = "random", "shuffled"  # mappings of random heads; sources of real heads with targets of others
NULL_KINDS = (RANDOM, SHUFFLED)


def is_null(atlas: Atlas) -> bool:
    return "null" in atlas.info


def null_kind(atlas: Atlas) -> str:
    """`random` or `shuffled`; raises MapsError for an atlas that is not null."""
    null = atlas.info.get("null")
    if not isinstance(null, dict) or null.get("kind") not in NULL_KINDS:
        raise MapsError(f"{atlas.folder} is not a null atlas; make one with `python -m maps null`.")
    return str(null["kind"])


def null_model(atlas: Atlas) -> str:
    """The model of the atlas that a null atlas was made from."""
    return str(atlas.info["null"]["of"])
