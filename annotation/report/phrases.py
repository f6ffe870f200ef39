"""Numbers as phrases, for the sentences of the report, the dataset card and the tables of the page."""

from __future__ import annotations

from annotation.statistics.bootstrap import BOOTSTRAP_DRAWS, BootstrapEstimate
from annotation.statistics.clustered_rates import RateEstimate
from annotation.statistics.pairs import PairEstimate
from maps.text import escape_invisible, pluralize

COEFFICIENT_NAMES = {
    "fleiss_kappa": "Fleiss' kappa",
    "krippendorff_alpha": "Krippendorff's alpha",
    "gwet_ac1": "Gwet's AC1",
    "gwet_ac2": "Gwet's AC2",
}


def number_words(value: float) -> str:
    """A number with two decimals, never "-0.00"."""
    return f"{round(value, 2) + 0.0:.2f}"


def estimate_words(estimate: BootstrapEstimate | PairEstimate) -> str:
    """A number with its interval, "0.71 (0.55 to 0.83)", or the reason why it is undefined."""
    if estimate.value is None:
        return f"undefined ({estimate.reason})"
    if estimate.low is None or estimate.high is None:
        return f"{number_words(estimate.value)} ({estimate.reason})"
    draws = "" if estimate.draws == BOOTSTRAP_DRAWS else f", defined in {estimate.draws} of {BOOTSTRAP_DRAWS:,} draws"
    return f"{number_words(estimate.value)} ({number_words(estimate.low)} to {number_words(estimate.high)}{draws})"


def percent_words(value: float, low: float | None, high: float | None, decimals: int = 0) -> str:
    """A share in per cent, with its interval if there is one: "84 % (70 to 95 %)"."""
    interval = "" if low is None or high is None else f" ({100 * low:.{decimals}f} to {100 * high:.{decimals}f} %)"
    return f"{100 * value:.{decimals}f} %{interval}"


def rate_words(rate: RateEstimate) -> str:
    """A rate with its interval and n, "79.8 % (75.0 to 84.6 %) of 272", or the reason why it is undefined."""
    if rate.value is None:
        return f"undefined, because {rate.reason}"
    return f"{percent_words(rate.value, rate.low, rate.high, 1)} of {rate.n:,}"


def coefficient_words(name: str, estimate: BootstrapEstimate) -> str:
    """A coefficient with its interval, "Krippendorff's alpha 0.71 (0.55 to 0.83)", or why it is undefined."""
    return f"{COEFFICIENT_NAMES[name]} {estimate_words(estimate)}"


def pair_words(estimate: PairEstimate) -> str:
    """Cohen's kappa of two annotators with its interval and n, or the reason why it is undefined."""
    first, second = map(escape_invisible, estimate.pair)
    base = "" if estimate.value is None else f" over {pluralize(estimate.n, 'item')}"
    return f"{first} and {second}: {estimate_words(estimate)}{base}"
