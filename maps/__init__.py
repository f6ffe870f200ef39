"""MAPS: find out what an attention head does from its weights alone.

    import maps

    model = maps.load("smollm2")
    maps.salient_mappings(model, "L26H2")

Importing is cheap: torch and pyarrow are imported by the first call that needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maps.api import (
    calibrate,
    describe,
    load,
    load_atlas,
    map,
    probe,
    push,
    relation_scores,
    salient_mappings,
    score,
    show,
)
from maps.errors import MapsError
from maps.types import Description, HeadId, Mapping, Relation, RelationScore

if TYPE_CHECKING:
    from maps.atlas.reader import Atlas
    from maps.mapping.model import Model

__all__ = [
    "Atlas",
    "Description",
    "HeadId",
    "Mapping",
    "MapsError",
    "Model",
    "Relation",
    "RelationScore",
    "calibrate",
    "describe",
    "load",
    "load_atlas",
    "map",
    "probe",
    "push",
    "relation_scores",
    "salient_mappings",
    "score",
    "show",
]


def __getattr__(name: str) -> Any:
    # Atlas and Model are imported when they are first used, because their modules are heavy.
    if name == "Atlas":
        from maps.atlas.reader import Atlas

        return Atlas
    if name == "Model":
        from maps.mapping.model import Model

        return Model
    raise AttributeError(f"module 'maps' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
