"""The paper's study, simulated answer by answer, gives the paper's numbers by the same code as one's own."""

from __future__ import annotations

import json
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import annotation
from annotation.report.paper import tabulate_paper_answers
from annotation.report.paper_file import load_paper
from annotation.statistics.answer_counts import answer_counts_by_quarter
from annotation.statistics.judgments_table import CountedJudgments, select_counted_judgments
from annotation.statistics.rates import RATE_DEFINITIONS
from annotation.statistics.summary import summarise_judgments

DATA = json.loads((Path(annotation.__file__).parent / "data" / "published.json").read_text(encoding="utf-8"))
LAYERS = {"Pythia 6.9B": 32, "GPT-2 xl": 48}
VISIBLE = ("present_missed", "present_described")


def dealt(counts: dict[str, int]) -> Any:
    """Every code as often as counted, then blanks without end."""
    return chain(chain.from_iterable(repeat(code, n) for code, n in counts.items()), repeat(""))


def quarter_rows(model: str, quarter: int, poor: int) -> list[dict[str, object]]:
    """The heads of one model's layer quarter, with one answer each; `poor` of the inaccurate ones are."""
    study = DATA["models"][model]
    accurate, judged = study["accurate_of_judged"][quarter]
    precision = dealt({"accurate": accurate, "poor": poor, "partial": judged - accurate - poor})
    category = dealt(study["category"][quarter])
    first = int(study["layers"][quarter].split("-")[0])
    rows = []
    for number, presence in enumerate(chain.from_iterable(repeat(c, n) for c, n in study["presence"][quarter].items())):
        rows.append(
            {
                "model": model,
                "layer": first + number % (LAYERS[model] // 4),
                "head": number,
                "annotator": f"a{number % 5}",
                "presence": presence,
                "precision": next(precision) if presence == "present_described" else "",
                "category": next(category) if presence in VISIBLE else "",
            }
        )
    return rows


@pytest.fixture(scope="module")
def simulated() -> CountedJudgments:
    """272 items with one answer each, one precision and one category left blank."""
    rows = [row for model in LAYERS for quarter in range(4) for row in quarter_rows(model, quarter, int(quarter == 0))]
    return select_counted_judgments(pd.DataFrame(rows))


def test_the_simulated_study_has_the_papers_size(simulated: CountedJudgments) -> None:
    found = summarise_judgments(simulated, layers=LAYERS)
    assert (found.items, found.annotators, found.judgments) == (272, 5, 272)
    assert [found.questions[name].blank for name in ("presence", "precision", "category")] == [0, 1, 1]
    assert {group.model: group.items for group in found.by_model.groups} == {"Pythia 6.9B": 138, "GPT-2 xl": 134}


def test_the_simulated_study_reproduces_the_papers_percentages(simulated: CountedJudgments) -> None:
    found = summarise_judgments(simulated, layers=LAYERS)
    shares = {name: rate.value for name, rate in found.controls["true"].rates.items()}
    assert shares["correct"] == pytest.approx(0.798, abs=0.0005)
    assert shares["false_patterns_among_failures"] == pytest.approx(0.87, abs=0.005)
    assert shares["visible_patterns_described"] == pytest.approx(0.95, abs=0.005)
    assert shares["accurate"] == pytest.approx(0.66, abs=0.005)
    assert (shares["poor"] or 0) < 0.02
    own = {name: (rate.count, rate.n) for name, rate in found.controls["true"].rates.items()}
    assert own == {name: (share.count, share.n) for name, share in load_paper().rates.items()}
    assert list(load_paper().rates) == list(RATE_DEFINITIONS)
    assert found.answers["presence"] == load_paper().answers["presence"]
    assert found.answers["category"] == load_paper().answers["category"]
    kinds = found.answers["category"]
    assert [round(100 * kinds[code] / 132) for code in ("semantic", "general", "language", "unnatural")] == [
        31,
        29,
        21,
        19,
    ]


def test_the_simulated_study_reproduces_the_papers_figures_by_layer_quarter(simulated: CountedJudgments) -> None:
    own, paper = answer_counts_by_quarter(simulated.rows, LAYERS), tabulate_paper_answers(load_paper())
    keys = ["part", "question", "answer"]
    both = paper.merge(own, on=keys, suffixes=("_paper", ""))
    assert both["count"].tolist() == both["count_paper"].tolist()
    assert both["n"].tolist() == both["n_paper"].tolist()
    told = both.groupby("question").size().to_dict()
    assert told == {"presence": 20, "category": 20, "precision": 6}  # of precision: accurate in 5 parts, poor in all
    by_model = {
        (group.model, group.quarter): group.answers["presence"]
        for group in summarise_judgments(simulated, 0, LAYERS).by_quarter.groups
    }
    assert by_model == {(each["model"], each["quarter"]): each["presence"] for each in load_paper().quarters}


def test_the_paper_names_its_source() -> None:
    found = load_paper().as_json()
    assert "arXiv 2412.11965" in found["source"]
    assert (found["items"], found["annotators"]) == (272, 5)
    assert sum(found["answers"]["presence"].values()) == 272
    assert found["answers"]["precision"] == {"accurate": 83, "inaccurate_or_partial": 40, "poor": 2}
