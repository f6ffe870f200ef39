"""Assignment: one order for everybody, nothing twice, skipped items last."""

from __future__ import annotations

from annotation.assignment import Progress, next_item, progress, study_order
from annotation.types import Item

ITEMS = [Item("default", "m", layer, head, "head", "h", "d") for layer in range(4) for head in range(3)]


def test_the_order_depends_on_the_seed_and_not_on_the_input() -> None:
    order = study_order(ITEMS, seed=0)
    assert study_order(reversed(ITEMS), seed=0) == order
    assert sorted(order, key=ITEMS.index) == ITEMS
    assert order != ITEMS
    assert study_order(ITEMS, seed=1) != order


def test_the_order_is_the_same_in_every_release() -> None:
    assert [(item.layer, item.head) for item in study_order(ITEMS, seed=0)[:4]] == [(1, 2), (2, 2), (0, 2), (0, 0)]


def test_an_added_item_moves_no_other() -> None:
    order = study_order(ITEMS[:-1], seed=3)
    assert [item for item in study_order(ITEMS, seed=3) if item != ITEMS[-1]] == order


def test_an_annotator_never_sees_an_item_twice() -> None:
    order = study_order(ITEMS, seed=0)
    judged: list[str] = []
    while (item := next_item(order, judged, [])) is not None:
        judged.append(item.key)
    assert judged == [item.key for item in order]


def test_skipped_items_come_back_at_the_end_the_longest_skipped_first() -> None:
    a, b, c = order = study_order(ITEMS[:3], seed=0)
    assert next_item(order, [], [a.key]) == b
    assert next_item(order, [c.key], [b.key, a.key]) == b
    assert next_item(order, [c.key], [b.key, a.key, b.key]) == a
    assert next_item(order, [a.key, b.key, c.key], [a.key]) is None
    assert next_item([], [], []) is None


def test_another_description_makes_another_item() -> None:
    changed = Item("default", "m", 0, 0, "head", "h", "d2")
    assert next_item([changed], [ITEMS[0].key], []) == changed


def test_progress_counts_this_order_and_estimates_from_the_median() -> None:
    keys = [item.key for item in ITEMS]
    assert progress(ITEMS, []) == Progress(0, 12, None)
    assert progress(ITEMS, [*keys[:2], "elsewhere"], [30.0, 60.0, 3600.0]) == Progress(2, 12, 10.0)
