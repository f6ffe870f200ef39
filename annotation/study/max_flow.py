"""How many places of items a group of people can still fill, nobody the same item twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass


@dataclass(frozen=True)
class AnnotatorCapacity:
    """Someone who can take `quota` more items (None: any number), out of these."""

    quota: int | None
    items: Set[str]


def max_fillable_slots(open_slots: Mapping[str, int], capacities: Sequence[AnnotatorCapacity]) -> int:
    """The largest number of places that can be filled at once: a maximum flow by augmenting paths, exact.

    `open_slots` holds how many different people an item still wants.
    """
    return _SlotAssignment(open_slots, capacities).fill_slots()


def max_fillable_slots_after_taking(
    open_slots: Mapping[str, int], capacities: Sequence[AnnotatorCapacity], item_key: str
) -> int:
    """The same where the first of the people takes `item_key`, one place of which must be open to them."""
    first = capacities[0]
    quota = None if first.quota is None else first.quota - 1
    left = {**open_slots, item_key: open_slots[item_key] - 1}
    return 1 + max_fillable_slots(left, [AnnotatorCapacity(quota, first.items - {item_key}), *capacities[1:]])


class _SlotAssignment:
    """Who takes which item so far."""

    def __init__(self, open_slots: Mapping[str, int], capacities: Sequence[AnnotatorCapacity]) -> None:
        self._open_slots = open_slots
        self._takers = {key: [n for n, one in enumerate(capacities) if key in one.items] for key in open_slots}
        self._quotas = [len(one.items) if one.quota is None else one.quota for one in capacities]
        self._taken_keys: list[set[str]] = [set() for _ in capacities]

    def fill_slots(self) -> int:
        """Fills place after place; one that no rearrangement can fill stays open for good."""
        return sum(self._assign_slot(key, set()) for key, wanted in self._open_slots.items() for _ in range(wanted))

    def _assign_slot(self, item_key: str, visited_people: set[int]) -> bool:
        """Whether one more person takes the item, where need be after handing another item on."""
        for person in self._takers[item_key]:
            if person in visited_people or item_key in self._taken_keys[person]:
                continue
            visited_people.add(person)
            if len(self._taken_keys[person]) < self._quotas[person] or self._hand_on_item(person, visited_people):
                self._taken_keys[person].add(item_key)
                return True
        return False

    def _hand_on_item(self, person: int, visited_people: set[int]) -> bool:
        for key in sorted(self._taken_keys[person]):
            if self._assign_slot(key, visited_people):
                self._taken_keys[person].discard(key)
                return True
        return False
