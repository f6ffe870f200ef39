"""Numbers in words."""

from __future__ import annotations

from annotation.report.phrases import coefficient_words, pair_words, rate_words
from annotation.statistics.bootstrap import ONE_ITEM_REASON, BootstrapEstimate
from annotation.statistics.clustered_rates import RateEstimate
from annotation.statistics.pairs import PairEstimate


def test_intervals_are_shown_with_the_draws_that_had_none() -> None:
    full = BootstrapEstimate(0.712, 0.5512, 0.834, 40, 1000, None)
    assert coefficient_words("krippendorff_alpha", full) == "Krippendorff's alpha 0.71 (0.55 to 0.83)"
    some = PairEstimate(("ada", "bob"), 3, -0.001, -0.5, 0.25, 640, None)
    assert pair_words(some) == "ada and bob: 0.00 (-0.50 to 0.25, defined in 640 of 1,000 draws) over 3 items"


def test_a_rate_has_its_interval_and_n_or_its_reason() -> None:
    assert rate_words(RateEstimate(0.798, 0.75, 0.846, 217, 272, 272, None)) == "79.8 % (75.0 to 84.6 %) of 272"
    assert rate_words(RateEstimate(1.0, None, None, 1, 1, 1, ONE_ITEM_REASON)) == "100.0 % of 1"
    assert rate_words(RateEstimate(None, None, None, 0, 0, 0, "there are no judgments")) == (
        "undefined, because there are no judgments"
    )
