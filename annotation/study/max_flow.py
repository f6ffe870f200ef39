"""How many open slots of a study a group of people can still fill, if they share the items in the best way.

A slot is one judgment that an item still needs. Near the end of a study, giving everybody the next item in the order
(greedy assignment) can leave slots that nobody may fill any more. Example: items a and b have one open slot each, and
Ann and Ben each have time for one more item. Ann may take either. Ben has judged b, so he can only take a. Greedy
assignment gives a to Ann because it comes first. Then Ben can take neither item, and b stays one judgment short. So
before an item is given away, this module counts what can be filled afterwards: if Ann takes a, 1 slot in total; if she
takes b, 2. Ann gets b. The count is a maximum flow from people to slots. Here it is exact, found by augmenting paths:
each slot goes to somebody with time left, or to somebody who can hand one of their items on to another person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass


@dataclass(frozen=True)
class AnnotatorCapacity:
    """A person who can take `quota` more items (None: any number), but only these `items`."""

    quota: int | None
    items: Set[str]


def max_fillable_slots(open_slots: Mapping[str, int], capacities: Sequence[AnnotatorCapacity]) -> int:
    """The largest number of slots that these people can fill, nobody the same item twice.

    `open_slots` holds, for each item key, how many different people the item still needs.
    """
    return _SlotAssignment(open_slots, capacities).fill_slots()


def max_fillable_slots_after_taking(
    open_slots: Mapping[str, int], capacities: Sequence[AnnotatorCapacity], item_key: str
) -> int:
    """The same number, this slot included, if the first person takes `item_key`, which must be open to them."""
    first = capacities[0]
    quota = None if first.quota is None else first.quota - 1
    slots_left = {**open_slots, item_key: open_slots[item_key] - 1}
    return 1 + max_fillable_slots(slots_left, [AnnotatorCapacity(quota, first.items - {item_key}), *capacities[1:]])


class _SlotAssignment:
    """Which person takes which items so far; people are numbered in the order of `capacities`."""

    def __init__(self, open_slots: Mapping[str, int], capacities: Sequence[AnnotatorCapacity]) -> None:
        self._open_slots = open_slots
        self._takers = {key: [n for n, one in enumerate(capacities) if key in one.items] for key in open_slots}
        self._quotas = [len(one.items) if one.quota is None else one.quota for one in capacities]
        self._taken_keys: list[set[str]] = [set() for _ in capacities]

    def fill_slots(self) -> int:
        """Fills slot after slot. A slot that no rearrangement can fill now cannot be filled later either."""
        return sum(self._assign_slot(key, set()) for key, count in self._open_slots.items() for _ in range(count))

    def _assign_slot(self, item_key: str, visited_people: set[int]) -> bool:
        """Gives the item to one more person, who may first have to hand another item on; False if nobody can."""
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
