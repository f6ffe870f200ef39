"""Cohen's kappa of every two annotators: each with its interval for a few, summarised for many.

500 annotators are 124,750 pairs. The table of a pair's answers is counted from the answers that share an item, so time
and memory grow with those, not with pairs times items.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from annotation.form import QUESTIONS
from annotation.statistics.agreement import NO_VARIATION, cohen_kappa, joint_items, table_kappas
from annotation.statistics.bootstrap import BootstrapEstimate, Counts, Floats, estimate_statistic
from annotation.statistics.ratings import Ratings, collect_ratings

NO_COMMON_ITEMS = "there is no item that both annotators answered"
MOST_LISTED = 20  # annotators; the pairs of more are summarised
WORST_PAIRS = 5
FEWEST_ITEMS_OF_WORST = 10  # below, a kappa varies so much that the lowest says little
MOST_INTERVALS = 10_000  # pairs; about half a minute
NO_INTERVALS = f"intervals are computed for up to {MOST_INTERVALS:,} pairs"
BLOCK_SIZE = 1_000_000  # pairs of answers at once


@dataclass(frozen=True)
class PairEstimate:
    """Cohen's kappa of two annotators over the `n` items that both answered; otherwise like `BootstrapEstimate`."""

    pair: tuple[str, str]
    n: int
    value: float | None
    low: float | None
    high: float | None
    draws: int
    reason: str | None


@dataclass(frozen=True)
class PairSummary:
    """The kappas of all pairs of many annotators.

    Of `pairs`, `without_items` have no item in common, and `without_variation` gave only one answer to their common
    items: their kappa is undefined. `median`, `lowest` and `highest` are over the others, None without any. `worst` has
    the lowest kappas, among the pairs with `worst_items` or more items in common.
    """

    pairs: int
    without_items: int
    without_variation: int
    median: float | None
    lowest: float | None
    highest: float | None
    worst_items: int
    worst: list[PairEstimate]


@dataclass(frozen=True)
class PairTables:
    """The pairs of annotators with an item in common, by their numbers (pairs,), in order.

    `tables` (pairs, categories, categories) count the items by the answers of the first and the second.
    """

    first: Counts
    second: Counts
    tables: NDArray[np.int32]


def _answer_blocks(ratings: Ratings) -> Iterator[tuple[Counts, Counts]]:
    """The positions of every two answers to one item, some annotators at a time; the earlier annotator comes first."""
    item_ends = np.bincount(ratings.item_numbers, minlength=len(ratings.items)).cumsum()
    later_answers = item_ends[ratings.item_numbers] - np.arange(len(ratings.codes)) - 1  # to the item of each answer
    by_annotator = ratings.answers_by_annotator()
    sizes = [int(later_answers[answers].sum()) for answers in by_annotator]
    block: list[Counts] = []
    size = 0
    for answers, more in zip(by_annotator, sizes, strict=True):
        if block and size + more > BLOCK_SIZE:
            yield _expand(np.concatenate(block), later_answers)
            block, size = [], 0
        block.append(answers)
        size += more
    if size:
        yield _expand(np.concatenate(block), later_answers)


def _expand(answers: Counts, later_answers: Counts) -> tuple[Counts, Counts]:
    """Each answer repeated once for each later answer to its item, and those; example: 4 with 2 → (4, 4), (5, 6)."""
    numbers = later_answers[answers]
    first = np.repeat(answers, numbers)
    starts = np.repeat(numbers.cumsum() - numbers, numbers)
    return first, first + 1 + np.arange(len(first)) - starts


def tabulate_pairs(ratings: Ratings) -> PairTables:
    """The tables of all pairs of annotators with an item in common."""
    annotators, categories = len(ratings.annotators), len(ratings.question.codes)
    cells = categories**2
    pairs, tables = [], []
    for first, second in _answer_blocks(ratings):
        pair = ratings.annotator_numbers[first] * annotators + ratings.annotator_numbers[second]
        found, positions = _unique(pair)
        cell = ratings.codes[first] * categories + ratings.codes[second]
        pairs.append(found)
        tables.append(np.bincount(positions * cells + cell, minlength=len(found) * cells).astype(np.int32))
    if not pairs:
        nothing = np.zeros(0, dtype=np.int64)
        return PairTables(nothing, nothing, np.zeros((0, categories, categories), dtype=np.int32))
    numbers = np.concatenate(pairs)
    return PairTables(
        numbers // annotators, numbers % annotators, np.concatenate(tables).reshape(-1, categories, categories)
    )


def _unique(numbers: Counts) -> tuple[Counts, Counts]:
    """The distinct numbers in order, and the position of each number among them; without sorting if they are dense."""
    start, end = int(numbers.min(initial=0)), int(numbers.max(initial=-1)) + 1
    if end - start > 8 * len(numbers):
        return np.unique(numbers, return_inverse=True)
    occurs = np.zeros(end - start, dtype=bool)
    occurs[numbers - start] = True
    return np.flatnonzero(occurs) + start, (occurs.cumsum() - 1)[numbers - start]


def estimate_pair(ratings: Ratings, pairs: PairTables, place: int, seed: int) -> PairEstimate:
    """The kappa of the pair at this place, with its interval over all items of the question."""
    joint = joint_items(pairs.tables[place], len(ratings.items), seed)
    n = int(pairs.tables[place].sum())
    names = ratings.annotators[pairs.first[place]], ratings.annotators[pairs.second[place]]
    return _pair_estimate(names, estimate_statistic(cohen_kappa, joint, n, NO_VARIATION))


def _pair_estimate(names: tuple[str, str], kappa: BootstrapEstimate) -> PairEstimate:
    return PairEstimate(names, kappa.n, kappa.value, kappa.low, kappa.high, kappa.draws, kappa.reason)


def estimate_pairwise_kappas(ratings: Ratings, seed: int) -> list[PairEstimate]:
    """Cohen's kappa of every two annotators, in the order of `ratings.annotators`."""
    pairs = tabulate_pairs(ratings)
    places = {pair: place for place, pair in enumerate(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))}
    undefined = BootstrapEstimate(None, None, None, 0, 0, NO_COMMON_ITEMS)
    estimates = []
    for first, second in combinations(range(len(ratings.annotators)), 2):
        if (first, second) in places:
            estimates.append(estimate_pair(ratings, pairs, places[first, second], seed))
        else:
            estimates.append(_pair_estimate((ratings.annotators[first], ratings.annotators[second]), undefined))
    return estimates


def tabulate_pairwise_kappas(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Cohen's kappa of every two annotators with an item in common, for each question; a question's pairs in order.

    `rows` as in `CountedJudgments`. Columns: question, first, second, then those of `PairEstimate`. There are intervals
    for up to 10,000 pairs of a question; for more the column `reason` says that there are none.
    """
    lines = []
    for question in QUESTIONS:
        ratings = collect_ratings(rows, question)
        pairs = tabulate_pairs(ratings)
        if len(pairs.first) > MOST_INTERVALS:
            estimates = _estimates_without_intervals(ratings, pairs)
        else:
            estimates = [estimate_pair(ratings, pairs, place, seed) for place in range(len(pairs.first))]
        for each in estimates:
            lines.append((question.field, *each.pair, each.n, each.value, each.low, each.high, each.draws, each.reason))
    columns = ["question", "first", "second", "n", "value", "low", "high", "draws", "reason"]
    types = {**dict.fromkeys(("n", "draws"), "int64"), **dict.fromkeys(("value", "low", "high"), "float64")}
    return pd.DataFrame(lines, columns=columns, dtype=object).astype(types)


def _estimates_without_intervals(ratings: Ratings, pairs: PairTables) -> list[PairEstimate]:
    kappas, items = table_kappas(pairs.tables.astype(np.float64)), pairs.tables.sum((1, 2))
    estimates = []
    for first, second, kappa, n in zip(pairs.first, pairs.second, kappas.tolist(), items.tolist(), strict=True):
        value, reason = (None, NO_VARIATION) if np.isnan(kappa) else (kappa, NO_INTERVALS)
        names = ratings.annotators[first], ratings.annotators[second]
        estimates.append(PairEstimate(names, n, value, None, None, 0, reason))
    return estimates


def _worst_places(kappas: Floats, items: Counts) -> tuple[int, list[int]]:
    """How many common items are enough, and the places of the lowest kappas over so many items.

    Where no pair has 10 items in common, the most that a pair has are enough. Of equal kappas the one over more items
    comes first.
    """
    defined = ~np.isnan(kappas)
    fewest = min(FEWEST_ITEMS_OF_WORST, int(items[defined].max(initial=0)))
    candidates = np.flatnonzero(defined & (items >= fewest))
    order = np.lexsort((-items[candidates], kappas[candidates]))
    return fewest, [int(place) for place in candidates[order][:WORST_PAIRS]]


def summarise_pairs(ratings: Ratings, seed: int) -> PairSummary:
    """The kappas of all pairs in a few numbers; only the worst pairs get an interval."""
    pairs = tabulate_pairs(ratings)
    kappas, items = table_kappas(pairs.tables.astype(np.float64)), pairs.tables.sum((1, 2))
    defined = kappas[~np.isnan(kappas)]
    fewest, worst = _worst_places(kappas, items)
    all_pairs = len(ratings.annotators) * (len(ratings.annotators) - 1) // 2
    return PairSummary(
        pairs=all_pairs,
        without_items=all_pairs - len(items),
        without_variation=len(items) - len(defined),
        median=float(np.median(defined)) if len(defined) else None,
        lowest=float(defined.min()) if len(defined) else None,
        highest=float(defined.max()) if len(defined) else None,
        worst_items=fewest,
        worst=[estimate_pair(ratings, pairs, place, seed) for place in worst],
    )
