"""What a study is expected to show: the simulated answers keep their shares, and the intervals hold what they say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from annotation.errors import SummaryError
from annotation.report.paper_file import load_paper
from annotation.report.study_plan import assumptions_of_paper
from annotation.statistics.clustered_rates import RateEstimate
from annotation.statistics.judgments_table import CountedJudgments, judgments_to_frame, select_counted_judgments
from annotation.statistics.planning import AnswerModel, answer_shares, forecast_study, is_higher, model_of_pilot
from annotation.types import Judgment

Judge = Callable[..., Judgment]
PAPER = assumptions_of_paper(load_paper())


def counted(judgments: list[Judgment]) -> CountedJudgments:
    return select_counted_judgments(judgments_to_frame(judgments))


def test_the_papers_rates_are_those_of_its_answers() -> None:
    assert sum(PAPER.shares.values()) == pytest.approx(1)
    assert {name: PAPER.rate(name) for name in load_paper().rates} == {
        name: pytest.approx(rate.value) for name, rate in load_paper().rates.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("items", "per_item", "overlap"), [(138, 3, 10), (270, 5, 10), (138, 1, 0), (60, 3, 10)], ids=str
)
def test_95_of_100_intervals_hold_the_truth_in_studies_of_usual_sizes(items: int, per_item: int, overlap: int) -> None:
    forecast = forecast_study(PAPER, [5] * overlap + [per_item] * (items - overlap), studies=1500, seed=1)
    coverage = {name: each.coverage for name, each in (forecast.rates | forecast.coefficients).items() if each.studies}
    noise = 1.5 * (0.95 * 0.05 / 1500) ** 0.5
    assert {name: share for name, share in coverage.items() if not 0.93 - noise <= (share or 0) <= 0.97 + noise} == {}


def test_more_judgments_make_narrower_intervals_and_more_controls_more_power() -> None:
    few = forecast_study(PAPER, [2] * 60, [2] * 6, studies=60)
    many = forecast_study(PAPER, [2] * 240, [2] * 60, studies=60)

    def width(forecast: object, name: str) -> float:
        expected = forecast.rates[name]  # type: ignore[attr-defined]
        return float(expected.high - expected.low)

    for name in few.rates:
        assert width(many, name) < 0.75 * width(few, name)
    assert few.power[0.1] < 0.6 < 0.95 < many.power[0.1]
    assert many.power[0.1] > many.power[0.4]


def test_a_study_with_one_judgment_of_each_item_has_no_interval_of_agreement() -> None:
    forecast = forecast_study(PAPER, [1] * 40, studies=5)
    assert {each.low for each in forecast.coefficients.values()} == {None}
    assert forecast.power == {}


def test_a_forecast_depends_on_its_seed_alone() -> None:
    one, same, other = (forecast_study(PAPER, [2] * 20, [2] * 4, studies=5, seed=seed) for seed in (1, 1, 2))
    assert one == same != other


def test_a_pilot_gives_its_shares_and_its_agreement(judge: Judge) -> None:
    none_seen = {"presence": "absent_none", "precision": None, "category": None}
    rows = [judge(f"a{n}", layer=n, annotator="a-1", **(none_seen if n % 2 else {})) for n in range(20)]
    rows += [judge(f"b{n}", layer=n, annotator="a-2", **(none_seen if n % 2 else {})) for n in range(20)]
    model = model_of_pilot(counted(rows), 30)
    assert (model.agreement, model.seconds) == (1.0, 30)
    assert dict(model.shares) == {("absent_none", None): 0.5, ("present_described", "accurate"): 0.5}


def test_a_pilot_without_two_answers_to_an_item_is_refused(judge: Judge) -> None:
    with pytest.raises(SummaryError, match="No item of the pilot was judged by two people"):
        model_of_pilot(counted([judge("1")]), 45)


def test_agreement_is_what_two_people_would_show() -> None:
    model = AnswerModel(answer_shares({"absent_none": 3, "present_described": 1}, {"accurate": 1}), 0.5, 45)
    # Two people agree by the item in half of the pairs, else by chance: 1/2 + 1/2 (9/16 + 1/16).
    observed, expected = 1 / 2 + 1 / 2 * 10 / 16, 2 * (3 / 4 * 1 / 4) / 3
    assert model.coefficient("gwet_ac1") == pytest.approx((observed - expected) / (1 - expected))


def rate(value: float, low: float, high: float) -> RateEstimate:
    return RateEstimate(value, low, high, 0, 0, 0, None)


def test_two_shares_differ_where_the_interval_of_their_difference_is_above_0() -> None:
    assert is_higher(rate(0.5, 0.4, 0.6), rate(0.2, 0.1, 0.4))  # 0.3 > √(0.1² + 0.2²) = 0.22
    assert not is_higher(rate(0.5, 0.3, 0.6), rate(0.2, 0.1, 0.5))  # 0.3 < √(0.2² + 0.3²) = 0.36
    assert not is_higher(rate(0.2, 0.1, 0.3), rate(0.5, 0.4, 0.6))
    assert not is_higher(RateEstimate(0.5, None, None, 1, 2, 1, "one item"), rate(0.2, 0.1, 0.3))
    assert not np.isnan(PAPER.rate("poor"))
