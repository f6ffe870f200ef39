"""Judges readings by what heads really write: which one predicts it best from the token alone?

The model is run on tokens behind prompts, none of which a calibration saw. For every layer, over heads and tokens:

    overlap      share of the ten targets that a head really promotes most that are among the reading's ten
    correlation  of real and predicted scores over the vocabulary
    specific     the same for what is specific to the token: scores less their mean over the tokens
    raised       share of the ten tokens whose logits rise most, when the head's write is added to the running model's
                 stream, that are among the reading's ten
    effect       correlation of the reading's scores with these changes of the logits

A reading with the target map says what a write leads to in the end, so its first three figures compare real and
predicted writes behind that map. Controls, under one reading (CONTROLLED): the mean stream of all tokens in place of
the token, another token, and another head of the layer. Intervals are 95 % percentile bootstraps over tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

import pyarrow as pa
import torch

from maps.atlas.reader import CALIBRATION_FILE
from maps.atlas.schema import INTEGER, NUMBER, TEXT, Row, columns
from maps.experiments.calibrate import TOKENS, calibrate
from maps.experiments.hooked_model import HookedModel
from maps.experiments.layer_runs import ExperimentTables, TableRows, five_digits, run_layers
from maps.experiments.reading_judge import Measures, ReadingJudge, Words
from maps.experiments.results import ExperimentRun, pick_settings
from maps.files.atomic import read_json, write_json
from maps.mapping.calibration import Calibration
from maps.mapping.model import Model
from maps.mapping.reading import Reading
from maps.mapping.settings import select_layers
from maps.types import Progress

T = TypeVar("T")
WORDS, EFFECT_WORDS = 32, 12  # tokens; of these, tokens for which writes are added to the running model
BOOTSTRAP_DRAWS = 1_000
WEIGHTS_ONLY = (
    *("mlp", "mlp+input-norm+final-norm", "embedding", "embedding+input-norm+final-norm"),
    *("residual", "residual+input-norm+final-norm"),
)
CALIBRATED = (
    *("mlp+input-norm+final-norm+target-map", "calibrated", "calibrated+input-norm+final-norm"),
    "calibrated+input-norm+final-norm+target-map",
)
MEASURES = ("overlap", "specific", "raised", "effect")  # that are shown by third of the layers
OTHER_INTERVALS = ("overlap", "effect")
CONTROLLED = "calibrated+input-norm+final-norm"
CONTROL_PREFIX = "control: "
SCHEMAS = {
    "readings": pa.schema(
        [
            ("reading", TEXT),
            ("layer", INTEGER),
            *columns(NUMBER, "overlap", "correlation", "specific", "low", "high"),
            ("n", INTEGER),
            *columns(NUMBER, "overlap_low", "overlap_high", "raised", "effect", "effect_low", "effect_high"),
            ("effect_n", INTEGER),
        ]
    ),
    "target_sides": pa.schema(
        [("target_side", TEXT), ("layer", INTEGER), *columns(NUMBER, "raised", "effect", "low", "high"), ("n", INTEGER)]
    ),
}


def evaluate_readings(
    run: ExperimentRun, calibration: Calibration | None = None, calibration_bar: Progress[Any] | None = None
) -> ExperimentTables:
    """Judges readings and writes `readings.csv`, `target_sides.csv` and `readings.json`; continues a stopped run.

    Without a `calibration` it makes one in the folder first. Raises MapsError where transformers cannot run the model.
    """
    model = Model.open(run.model, run.device, run.settings.dtype)
    layers = select_layers(run.settings, model.shape)
    model.check_files(layers)
    if calibration is None:
        calibration = calibrate(model, run.out / CALIBRATION_FILE, TOKENS, calibration_bar or run.progress)
    calibration.check_model(model.checkpoint.identity, model.name)
    model.calibration = calibration  # the model's own reading needs none, those that are judged do
    settings = pick_settings(run.settings, ("dtype", "layers")) | {
        "calibration": calibration.hash,
        "words": WORDS,
        "effect_words": EFFECT_WORDS,
    }
    readings = [Reading.parse(name) for name in (*WEIGHTS_ONLY, *CALIBRATED)]
    judges: list[ReadingJudge] = []  # the running model is loaded when a layer is to be computed

    def compute_layer(layer: int) -> TableRows:
        if not judges:
            words = Words.select(model, WORDS)
            judges.append(ReadingJudge(HookedModel.open(model), words, EFFECT_WORDS))
        return judge_layer(judges[0], layer, readings)

    result = run_layers("readings", run, model, settings, layers, SCHEMAS, compute_layer, build_tables)
    path = run.out / "readings.json"
    write_json(path, (read_json(path) or {}) | recommend(result.tables["readings"]))
    return result


def judge_layer(judge: ReadingJudge, layer: int, readings: Sequence[Reading]) -> TableRows:
    """The values of every token in a layer, by reading and control, and by target side."""
    writes = judge.write(layer)
    measures = judge.judge_all(writes, readings)
    controls = judge.judge_controls(writes, Reading.parse(CONTROLLED))
    measures |= {CONTROL_PREFIX + name: each for name, each in controls.items()}
    rows = [
        {"reading": name, "layer": layer, **{key: values.tolist() for key, values in each._asdict().items()}}
        for name, each in measures.items()
    ]
    sides = [
        {"target_side": name, "layer": layer, "raised": each.raised.tolist(), "effect": each.effect.tolist()}
        for name, each in judge.judge_target_sides(writes).items()
    ]
    return {"readings": rows, "target_sides": sides}


def build_tables(rows: TableRows) -> TableRows:
    """Means and intervals over tokens."""
    readings = [
        {
            "reading": row["reading"],
            "layer": row["layer"],
            **{name: five_digits(fmean(row[name])) for name in Measures._fields},
            **interval("", row["specific"]),
            **{end: x for name in OTHER_INTERVALS for end, x in interval(f"{name}_", row[name]).items()},
            "n": len(row["overlap"]),
            "effect_n": len(row["effect"]),
        }
        for row in rows["readings"]
    ]
    sides = [
        {
            **row,
            **{name: five_digits(fmean(row[name])) for name in ("raised", "effect")},
            **interval("", row["effect"]),
            "n": len(row["effect"]),
        }
        for row in rows["target_sides"]
    ]
    order = {name: i for i, name in enumerate(dict.fromkeys(row["reading"] for row in readings))}
    return {
        "readings": sorted(readings, key=lambda row: (order[row["reading"]], row["layer"])),
        "target_sides": sorted(sides, key=lambda row: (str(row["target_side"]), row["layer"])),
    }


def interval(prefix: str, values: Sequence[float]) -> Row:
    """The 95 % percentile interval of a mean, from draws of tokens."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(len(values), (BOOTSTRAP_DRAWS, len(values)), generator=generator)
    means = torch.tensor(values, dtype=torch.float64)[drawn].mean(1)
    low, high = torch.quantile(means, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return {f"{prefix}low": five_digits(low), f"{prefix}high": five_digits(high)}


def recommend(rows: Iterable[Row]) -> dict[str, Any]:
    """The readings that predict best on average over the layers: of all, and of those that need no calibration.

    What counts is `effect`: it judges sources and targets together, by what really happens, and unlike `raised` it is
    not near 0 in early layers for every reading. Of equal readings the first is taken.
    """
    effects: dict[str, list[float]] = {}
    for row in rows:
        effects.setdefault(row["reading"], []).append(row["effect"])
    means = {name: fmean(values) for name, values in effects.items() if not name.startswith(CONTROL_PREFIX)}
    weights_only = {name: mean for name, mean in means.items() if not Reading.parse(name).needs_calibration}
    return {
        "recommended": max(means, key=means.__getitem__),
        "recommended_weights_only": max(weights_only, key=weights_only.__getitem__),
    }


def read_recommendation(folder: Path) -> str | None:
    """The reading that `evaluate readings` recommends in a folder; None where it was not run there."""
    data = read_json(folder / "readings.json")
    recommended = None if data is None else data.get("recommended")
    return recommended if isinstance(recommended, str) else None


def split_into_thirds(layers: Sequence[T]) -> list[Sequence[T]]:
    """The early, middle and late third of layers, or of something about each; empty ones where there are fewer."""
    return [layers[len(layers) * i // 3 : len(layers) * (i + 1) // 3] for i in range(3)]


def means_by_third(rows: Sequence[Row]) -> dict[str, dict[str, list[float]]]:
    """The means of each reading's MEASURES over the early, middle and late third of the layers, if not empty."""
    thirds = [third for third in split_into_thirds(sorted({row["layer"] for row in rows})) if third]
    means: dict[str, dict[str, list[float]]] = {}
    for name in dict.fromkeys(row["reading"] for row in rows):
        own = {row["layer"]: row for row in rows if row["reading"] == name}
        present = [[own[layer] for layer in third if layer in own] for third in thirds]
        means[name] = {key: [fmean(row[key] for row in third) for third in present if third] for key in MEASURES}
    return means


def readings_text(rows: Sequence[Row]) -> list[str]:
    """The means of each reading over the early, middle and late third of the layers, as lines for the terminal."""
    lines = ["Means over the early, middle and late third of the layers:"]
    for name, by_third in means_by_third(rows).items():
        cells = [f"{key} {' '.join(f'{mean:5.2f}' for mean in means)}" for key, means in by_third.items()]
        lines.append(f"  {name:<46} {'   '.join(cells)}")
    return lines
