"""Cohen's kappa of pairs: of two against numbers from elsewhere, of many against each pair by itself."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from annotation.form import PRESENCE
from annotation.statistics import agreement, pairs
from annotation.statistics.judgments_table import select_counted_judgments
from annotation.statistics.ratings import Ratings, collect_ratings

COLUMNS = ["item", "annotator", "presence", "precision", "category"]


def judged_rows(answers: Sequence[Sequence[int]], annotators: Sequence[str]) -> pd.DataFrame:
    """The rows of answer codes (items, annotators), −1 without an answer."""
    rows = [
        (str(item), name, PRESENCE.codes[code], "", "")
        for item, codes in enumerate(answers)
        for name, code in zip(annotators, codes, strict=True)
        if code >= 0
    ]
    return select_counted_judgments(pd.DataFrame(rows, columns=COLUMNS)).rows


def ratings_of(answers: Sequence[Sequence[int]], annotators: Sequence[str]) -> Ratings:
    return collect_ratings(judged_rows(answers, annotators), PRESENCE)


def random_answers(annotators: int, items: int, seed: int) -> list[list[int]]:
    random = np.random.default_rng(seed)
    answers = random.integers(0, 4, size=(items, annotators))
    answers[random.random(answers.shape) < 0.7] = -1
    return answers.tolist()


def plain_kappa(first: Sequence[int], second: Sequence[int]) -> float | None:
    """Cohen's kappa as its formula says, over the items that both answered."""
    both = [(one, other) for one, other in zip(first, second, strict=True) if one >= 0 and other >= 0]
    if not both:
        return None
    observed = sum(one == other for one, other in both) / len(both)
    shares = [[sum(pair[side] == code for pair in both) / len(both) for code in range(4)] for side in (0, 1)]
    expected = sum(one * other for one, other in zip(*shares, strict=True))
    return None if expected == 1 else (observed - expected) / (1 - expected)


def test_cohens_kappa_of_a_table_worked_by_hand() -> None:
    # 50 items, both yes 20, first yes only 5, second yes only 10, both no 15:
    # p_o = 35/50, p_e = 25/50 · 30/50 + 25/50 · 20/50 = 1/2, κ = (0.7 − 0.5) / 0.5 = 0.4.
    answers = [[0, 0]] * 20 + [[0, 1]] * 5 + [[1, 0]] * 10 + [[1, 1]] * 15
    (found,) = pairs.estimate_pairwise_kappas(ratings_of(answers, "ab"), 0)
    assert (found.pair, found.n, found.draws, found.reason) == (("a", "b"), 50, 1000, None)
    assert found.value == pytest.approx(0.4)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.4 < found.high


def test_cohens_kappa_of_gwets_abstractors_gives_the_published_number() -> None:
    table = [[13, 0, 0], [0, 20, 7], [0, 4, 56]]  # irrCAC, cont3x3abstractors: 0.7964094
    both = [[i, j] for i in range(3) for j in range(3) for _ in range(table[i][j])]
    answers = [*both, [0, -1], [2, -1], [-1, 1]]  # what one left out counts nowhere
    (found,) = pairs.estimate_pairwise_kappas(ratings_of(answers, "ab"), 0)
    assert found.value == pytest.approx(0.7964094)
    assert found.n == 100


def test_pairs_without_shared_items_or_variation_are_undefined() -> None:
    found = pairs.estimate_pairwise_kappas(ratings_of([[0, -1, 0], [0, -1, 0], [-1, 1, -1]], "abc"), 0)
    assert [(each.pair, each.n, each.value, each.reason) for each in found] == [
        (("a", "b"), 0, None, pairs.NO_COMMON_ITEMS),
        (("a", "c"), 2, None, agreement.NO_VARIATION),
        (("b", "c"), 0, None, pairs.NO_COMMON_ITEMS),
    ]


def test_many_pairs_are_summarised_by_the_kappas_of_each() -> None:
    names = [f"a{number:02}" for number in range(25)]
    answers = random_answers(25, 60, 0)
    found = pairs.summarise_pairs(ratings_of(answers, names), 0)
    columns = list(zip(*answers, strict=True))
    kappas = {pair: plain_kappa(columns[pair[0]], columns[pair[1]]) for pair in combinations(range(25), 2)}
    defined = sorted(value for value in kappas.values() if value is not None)
    assert found.pairs == len(kappas) == 300
    assert found.without_items + found.without_variation == 300 - len(defined)
    assert (found.median, found.lowest, found.highest) == pytest.approx((np.median(defined), defined[0], defined[-1]))
    enough = [
        (value, (names[first], names[second]))
        for (first, second), value in kappas.items()
        if value is not None
        and sum(one >= 0 and other >= 0 for one, other in zip(columns[first], columns[second], strict=True)) >= 10
    ]
    assert found.worst_items == 10
    assert [each.value for each in found.worst] == pytest.approx([value for value, _ in sorted(enough)[:5]])
    by_pair = {each.pair: each for each in pairs.estimate_pairwise_kappas(ratings_of(answers, names), 0)}
    assert [by_pair[each.pair] for each in found.worst] == found.worst


def test_the_worst_pairs_are_those_over_the_most_items_where_none_has_ten() -> None:
    found = pairs.summarise_pairs(ratings_of([[0, 1, 0], [1, 0, 1], [0, 0, -1]], "abc"), 0)
    assert found.worst_items == 3
    assert [(each.pair, each.n) for each in found.worst] == [(("a", "b"), 3)]


def test_a_summary_without_a_common_item_is_undefined() -> None:
    found = pairs.summarise_pairs(ratings_of([[0, -1], [-1, 1]], "ab"), 0)
    assert found == pairs.PairSummary(1, 1, 0, None, None, None, 0, [])
    assert pairs.summarise_pairs(ratings_of([], ""), 0) == pairs.PairSummary(0, 0, 0, None, None, None, 0, [])


@pytest.mark.parametrize("block_size", [1, 7, 1_000_000])
def test_the_tables_of_pairs_are_the_same_in_blocks_of_any_size(
    monkeypatch: pytest.MonkeyPatch, block_size: int
) -> None:
    monkeypatch.setattr(pairs, "BLOCK_SIZE", block_size)
    answers = random_answers(12, 30, 1)
    found = pairs.tabulate_pairs(ratings_of(answers, "abcdefghijkl"))
    columns = np.array(answers).T
    expected = {}
    for first, second in combinations(range(12), 2):
        table = agreement.tabulate_joint_answers(columns[first], columns[second], 4)
        if table.sum():
            expected[first, second] = table.tolist()
    pair_numbers = zip(found.first.tolist(), found.second.tolist(), strict=True)
    assert dict(zip(pair_numbers, found.tables.tolist(), strict=True)) == expected


def test_distinct_numbers_are_found_with_and_without_sorting() -> None:
    for numbers in ([5, 3, 5, 4], [5, 10**9, 5]):
        distinct, positions = pairs._unique(np.array(numbers))
        assert (distinct.tolist(), distinct[positions].tolist()) == (sorted(set(numbers)), numbers)


def test_the_table_of_all_pairs_has_the_estimate_of_each() -> None:
    names = "abcde"
    answers = random_answers(5, 40, 2)
    table = pairs.tabulate_pairwise_kappas(judged_rows(answers, names), 3)
    expected = [each for each in pairs.estimate_pairwise_kappas(ratings_of(answers, names), 3) if each.n]
    assert table["question"].unique().tolist() == ["presence"]
    assert table["first"].tolist() == [each.pair[0] for each in expected]
    assert table["second"].tolist() == [each.pair[1] for each in expected]
    for name in ("n", "draws", "reason"):
        assert table[name].tolist() == [getattr(each, name) for each in expected]
    for name in ("value", "low", "high"):
        assert [None if np.isnan(cell) else cell for cell in table[name]] == [getattr(each, name) for each in expected]


def test_of_too_many_pairs_the_table_has_no_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [[0, 1, 0, 2], [0, 0, 0, 2], [1, 1, 0, 2]]
    whole = pairs.tabulate_pairwise_kappas(judged_rows(answers, "abcd"), 0)
    monkeypatch.setattr(pairs, "MOST_INTERVALS", 5)
    found = pairs.tabulate_pairwise_kappas(judged_rows(answers, "abcd"), 0)
    same = ["question", "first", "second", "n", "value"]
    pd.testing.assert_frame_equal(found[same], whole[same])
    assert found[["low", "high"]].isna().all(axis=None)
    undefined = [agreement.NO_VARIATION if np.isnan(value) else pairs.NO_INTERVALS for value in whole["value"]]
    assert found["reason"].tolist() == undefined


def test_memory_grows_with_the_answers_not_with_annotators_times_items() -> None:
    rows = [(str(item), f"a{item // 2}", "absent_none", "", "") for item in range(20_000)]
    ratings = collect_ratings(select_counted_judgments(pd.DataFrame(rows, columns=COLUMNS)).rows, PRESENCE)
    sizes = [array.nbytes for array in vars(ratings).values() if isinstance(array, np.ndarray)]
    assert sum(sizes) < 100 * len(rows)  # 10,000 annotators times 20,000 items would be 200 million cells
