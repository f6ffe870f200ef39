"""Writes docs/readings.md from the kept results: `python -m docs.readings`.

docs/experiments/MODEL holds the results of `evaluate readings`, and two tables that are made once for each reading:

    python -m docs.readings --count ATLAS docs/experiments/MODEL             heads of its atlas, layer by layer
    python -m docs.readings --correlations FOLDER docs/experiments/MODEL     what `evaluate correlation` wrote
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

from docs.performance import markdown_table
from maps.analysis.classification import classify
from maps.atlas.reader import Atlas
from maps.describers.names import OFFLINE
from maps.experiments.calibrate import TOKENS
from maps.experiments.mapping_plan import calibration_bytes
from maps.experiments.readings import split_into_thirds
from maps.experiments.results import CORRELATION_KINDS
from maps.files.atomic import read_json

PAGE = Path(__file__).with_name("readings.md")
START = Path(__file__).with_name("readings_text.md")
RESULTS = Path(__file__).with_name("experiments")
MODELS = ("smollm2", "qwen2.5-coder-1.5b")  # the folders in docs/experiments
SIZES = {  # parameters, layers, width
    "SmolLM2-135M": (134_515_008, 30, 576),
    "Qwen2.5-1.5B": (1_543_714_304, 28, 1536),
    "Llama-3.1-8B": (8_030_261_248, 32, 4096),
    "Llama-3.1-70B": (70_553_706_496, 80, 8192),
}
MAPPING_COSTS = Path(__file__).parents[1] / "benchmarks" / "results" / "mapping_plan.json"
MEASURED_MODELS = {  # as they are called in `MAPPING_COSTS`
    "smollm2": "SmolLM2-135M",
    "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf": "Qwen2.5-Coder-1.5B (GGUF)",
}
CORRELATIONS = "correlation_by_reading.csv"
CORRELATION_COLUMNS = ("reading", "relation", *CORRELATION_KINDS)
COUNT_COLUMNS = ("reading", "layer", "heads", "with_relation", "with_pattern")
Row = dict[str, str]


def read_rows(model: str, name: str) -> list[Row]:
    """A kept table of a model; empty where it was not measured."""
    path = RESULTS / model / name
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) if path.exists() else []


def mean_by_third(rows: Iterable[Row], column: str) -> list[str]:
    """The mean of a column over the early, middle and late third of the layers, in two digits."""
    by_layer = {int(row["layer"]): float(row[column]) for row in rows}
    return [f"{fmean(by_layer[layer] for layer in third):.2f}" for third in split_into_thirds(sorted(by_layer))]


def prediction_table(model: str, name: str, key: str, measures: Sequence[str]) -> str:
    """Each reading, or target side, with its measures by third of the layers."""
    rows = read_rows(model, name)
    lines = [
        [each, *(", ".join(mean_by_third([r for r in rows if r[key] == each], measure)) for measure in measures)]
        for each in dict.fromkeys(row[key] for row in rows)
    ]
    return markdown_table([key.replace("_", " "), *measures], lines)


def count_table(model: str) -> str:
    """How many heads have a relation, and how many a described pattern, by reading and third of the layers."""
    rows, lines = read_rows(model, "heads_by_layer.csv"), []
    for reading in dict.fromkeys(row["reading"] for row in rows):
        own = sorted((row for row in rows if row["reading"] == reading), key=lambda row: int(row["layer"]))
        thirds = split_into_thirds(own)
        cells = [
            ", ".join(str(sum(int(row[column]) for row in third)) for third in thirds)
            for column in ("with_relation", "with_pattern")
        ]
        lines.append([reading, *cells, str(sum(int(row["heads"]) for row in own))])
    return markdown_table(["reading", "heads with a relation", "heads with a described pattern", "of"], lines)


def count_heads(atlas: Atlas) -> list[Row]:
    """The heads of every layer: all, those that are classified, and those in which the offline rules see a pattern."""
    settings = atlas.info["settings"]
    classified = classify(atlas.table("relations"), settings["tau"], settings["min_pairs"])
    by_rules = [row for row in atlas.descriptions() if row["describer"] == OFFLINE]
    described = {(row["layer"], row["head"]) for row in by_rules if row["pattern"]}
    rows = []
    for layer in sorted({head.layer for head in atlas.head_ids}):
        heads = [head for head in atlas.head_ids if head.layer == layer]
        counts = len(heads), sum(head in classified for head in heads), sum(tuple(head) in described for head in heads)
        rows.append(dict(zip(COUNT_COLUMNS, (atlas.info["reading"], *map(str, (layer, *counts))), strict=True)))
    return rows


def keep_counts(atlas: Atlas, folder: Path) -> None:
    """Writes an atlas's counts into a folder's `heads_by_layer.csv`, in the place of earlier ones of the reading."""
    keep_rows(folder / "heads_by_layer.csv", COUNT_COLUMNS, count_heads(atlas))


def keep_correlations(experiment: Path, folder: Path) -> None:
    """Writes what `evaluate correlation` found in a reading into a folder, in the place of what it found earlier."""
    settings = (read_json(experiment / "correlation.json") or {})["settings"]
    with (experiment / "correlation.csv").open(encoding="utf-8", newline="") as file:
        rows = [{"reading": settings["reading"], **row} for row in csv.DictReader(file)]
    kept = [{name: row[name] for name in CORRELATION_COLUMNS} for row in rows]
    keep_rows(folder / CORRELATIONS, CORRELATION_COLUMNS, kept)


def keep_rows(path: Path, columns: Sequence[str], new: Sequence[Row]) -> None:
    """Writes rows of one reading into a table, in the place of its earlier ones."""
    rows = [row for row in read_rows(path.parent.name, path.name) if row["reading"] != new[0]["reading"]]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*rows, *new])


def correlation_table(model: str) -> str:
    """The mean over relations of each correlation of weights with what heads do, by reading."""
    rows, lines = read_rows(model, CORRELATIONS), []
    for reading in dict.fromkeys(row["reading"] for row in rows):
        own = [row for row in rows if row["reading"] == reading]
        means = [fmean(float(row[kind]) for row in own if row[kind]) for kind in CORRELATION_KINDS]
        lines.append([reading, str(len(own)), *(f"{mean:.2f}" for mean in means)])
    header = ("reading", "relations", *(kind.replace("_", " ") for kind in CORRELATION_KINDS))
    return markdown_table(header, lines)


def cost_table() -> str:
    """What a calibration takes, from the sizes of models; the time is dominated by running the model on its tokens."""
    lines = []
    for name, (parameters, layers, width) in SIZES.items():
        stream_bytes, maps_bytes = calibration_bytes(layers, width)
        operations = 2 * TOKENS * parameters
        lines.append(
            [
                name,
                f"{4 * parameters / 1e9:,.1f} GB",
                f"{operations / 1e12:,.1f}",
                f"{stream_bytes / 1e9:,.1f} GB",
                f"{maps_bytes / 1e9:,.2f} GB",
            ]
        )
    header = ("model", "memory for its weights", "operations (10¹²) to run it", "streams on disk meanwhile", "the maps")
    return markdown_table(header, lines)


def mapping_cost_table() -> str:
    """What `maps map` took, start to end, beside what its plan had said; see `benchmarks.mapping_plan`."""
    lines = [
        [
            MEASURED_MODELS[row["model"]],
            "the paper's" if row["reading"] == "paper" else "calibrated, with its calibration",
            *(minutes_text(row[name]) for name in ("planned_seconds", "seconds")),
            *(f"{row[name]:.1f} GB" for name in ("planned_gigabytes", "gigabytes")),
            f"{row['rate'] / 1e9:,.0f}",
        ]
        for row in json.loads(MAPPING_COSTS.read_text(encoding="utf-8"))
    ]
    header = ("model", "reading", "planned", "took", "memory planned", "most memory", "10⁹ operations a second")
    return markdown_table(header, lines)


def minutes_text(seconds: float) -> str:
    """`24 s`, `11 min`."""
    return f"{seconds:.0f} s" if seconds < 180 else f"{seconds / 60:.0f} min"


def readings_page() -> str:
    """The page: its text, with the tables in the place of their names."""
    text = START.read_text(encoding="utf-8")
    for model in MODELS:
        tables = {
            "readings": prediction_table(model, "readings.csv", "reading", ("overlap", "specific", "raised", "effect")),
            "target sides": prediction_table(model, "target_sides.csv", "target_side", ("raised", "effect")),
            "heads": count_table(model),
            "correlations": correlation_table(model),
        }
        for name, table in tables.items():
            text = text.replace(f"[{name} of {model}]\n", table)
    return text.replace("[costs]\n", cost_table()).replace("[mapping costs]\n", mapping_cost_table())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--count"]:
        keep_counts(Atlas.open(sys.argv[2]), Path(sys.argv[3]))
    elif sys.argv[1:2] == ["--correlations"]:
        keep_correlations(Path(sys.argv[2]), Path(sys.argv[3]))
    PAGE.write_text(readings_page(), encoding="utf-8")
    print(f"{PAGE} is written.")
