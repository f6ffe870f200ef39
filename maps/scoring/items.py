"""The items of a detection question: held-out mappings of a head among held-out mappings of its layer's other heads."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from maps.types import HeadId
from maps.types import Mapping as HeadMapping

ITEMS_PER_KIND = 10  # items of the head, and as many of other heads

HeldOutMappings = Mapping[HeadId, Sequence[HeadMapping]]


class DetectionItem(NamedTuple):
    """A mapping, and the head that it is of."""

    mapping: HeadMapping
    head: HeadId


def draw_items(head: HeadId, held_out: HeldOutMappings, seed: int) -> list[DetectionItem]:
    """Ten held-out mappings of a head and ten of its layer's other heads, shuffled; fewer where there are fewer.

    A mapping of another head is drawn from all of these heads' together. It has no source that the head's held-out
    mappings have, and no source is there twice. The draw depends on the seed, the layer, the head and the held-out
    mappings of the layer.
    """
    draw = random.Random(f"{seed}:{head}")  # a string's seed is the same on every machine
    own = list(held_out[head])
    chosen = draw.sample(own, min(ITEMS_PER_KIND, len(own)))
    others = [
        DetectionItem(mapping, other)
        for other in sorted(held_out)
        if other.layer == head.layer and other != head
        for mapping in held_out[other]
    ]
    draw.shuffle(others)
    known = {mapping.source_id for mapping in own}
    foreign: list[DetectionItem] = []
    for item in others:
        if len(foreign) == ITEMS_PER_KIND:
            break
        if item.mapping.source_id not in known:
            known.add(item.mapping.source_id)
            foreign.append(item)
    found = [DetectionItem(mapping, head) for mapping in chosen] + foreign
    draw.shuffle(found)
    return found


def item_truth(items: Sequence[DetectionItem], head: HeadId, shown_head: HeadId) -> list[bool | None]:
    """Of each item whether it is of the head; None, for not counted, where it is of another head that is described.

    Under another head's description that head's own mappings fit: counted as wrong, they would bring the control of a
    scorer that sees everything below chance.
    """
    return [True if item.head == head else None if item.head == shown_head else False for item in items]


def exchange_partners(heads: Iterable[HeadId], seed: int) -> dict[HeadId, HeadId]:
    """For each head another one of its layer, whose description stands for its own in the control.

    The heads of a layer stand in a circle, in an order that depends on the seed, and each takes the description of the
    next: no head has its own, each description is used once, and one more head changes it for one other alone. A head
    that is alone in its layer is left out.
    """
    layers: dict[int, list[HeadId]] = {}
    for head in heads:
        layers.setdefault(head.layer, []).append(head)
    found: dict[HeadId, HeadId] = {}
    for members in layers.values():
        circle = sorted(members, key=lambda head: sha256(f"{seed}:{head}".encode()).digest())
        found |= dict(zip(circle, [*circle[1:], circle[0]], strict=True)) if len(circle) > 1 else {}
    return found
