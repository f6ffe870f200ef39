"""Reads the query in a page's address."""

from __future__ import annotations

from collections.abc import Mapping

from maps.analysis.classification import SCORE, SUPPRESSION
from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.types import HeadId
from space.components.links import head_in_query
from space.services import Services


def requested_head(services: Services, query: Mapping[str, str]) -> tuple[Atlas, HeadId]:
    """The head in an address and its atlas (the first one if no model is named); raises MapsError if there is none."""
    atlas = services.atlas(query.get("model") or services.default_model())
    head = head_in_query(query)
    if head is None:
        raise MapsError("The address names no head; it should end like ?model=…&layer=26&head=2.")
    if head not in atlas.head_ids:
        raise MapsError(missing_head_sentence(atlas, head))
    return atlas, head


def missing_head_sentence(atlas: Atlas, head: HeadId) -> str:
    """That a model has no such head, and which heads it has."""
    last_layer, last_head = atlas.info["layers"] - 1, atlas.info["heads"] - 1
    return f"{atlas.model} has no head {head}: layers run from 0 to {last_layer}, heads from 0 to {last_head}."


SIDE_LABELS = {SCORE: "promotes the targets", SUPPRESSION: "suppresses the targets"}


def threshold_in_query(query: Mapping[str, str], atlas: Atlas) -> float:
    """The threshold τ in the address, or the atlas's own; raises MapsError if it is not above 0 and at most 1."""
    text = query.get("tau")
    if not text:
        return float(atlas.info["settings"]["tau"])
    try:
        tau = float(text)
    except ValueError:
        tau = float("nan")
    if not 0 < tau <= 1:
        raise MapsError("The threshold in the address must be a number above 0 and at most 1.")
    return tau
