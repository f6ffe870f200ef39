"""Shares with intervals over items."""

from __future__ import annotations

import numpy as np
import pytest

from annotation.bootstrap import ONE_ITEM, Rate, estimated, rate, resamples

TRUE, FALSE = True, False


def test_a_rate_is_counted_by_judgment_and_drawn_by_item() -> None:
    item = np.array([0, 0, 0, 1, 1, 2])
    accepted = np.array([TRUE, TRUE, TRUE, FALSE, FALSE, TRUE])
    asked = np.array([TRUE, TRUE, TRUE, TRUE, TRUE, FALSE])
    found = rate(accepted, asked, item, resamples(3, 0), "nobody was asked")
    assert (found.value, found.count, found.n, found.reason) == (3 / 5, 3, 5, None)
    # Items agree within themselves, so draws of items reach 0 and 1; draws of item 2 alone have no judgment.
    assert (found.low, found.high) == (0.0, 1.0)
    assert 900 < found.draws < 1000


def test_a_rate_without_judgments_says_why() -> None:
    nobody = np.zeros(2, dtype=bool)
    found = rate(nobody, nobody, np.array([0, 1]), resamples(2, 0), "nobody was asked")
    assert found == Rate(None, None, None, 0, 0, 0, "nobody was asked")


def test_a_rate_of_one_item_has_no_interval() -> None:
    both = np.ones(2, dtype=bool)
    found = rate(both, both, np.array([0, 0]), resamples(1, 0), "nobody was asked")
    assert found == Rate(1.0, None, None, 2, 2, 0, ONE_ITEM)


def test_draws_are_those_of_their_seed_and_cannot_be_changed() -> None:
    one, other = resamples(5, 0), resamples(5, 1)
    assert one.shape == (1000, 5)
    assert (one != other).any()
    with pytest.raises(ValueError, match="read-only"):
        one[0, 0] = 7
    assert resamples(0, 0).shape == (1000, 0)


def test_an_interval_is_that_of_the_defined_draws() -> None:
    times = resamples(4, 0)
    found = estimated(lambda drawn: np.where(drawn[:, 0] > 0, drawn[:, 0], np.nan), times, 4, "never")
    defined = times[:, 0][times[:, 0] > 0]
    assert (found.value, found.draws) == (1.0, len(defined))
    assert (found.low, found.high) == tuple(np.percentile(defined, (2.5, 97.5)))
