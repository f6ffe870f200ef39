"""How many places of items a group of people can still fill, nobody the same item twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass


@dataclass(frozen=True)
class Willing:
    """Someone who can take `quota` more items (None: any number), out of these."""

    quota: int | None
    items: Set[str]


def most(places: Mapping[str, int], people: Sequence[Willing]) -> int:
    """The largest number of places that can be filled at once: a maximum flow by augmenting paths, exact.

    `places` holds how many different people an item still wants.
    """
    return _Filling(places, people).filled()


def most_with(places: Mapping[str, int], people: Sequence[Willing], item: str) -> int:
    """The same where the first of the people takes `item`, one place of which must be open to them."""
    first = people[0]
    quota = None if first.quota is None else first.quota - 1
    left = {**places, item: places[item] - 1}
    return 1 + most(left, [Willing(quota, first.items - {item}), *people[1:]])


class _Filling:
    """Who takes which item so far."""

    def __init__(self, places: Mapping[str, int], people: Sequence[Willing]) -> None:
        self._places = places
        self._takers = {key: [n for n, one in enumerate(people) if key in one.items] for key in places}
        self._quota = [len(one.items) if one.quota is None else one.quota for one in people]
        self._taken: list[set[str]] = [set() for _ in people]

    def filled(self) -> int:
        """Fills place after place; one that no rearrangement can fill stays open for good."""
        return sum(self._placed(key, set()) for key, wanted in self._places.items() for _ in range(wanted))

    def _placed(self, key: str, asked: set[int]) -> bool:
        """Whether one more person takes the item, where need be after handing another item on."""
        for person in self._takers[key]:
            if person in asked or key in self._taken[person]:
                continue
            asked.add(person)
            if len(self._taken[person]) < self._quota[person] or self._handed_on(person, asked):
                self._taken[person].add(key)
                return True
        return False

    def _handed_on(self, person: int, asked: set[int]) -> bool:
        for key in sorted(self._taken[person]):
            if self._placed(key, asked):
                self._taken[person].discard(key)
                return True
        return False
