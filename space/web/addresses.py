"""What the addresses of pages carry."""

from __future__ import annotations

from collections.abc import Mapping

from maps.analysis.classification import SCORE, SUPPRESSION
from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.types import HeadId
from space.components.links import head_in_query
from space.services import Services


def requested_head(services: Services, query: Mapping[str, str]) -> tuple[Atlas, HeadId]:
    """The head that an address names."""
    atlas = services.atlas(query.get("model") or next(iter(services.atlases)))
    found = head_in_query(query)
    if found is None:
        raise MapsError("The address names no head; it ends like ?model=…&layer=26&head=2.")
    if found not in atlas.head_ids:
        heads, layers = atlas.info["heads"] - 1, atlas.info["layers"] - 1
        raise MapsError(f"{atlas.model} has no head {found}: layers run from 0 to {layers}, heads from 0 to {heads}.")
    return atlas, found


SIDE_LABELS = {SCORE: "promotes the targets", SUPPRESSION: "suppresses the targets"}


def threshold_in_query(query: Mapping[str, str], atlas: Atlas) -> float:
    """The threshold τ in the address, or the atlas's own."""
    given = query.get("tau")
    if not given:
        return float(atlas.info["settings"]["tau"])
    try:
        tau = float(given)
    except ValueError:
        tau = float("nan")
    if not 0 < tau <= 1:
        raise MapsError("The threshold in the address is no number above 0 and at most 1.")
    return tau
