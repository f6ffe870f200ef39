"""The describers that the project itself brings, and whose description of a head is shown first."""

from __future__ import annotations

OFFLINE, REFERENCE = "offline", "reference"
RESERVED_NAMES = (OFFLINE, REFERENCE)  # nobody else's descriptions have these names


def trust_order(describer: str, first: str = "") -> int:
    """Whose description of a head is shown first, the lower: the reference, a language model's, the rules'.

    `first`: a describer that comes before all others.
    """
    if describer == first:
        return -1
    return {REFERENCE: 0, OFFLINE: 2}.get(describer, 1)
