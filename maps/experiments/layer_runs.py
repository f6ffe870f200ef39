"""Runs an experiment on the weights, one layer at a time, and writes its tables.

Each finished layer is stored in `NAME.parts/`, so that a stopped run continues where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from maps.atlas.reader import Atlas
from maps.atlas.schema import Row
from maps.errors import MapsError
from maps.experiments.results import ExperimentRun, experiment_parts, read_finished
from maps.files.atomic import write_file, write_json
from maps.files.csv_export import table_to_csv
from maps.files.run_folder import REMEDY
from maps.mapping.mapper import open_model
from maps.mapping.model import Model
from maps.mapping.settings import select_layers
from maps.types import HeadId
from maps.weights.checkpoint import MAPPING_ROLES

TableRows = dict[str, list[Row]]  # the rows of each table


def five_digits(value: float) -> float:
    """A number as it is stored: the digits after the fifth depend on the number of threads."""
    return float(f"{value:.5g}")


class ExperimentTables(NamedTuple):
    """The settings and the tables of a finished experiment on the weights."""

    folder: Path
    settings: dict[str, Any]
    tables: TableRows

    @classmethod
    def find(cls, folder: Path, experiment: str) -> ExperimentTables | None:
        """The tables in a folder, or None when the experiment is not finished there."""
        return cls.read(folder, experiment) if (folder / f"{experiment}.json").exists() else None

    @classmethod
    def read(cls, folder: Path, experiment: str) -> ExperimentTables:
        """The tables in a folder; raises MapsError when they are missing or damaged."""
        data = read_finished(folder, experiment)
        if not isinstance(data.get("settings"), dict) or not isinstance(data.get("tables"), dict):
            path = folder / f"{experiment}.json"
            raise MapsError(f"{path} is damaged (it holds no settings or no tables); {REMEDY}.")
        return cls(folder, data["settings"], data["tables"])


def open_heads(
    run: ExperimentRun, heads: Sequence[HeadId], roles: Sequence[str] = MAPPING_ROLES
) -> tuple[Model, dict[int, list[int]]]:
    """Opens a model; returns it with the heads to look at by layer: `heads`, or all of the settings' layers if empty.

    `roles` are those of the needed weights. Raises MapsError for a head that the model or the layers lack.
    """
    opened = open_model(run.model, run.settings, run.device)
    layers = select_layers(run.settings, opened.shape)
    named = sorted({opened.head(head) for head in heads})
    outside = [str(head) for head in named if head.layer not in layers]
    if outside:
        raise MapsError(f"--heads names {', '.join(outside)}, which --layers leaves out.")
    selected: dict[int, list[int]] = {} if named else {layer: list(range(opened.shape.heads)) for layer in layers}
    for layer, head in named:
        selected.setdefault(layer, []).append(head)
    opened.check_files(selected, roles)
    return opened, selected


def run_layers(
    experiment: str,
    run: ExperimentRun,
    model: Model,
    settings: dict[str, Any],
    layers: Sequence[int],
    schemas: dict[str, pa.Schema],
    compute_layer: Callable[[int], TableRows],
    build_tables: Callable[[TableRows], TableRows] = lambda rows: rows,
) -> ExperimentTables:
    """Computes the layers that are missing, then writes one CSV file for each table and one JSON file with all.

    `settings` are those of the run apart from the model, `schemas` the columns of its tables. `compute_layer` returns a
    layer's rows by name; `build_tables` makes the tables from the rows of all layers. Raises MapsError when the folder
    holds a run with other settings or the atlas of another model.
    """
    out, parts = run.out, experiment_parts(run.out, experiment)
    settings = {"model": model.requested_name, **model.checkpoint.identity, **settings}
    if (out / "atlas.json").exists() and not model.checkpoint.is_model_of(Atlas.open(out).info):
        raise MapsError(f"{out} holds an atlas of another model; choose another --out.")
    with parts.begin("evaluate", settings):
        computed = parts.compute_missing(layers, compute_layer, run.progress)
        tables = build_tables({name: [row for layer in computed for row in layer[name]] for name in computed[0]})
        for name, schema in schemas.items():
            table = pa.Table.from_pylist(tables[name], schema=schema)
            write_file(out / f"{name}.csv", table_to_csv(table).encode())
        write_json(out / f"{experiment}.json", {"settings": settings, "tables": tables})
    return ExperimentTables(out, settings, tables)
