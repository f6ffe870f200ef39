"""How often a report's 95 % intervals hold the truth in simulated studies: `python -m benchmarks.interval_coverage`.

Answers are drawn from the paper's shares with the agreement that `study plan` assumes. The score intervals that the
report gives of rates stand beside percentile bootstraps over items, which it gave before. The results are kept in
`benchmarks/results/interval_coverage.json`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from annotation.report.paper_file import load_paper
from annotation.report.study_plan import assumptions_of_paper
from annotation.statistics.bootstrap import Floats, group_equal_items, percentile_interval, quotient_or_nan
from annotation.statistics.planning import AnswerModel, forecast_study, simulate_answers
from annotation.statistics.rates import HEADLINE_RATES

RESULTS = Path(__file__).parent / "results" / "interval_coverage.json"
DESIGNS = ((138, 3, 10), (270, 5, 10), (60, 3, 10), (138, 1, 0))  # items, judgments of each, items that all of 5 judge


def bootstrap_interval(hits: Floats, bases: Floats, seed: int) -> tuple[float | None, float | None]:
    """The percentiles of Σ hits / Σ bases over 1,000 draws of items."""
    items = group_equal_items(np.column_stack([hits, bases]), seed)
    sums = items.draw_counts @ items.distinct_items
    low, high, _ = percentile_interval(quotient_or_nan(sums[:, 0], sums[:, 1]), int((bases > 0).sum()))
    return low, high


def bootstrap_coverage(model: AnswerModel, judgments: list[int], studies: int) -> dict[str, float]:
    """The share of simulated studies whose bootstrap interval holds the truth, by rate."""
    items = np.repeat(np.arange(len(judgments)), judgments)
    covered: dict[str, list[bool]] = {name: [] for name in HEADLINE_RATES}
    for number in range(studies):
        answers = simulate_answers(model, items, np.random.default_rng([1, number]))
        for name, definition in HEADLINE_RATES.items():
            accepted, base = definition.select(answers)
            hits, bases = (np.bincount(items, each, len(judgments)) for each in (accepted & base, base))
            low, high = bootstrap_interval(hits.astype(np.float64), bases.astype(np.float64), number)
            if low is not None and high is not None:
                covered[name].append(low <= model.rate(name) <= high)
    return {name: float(np.mean(each)) for name, each in covered.items()}


def measure(studies: int) -> list[dict[str, Any]]:
    model, rows = assumptions_of_paper(load_paper()), []
    for items, per_item, overlap in DESIGNS:
        judgments = [5] * overlap + [per_item] * (items - overlap)
        forecast = forecast_study(model, judgments, studies=studies, seed=1)
        bootstrap = bootstrap_coverage(model, judgments, studies)
        rows += [
            {
                "items": items,
                "judgments_per_item": per_item,
                "overlap": overlap,
                "number": name,
                "truth": each.value,
                "coverage": each.coverage,
                "bootstrap_coverage": bootstrap.get(name),
                "studies": each.studies,
            }
            for name, each in (forecast.rates | forecast.coefficients).items()
            if each.studies
        ]
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000, help="simulated studies of each design (default: 2000)")
    rows = measure(parser.parse_args().studies)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    for row in rows:
        before = "" if row["bootstrap_coverage"] is None else f", by bootstrap {100 * row['bootstrap_coverage']:.1f} %"
        design = f"{row['items']} items, {row['judgments_per_item']} judgments of each"
        print(f"{design}: {row['number']} {row['truth']:.3f}: {100 * row['coverage']:.1f} %{before}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
