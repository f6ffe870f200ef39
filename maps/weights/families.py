"""The families that MAPS can read, by the name that checkpoints give them."""

from __future__ import annotations

from maps.types import MapsError
from maps.weights.checkpoint import Family
from maps.weights.llama import LLAMA

FAMILIES = {family.name: family for family in (LLAMA,)}


def family_named(name: str, model: str) -> Family:
    """The family of that name; raises MapsError naming those supported."""
    if name not in FAMILIES:
        raise MapsError(f"{model} is of the family {name}; the supported families are {', '.join(sorted(FAMILIES))}.")
    return FAMILIES[name]
