"""Numbers in words: the parts that sentences, tables and cards share."""

from __future__ import annotations

from annotation.statistics.agreement import PairEstimate
from annotation.statistics.bootstrap import BOOTSTRAP_DRAWS, BootstrapEstimate, RateEstimate
from maps.text import escape_unprintable

COEFFICIENT_NAMES = {
    "fleiss_kappa": "Fleiss' kappa",
    "krippendorff_alpha": "Krippendorff's alpha",
    "gwet_ac1": "Gwet's AC1",
    "gwet_ac2": "Gwet's AC2",
}


def count_with_noun(number: int, noun: str) -> str:
    """A number with its noun: "1 item", "1,200 items"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def number_words(value: float) -> str:
    """Two decimals, never a minus before zero."""
    return f"{round(value, 2) + 0.0:.2f}"


def estimate_words(estimate: BootstrapEstimate | PairEstimate) -> str:
    """A number with its interval, or why it is undefined: "0.71 (0.55 to 0.83)"."""
    if estimate.value is None:
        return f"undefined ({estimate.reason})"
    if estimate.low is None or estimate.high is None:
        return f"{number_words(estimate.value)} ({estimate.reason})"
    draws = "" if estimate.draws == BOOTSTRAP_DRAWS else f", defined in {estimate.draws} of {BOOTSTRAP_DRAWS:,} draws"
    return f"{number_words(estimate.value)} ({number_words(estimate.low)} to {number_words(estimate.high)}{draws})"


def percent_words(value: float, low: float | None, high: float | None, decimals: int = 0) -> str:
    """A share in per cent with its interval where there is one: "84 % (70 to 95 %)"."""
    interval = "" if low is None or high is None else f" ({100 * low:.{decimals}f} to {100 * high:.{decimals}f} %)"
    return f"{100 * value:.{decimals}f} %{interval}"


def rate_words(rate: RateEstimate) -> str:
    """A rate with its interval and n, or why it is undefined: "79.8 % (75.0 to 84.6 %) of 272"."""
    if rate.value is None:
        return f"undefined, since {rate.reason}"
    return f"{percent_words(rate.value, rate.low, rate.high, 1)} of {rate.n:,}"


def coefficient_words(name: str, estimate: BootstrapEstimate) -> str:
    """A coefficient with its interval, or why it is undefined: "Krippendorff's alpha 0.71 (0.55 to 0.83)"."""
    return f"{COEFFICIENT_NAMES[name]} {estimate_words(estimate)}"


def pair_words(estimate: PairEstimate) -> str:
    """Cohen's kappa of two annotators, its n, or why it is undefined."""
    first, second = map(escape_unprintable, estimate.pair)
    over = f" over {count_with_noun(estimate.n, 'item')}" if estimate.value is not None else ""
    return f"{first} and {second}: {estimate_words(estimate)}{over}"
