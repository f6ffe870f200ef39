"""Compares the descriptions of two describers of one model."""

from __future__ import annotations

from typing import NamedTuple

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.types import HeadId
from space.atlases import cache


class DescriberAgreement(NamedTuple):
    """Two describers agree on `agreed` of the `heads` that both described whether there is a pattern.

    `differing_heads` are the heads on which they disagree, each with both descriptions.
    """

    describer: str
    against: str
    heads: int
    agreed: int
    differing_heads: list[tuple[HeadId, str, str]]


def compare_describers(atlas: Atlas, describer: str = "", against: str = "") -> DescriberAgreement | None:
    """Compares two describers of a model, by default the first two; None if it has fewer than two.

    Raises MapsError for a describer that has described nothing.
    """
    descriptions = cache.descriptions_by_describer(atlas)
    names = sorted(descriptions)
    for name in filter(None, (describer, against)):
        if name not in descriptions:
            raise MapsError(f"{atlas.model} has no describer {name!r}; it has {', '.join(names) or 'none'}.")
    if len(names) < 2:
        return None
    one = describer or next(name for name in names if name != against)
    other = against or next(name for name in names if name != one)
    heads = sorted(descriptions[one].keys() & descriptions[other].keys())
    differing = []
    for head in heads:
        first_pattern, first_text = descriptions[one][head]
        second_pattern, second_text = descriptions[other][head]
        if first_pattern != second_pattern:
            differing.append((head, first_text, second_text))
    return DescriberAgreement(one, other, len(heads), len(heads) - len(differing), differing)
