"""Which descriptions of two models or describers stand beside each other."""

from __future__ import annotations

from typing import NamedTuple

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.types import HeadId
from space.atlases import cache


class DescriberAgreement(NamedTuple):
    """How far two describers agree whether there is a pattern: on `agreed` of the `heads` that both described.

    `differing_heads` are the heads on which they do not, with what each says.
    """

    describer: str
    against: str
    heads: int
    agreed: int
    differing_heads: list[tuple[HeadId, str, str]]


def compare_describers(atlas: Atlas, describer: str = "", against: str = "") -> DescriberAgreement | None:
    """Two describers of a model, its first two where none are named; None where it has no two.

    Raises MapsError for a name that described nothing.
    """
    said = cache.descriptions_by_describer(atlas)
    names = sorted(said)
    for name in filter(None, (describer, against)):
        if name not in said:
            raise MapsError(f"Nobody called {name!r} described {atlas.model}; there are {', '.join(names) or 'none'}.")
    if len(names) < 2:
        return None
    one = describer or next(name for name in names if name != against)
    other = against or next(name for name in names if name != one)
    both = said[one].keys() & said[other].keys()
    differ = [
        (head, said[one][head][1], said[other][head][1])
        for head in sorted(both)
        if said[one][head][0] != said[other][head][0]
    ]
    return DescriberAgreement(one, other, len(both), len(both) - len(differ), differ)
