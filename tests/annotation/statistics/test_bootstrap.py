"""Bootstrap draws of items."""

from __future__ import annotations

import numpy as np
import pytest

from annotation.statistics.bootstrap import (
    BOOTSTRAP_DRAWS,
    Floats,
    estimate_statistic,
    group_equal_items,
)


def test_items_that_are_alike_are_drawn_together() -> None:
    items = group_equal_items(np.array([[1, 2], [0, 3], [1, 2], [1, 2]]), 0)
    assert (items.distinct_items.tolist(), items.multiplicities.tolist()) == ([[0.0, 3.0], [1.0, 2.0]], [1, 3])
    assert items.draw_counts.sum(1).tolist() == [4.0] * BOOTSTRAP_DRAWS
    assert items.draw_counts.mean(0) == pytest.approx([1.0, 3.0], abs=0.1)
    # A kind with a quarter of four items is missing in (3/4)⁴ of the draws.
    assert (items.draw_counts[:, 0] == 0).mean() == pytest.approx(0.75**4, abs=0.05)


def test_draws_are_those_of_their_seed() -> None:
    numbers = np.arange(5)[:, None]
    one, same, other = (group_equal_items(numbers, seed).draw_counts for seed in (0, 0, 1))
    assert one.tolist() == same.tolist() != other.tolist()
    assert group_equal_items(numbers[:0], 0).draw_counts.shape == (BOOTSTRAP_DRAWS, 0)


def test_a_hundred_thousand_items_take_no_more_room_than_their_kinds() -> None:
    items = group_equal_items(np.random.default_rng(0).integers(0, 3, size=(100_000, 2)), 0)
    assert (len(items.distinct_items), items.draw_counts.shape) == (9, (BOOTSTRAP_DRAWS, 9))


def test_an_interval_is_that_of_the_defined_draws() -> None:
    items = group_equal_items(np.arange(4)[:, None], 0)

    def first(times: Floats, _: Floats) -> Floats:
        return np.where(times[:, 0] > 0, times[:, 0], np.nan)

    found = estimate_statistic(first, items, 4, "never")
    defined = items.draw_counts[:, 0][items.draw_counts[:, 0] > 0]
    assert (found.value, found.draws) == (1.0, len(defined))
    assert (found.low, found.high) == tuple(np.percentile(defined, (2.5, 97.5)))
